"""The splits of a config, opened together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from helpers.config import DataConfig
from helpers.data.errors import DataError
from helpers.training.data import read_splits

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
