"""Leaks between splits, and holding pictures out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from datafiles import Document, annotation, picture, write

from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.data.splits import holdout, same_pictures


def test_D59_same_files_are_found_under_any_name(tmp_path: Path) -> None:
    indexes = []
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
        indexes.append(read_index(write(tmp_path / name)))
    pairs = same_pictures(*indexes)  # both splits hold the same two pictures
    assert [(a.name, b.name) for a, b in pairs] == [("one.png", "one.png"), ("two.png", "two.png")]
    picture(16, 24, seed=9).save(tmp_path / "val/one.png")
    shutil.copy(tmp_path / "train/one.png", tmp_path / "val/two.png")
    assert [(a.name, b.name) for a, b in same_pictures(*indexes)] == [("one.png", "two.png")]


@pytest.fixture
def index(tmp_path: Path) -> InstanceIndex:
    """120 pictures; every fourth one shows the rare category besides the common one."""

    def change(doc: Document, folder: Path) -> None:
        size = {"width": 24, "height": 16, "file_name": "one.png"}
        doc["images"] = [{"id": n, **size} for n in range(120)]
        doc["annotations"] = [annotation(n + 1, n, 3, (0, 0, 4, 4)) for n in range(118)]
        doc["annotations"] += [annotation(500 + n, n, 7, (5, 5, 4, 4)) for n in range(0, 118, 4)]

    return read_index(write(tmp_path, change))


@pytest.mark.parametrize("count", [0, 1, 12, 40, 120])
def test_D59_holdout_is_seeded_and_stratified(index: InstanceIndex, count: int) -> None:
    rare = set(index.image_ids[index.image_rows[index.category_ids == 7]].tolist())
    for seed in range(10):
        stay, held = holdout(index, count, seed=seed)
        assert len(held) == count and sorted(stay + held) == list(range(120))
        assert (stay, held) == holdout(index, count, seed=seed)
        assert abs(len(rare & set(held)) - count * len(rare) / 120) <= 1


def test_D59_holdout_differs_with_the_seed(index: InstanceIndex) -> None:
    first, second = (holdout(index, 30, seed=seed)[1] for seed in (0, 1))
    assert first != second
    often = np.bincount(np.concatenate([holdout(index, 30, seed=s)[1] for s in range(60)]))
    assert often.max() < 60  # nobody is always held out


def test_holding_out_too_many_is_refused(index: InstanceIndex) -> None:
    with pytest.raises(ValueError, match="can not hold out 121"):
        holdout(index, 121)
