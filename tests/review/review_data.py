"""A small review: two pictures with squares, and the same with some of them changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from helpers.data import rle
from helpers.data.coco import read_index
from helpers.review.sources import Comparison, annotations_of

SIZE = (60, 90)  # height, width
# id, image, category, x, y, side
SQUARES = [(1, 1, 1, 0, 0, 30), (2, 1, 1, 40, 20, 20), (3, 2, 2, 10, 10, 25), (4, 2, 1, 70, 40, 8)]


def square(x: int, y: int, side: int) -> np.ndarray:
    """(60, 90) bool."""
    mask = np.zeros(SIZE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def annotation(number: int, image: int, category: int, mask: np.ndarray) -> dict[str, Any]:
    packed, area, box = rle.examine(rle.encode(mask))
    about = {"id": number, "image_id": image, "category_id": category, "iscrowd": 0}
    return about | {"segmentation": packed, "area": area, "bbox": list(box)}


def before(*, shift: int = 0) -> dict[str, Any]:
    """The annotations under review, `shift` added to their ids."""
    sizes = {"width": SIZE[1], "height": SIZE[0]}
    squares = [(n + shift, image, category, square(*at)) for n, image, category, *at in SQUARES]
    return {
        "images": [{"id": n, "file_name": f"{n}.jpg"} | sizes for n in (1, 2)],
        "annotations": [annotation(*one) for one in squares],
        "categories": [{"id": 1, "name": "Chair"}, {"id": 2, "name": "Sofa"}],
    }


def after(*, shift: int = 0) -> dict[str, Any]:
    """1 grows by a column of 30 px, 2 is as it was, 3 loses a pixel, 4 is gone, 9 is new."""
    grown, chipped = square(0, 0, 30), square(10, 10, 25)
    grown[:30, 30] = True
    chipped[10, 10] = False
    changed = (1, 1, 1, grown), (2, 1, 1, square(40, 20, 20)), (3, 2, 2, chipped)
    squares = *changed, (9, 2, 1, square(50, 5, 10))
    annotations = [annotation(n + shift, *rest) for n, *rest in squares]
    return before() | {"annotations": annotations}


def write_files(folder: Path, *documents: dict[str, Any]) -> tuple[Path, Path]:
    """before.json and after.json, or what is given as such, beside their pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for n in (1, 2):
        noise = rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{n}.jpg")
    files = folder / "before.json", folder / "after.json"
    for file, document in zip(files, documents or (before(), after()), strict=True):
        file.write_text(json.dumps(document))
    return files


def comparison(folder: Path, *documents: dict[str, Any], split: str = "train") -> Comparison:
    """The two files as a comparison by annotation id."""
    old, new = (read_index(file) for file in write_files(folder, *documents))
    sources = annotations_of(old, name="old"), annotations_of(new, name="new")
    return Comparison(old, *sources, split=split)
