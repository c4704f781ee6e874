"""Training sizes, levels and augmentation in numbers, against counts made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.config import TrainConfig
from helpers.data.augment import Draw
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.data.loader import InstanceDataset
from helpers.series.analysis import scales
from helpers.series.analysis.statistics import instance_table

from .conftest import IMAGES

GENTLE = TrainConfig(short_side=(300, 400), max_side=1600, flip=0.5, colour=0.1)
STRONG = replace(GENTLE, blur=2.0, rotate=20.0)


@pytest.fixture
def pictures(tmp_path: Path, small_index: InstanceIndex) -> InstanceIndex:
    """The small data set with pictures: bright where an instance is, dark elsewhere."""
    for row, image_id in enumerate(small_index.image_ids.tolist()):
        height, width = IMAGES[image_id]
        canvas = np.full((height, width, 3), 30, dtype=np.uint8)
        for x, y, w, h in small_index.instances(row).boxes.astype(int):
            canvas[y : y + h, x : x + w] = 220
        Image.fromarray(canvas).save(tmp_path / f"{image_id}.jpg", quality=95)
    return read_index(tmp_path / "small.json", tmp_path)


def test_boxes_grow_with_the_picture_until_the_limit(small_index):
    table = instance_table(small_index)
    sides = scales.drawn_sides(table, [600, 1200], max_side=1200)
    assert sides[0, 0] == pytest.approx(50) and sides[1, 0] == pytest.approx(100)
    wide = table["image_id"].to_numpy() == 3  # 300 x 1200: the limit holds it at 1200
    assert sides[:, wide].ravel() == pytest.approx([6000**0.5] * 2)


def test_shares_of_the_levels(small_index):
    table = instance_table(small_index)
    shares = scales.level_shares(table, [600, 1200], max_side=4800)
    assert list(shares) == ["P2", "P3", "P4", "P5"] and list(shares.index) == [600, 1200]
    # 600: sides 50, 71, 245, 45, 150, 155; 1200: twice that
    assert shares.loc[600].tolist() == pytest.approx([3 / 6, 2 / 6, 1 / 6, 0])
    assert shares.loc[1200].tolist() == pytest.approx([2 / 6, 1 / 6, 2 / 6, 1 / 6])
    assert scales.level_shares(table.head(0), [600], max_side=4800).loc[600].tolist() == [0] * 4


def test_boxes_that_meet_several_levels(small_index):
    table = instance_table(small_index)
    met = scales.levels_met(table, (600, 1200), max_side=4800)
    assert met.loc["all"].tolist() == pytest.approx([6, 2 / 6, 4 / 6])  # 50 and 45 stay in P2
    assert met.loc["Bed", "instances"] == met.loc["Cabinet", "instances"] == 3
    assert met.index[-1] == "all" and met["several"].iloc[0] >= met["several"].iloc[1]
    assert not scales.moved(table, (600, 600), max_side=4800).any()
    rows = scales.most_moved(small_index, table, (600, 1200), max_side=4800)
    assert rows[-1] == 3 and sorted(rows) == [0, 1, 2, 3]  # the last picture is empty


def test_what_a_limit_leaves():
    table = scales.caps((1200, 1500), (1333, 1500), size=(1200, 1200))
    assert table.loc[1333, "cut"] == pytest.approx(167 / 301)
    assert table.loc[1333, ["smallest", "largest"]].tolist() == [1200, 1333]
    assert table.loc[1500].tolist() == [1200, 1350, 1500, 0]
    assert scales.caps((600, 600), (1333,), size=(600, 1200)).loc[1333, "cut"] == 0


def test_samples_are_those_of_training(pictures):
    dataset = InstanceDataset(
        pictures, train=True, short_side=STRONG.short_side, max_side=STRONG.max_side,
        flip=0.5, colour=0.1, blur=2.0, rotate=20.0,
    )  # fmt: skip
    samples = scales.drawn_samples(pictures, 0, STRONG, range(3))
    for epoch, sample in enumerate(samples):
        dataset.set_epoch(epoch)
        assert torch.equal(sample.image, dataset[0].image)
        assert torch.equal(sample.targets.masks, dataset[0].targets.masks)
    assert len({tuple(sample.image.shape) for sample in samples}) > 1


def test_each_change_by_itself():
    changes = scales.single_changes(STRONG)
    assert list(changes) == [
        "none", "flip", "brightness 1.1", "contrast 0.9", "saturation 1.1",
        "blur, sigma 2 px", "rotation 20°",
    ]  # fmt: skip
    assert changes["none"] == Draw(300) and changes["rotation 20°"] == Draw(300, angle=20)
    assert list(scales.single_changes(GENTLE))[-1] == "saturation 1.1"
    larger = scales.enlarged(STRONG, 2)
    assert (larger.short_side, larger.max_side, larger.blur) == ((600, 800), 3200, 4)
    assert larger.rotate == STRONG.rotate


def test_what_changes_leave_of_outlines(pictures):
    changes = scales.single_changes(STRONG)
    table = scales.outline_effects(pictures, [0, 1], changes, max_side=1600)
    assert table.loc["none"].tolist() == [1, 1, 1]
    assert table.loc["flip"].tolist() == pytest.approx([1, 1, 1], abs=0.02)
    assert table.loc["contrast 0.9", "edge contrast"] == pytest.approx(0.9, abs=0.02)
    blurred = table.loc["blur, sigma 2 px"]
    assert blurred["edge contrast"] < 0.6 and blurred["pixels kept"] == 1
    turned = table.loc["rotation 20°"]
    assert turned["pixels kept"] < 0.99 and turned["instances kept"] <= 1
