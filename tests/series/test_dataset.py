"""A folder is opened by what lies in it, and says what is missing."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from PIL import Image

from helpers.config import preset
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.series.dataset import instance_table, open_split, split_paths
from tests.data.datafiles import coco

CATEGORIES = [
    {"id": 1, "name": "Nightstand", "supercategory": "Cabinet"},
    {"id": 2, "name": "Bed Frame", "supercategory": "Bed"},
    {"id": 5, "name": "Bunk Bed", "supercategory": "Bed"},
    {"id": 9, "name": "Lamp", "supercategory": "Lighting"},
]
IMAGES = {1: (600, 600), 2: (1200, 1200), 3: (300, 1200), 4: (600, 600)}  # id: (height, width)
# image, category, box: every mask fills its box; the sixth is a crowd
BOXES = [
    (1, 1, (10, 10, 50, 50)),
    (1, 1, (100, 10, 50, 100)),
    (1, 2, (0, 200, 300, 200)),
    (2, 2, (100, 100, 100, 80)),
    (2, 1, (600, 600, 300, 300)),
    (2, 5, (300, 300, 200, 200)),
    (3, 2, (1100, 100, 100, 60)),
]


@pytest.fixture
def small_index(tmp_path: Path) -> InstanceIndex:
    """Four pictures (the last without anything), six instances and one crowd region."""
    file = coco(tmp_path / "small.json", IMAGES, BOXES, CATEGORIES, crowds=(6,))
    return read_index(file, check_images=False)


@pytest.fixture
def folder(tmp_path: Path, small_index: InstanceIndex) -> Path:
    """The small data set with pictures, laid out as the release is; only its training split."""
    root = tmp_path / "set"
    (root / "GT").mkdir(parents=True)
    (root / "train" / "image").mkdir(parents=True)
    for number, (height, width) in IMAGES.items():
        Image.new("RGB", (width, height)).save(root / "train" / "image" / f"{number}.png")
    shutil.copyfile(tmp_path / "small.json", root / "GT" / "train_set.json")
    return root


def test_a_split_is_found_in_its_label_space_or_the_folder_is_read_whole(folder, small_index):
    found = open_split(folder, "train")
    assert found.digest == small_index.digest and found.paths[0].exists()
    assert open_split(folder, label_space="super").taxonomy.names == ("Cabinet", "Bed", "Lighting")
    whole = folder.parent / "whole"
    shutil.copytree(folder / "train" / "image", whole)
    shutil.copyfile(folder / "GT" / "train_set.json", whole / "_annotations.coco.json")
    assert len(open_split(whole, "val")) == len(IMAGES)


def test_what_is_missing_is_named(folder: Path):
    with pytest.raises(DataError, match="no split 'val': choose one of train"):
        open_split(folder, "val")
    with pytest.raises(DataError, match="00_start_here"):
        open_split(folder / "nowhere")
    with pytest.raises(DataError, match="no split val: training needs both; found train"):
        split_paths(folder)


def test_paths_for_a_config_are_those_of_the_preset(folder: Path, monkeypatch):
    home = folder.parent / "home"
    shutil.copytree(folder, home / "scenes" / "quick")
    shutil.copytree(folder / "train", home / "scenes" / "quick" / "val")
    shutil.copyfile(folder / "GT" / "train_set.json", home / "scenes" / "quick/GT/val_set.json")
    monkeypatch.setenv("HELPERS_OUTPUTS", str(home))
    found = split_paths("outputs/scenes/quick")
    wanted = dataclasses.asdict(preset("quick").data)
    assert len(found) == 4 and found == {key: wanted[key] for key in found}


def test_sizes_are_those_at_1200_pixels_beside_the_shapes(small_index: InstanceIndex):
    table = instance_table(small_index)
    assert len(table) == 6  # the crowd region is left out
    assert table["scale"].tolist() == [2, 2, 2, 1, 1, 2]  # 300 x 1200 has the area of 600 x 600
    assert table["area_1200"].tolist() == [10000, 20000, 240000, 8000, 90000, 24000]
    assert table["side_1200"].iloc[0] == 100
    assert table[["box_w_1200", "box_h_1200"]].iloc[2].tolist() == [600, 400]
    assert table["aspect"].tolist() == pytest.approx([1, 2, 2 / 3, 0.8, 1, 0.6])
    assert table["fill"].tolist() == [1] * 6
    assert table["truncated"].tolist() == [False, False, True, False, False, True]
