"""The splits of a config, opened together."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.config import DataConfig, TrainConfig
from helpers.data.errors import DataError
from helpers.training.data import TrainingBatches, read_splits

CATEGORIES = [{"id": 3, "name": "chair"}, {"id": 7, "name": "table"}]


def splits(folder: Path, val_categories: list[dict[str, object]]) -> DataConfig:
    """Two splits of one picture each that declare these categories."""
    paths = {}
    for split, categories in {"train": CATEGORIES, "val": val_categories}.items():
        (folder / split).mkdir()
        Image.new("RGB", (8, 8)).save(folder / split / "one.png")
        ring = [0, 0, 4, 0, 4, 4, 0, 4]
        entry = {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [ring]}
        image = {"id": 1, "width": 8, "height": 8, "file_name": "one.png"}
        file = folder / f"{split}.json"
        content = {"images": [image], "annotations": [entry], "categories": categories}
        file.write_text(json.dumps(content))
        paths |= {f"{split}_annotations": str(file), f"{split}_images": str(folder / split)}
    return DataConfig(**paths)


@pytest.mark.parametrize("order", [1, -1])
def test_D8_another_order_of_classes_is_told_and_matched_by_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, order: int
) -> None:
    train, val = read_splits(splits(tmp_path, CATEGORIES[::order]))
    assert train.labels.tolist() == val.labels.tolist() == [1]
    assert ("another order" in caplog.text) == (order == -1)


def test_D8_another_name_is_refused(tmp_path: Path) -> None:
    swapped = [{"id": 3, "name": "table"}, {"id": 7, "name": "chair"}]
    with pytest.raises(DataError, match="category 3 'table' is there 'chair'"):
        read_splits(splits(tmp_path, swapped))


def test_every_option_reaches_the_batches_and_any_step_can_be_first(tmp_path: Path) -> None:
    index, _ = read_splits(splits(tmp_path, CATEGORIES))
    options = {"batch_size": 1, "workers": 0, "short_side": (8, 8), "max_side": 8, "colour": 0.0}
    strong = TrainConfig(**options, blur=3.0, rotate=40.0, repeat_factor=4.0)
    plain, batches = (TrainingBatches(index, c) for c in (TrainConfig(**options), strong))
    assert (plain.epoch_steps, batches.epoch_steps) == (1, 2)  # the one class asks for sqrt(4)
    taken = [batch[0].targets.masks for batch in islice(batches(0), 6)]
    for start in range(6):
        assert torch.equal(next(batches(start))[0].targets.masks, taken[start])
    assert not torch.equal(taken[0], taken[2])  # turned anew in the next epoch
    still = [batch[0].targets.masks.sum() for batch in islice(plain(0), 3)]
    assert still == [16, 16, 16]
