"""A data set small enough to be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.data import rle
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex

CATEGORIES = [
    {"id": 1, "name": "Nightstand", "supercategory": "Cabinet"},
    {"id": 2, "name": "Bed Frame", "supercategory": "Bed"},
    {"id": 5, "name": "Bunk Bed", "supercategory": "Bed"},
    {"id": 9, "name": "Lamp", "supercategory": "Lighting"},
]
IMAGES = {1: (600, 600), 2: (1200, 1200), 3: (300, 1200), 4: (600, 600)}  # id: (height, width)
# image, category, x, y, w, h, crowd: every mask fills its box
BOXES = [
    (1, 1, 10, 10, 50, 50, 0),
    (1, 1, 100, 10, 50, 100, 0),
    (1, 2, 0, 200, 300, 200, 0),
    (2, 2, 100, 100, 100, 80, 0),
    (2, 1, 600, 600, 300, 300, 0),
    (2, 5, 300, 300, 200, 200, 1),
    (3, 2, 1100, 100, 100, 60, 0),
]


@pytest.fixture
def small_index(tmp_path: Path) -> InstanceIndex:
    """Four pictures (the last without anything), six instances and one crowd region."""
    annotations = [
        {
            "id": number, "image_id": image, "category_id": category, "iscrowd": crowd,
            "bbox": [x, y, w, h], "area": w * h, "segmentation": box_rle(IMAGES[image], x, y, w, h),
        }
        for number, (image, category, x, y, w, h, crowd) in enumerate(BOXES, start=1)
    ]  # fmt: skip
    images = [
        {"id": number, "height": height, "width": width, "file_name": f"{number}.jpg"}
        for number, (height, width) in IMAGES.items()
    ]
    file = tmp_path / "small.json"
    file.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES})
    )
    return read_index(file, check_images=False)


def box_rle(size: tuple[int, int], x: int, y: int, w: int, h: int) -> dict:
    """A filled box as a compressed mask of a picture of `size` (height, width)."""
    mask = np.zeros(size, bool)
    mask[y : y + h, x : x + w] = True
    return dict(rle.encode(mask))
