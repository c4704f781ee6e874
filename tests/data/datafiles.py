"""A small data set on disk that a test may damage before it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Document = dict[str, Any]
Change = Callable[[Document, Path], None]


def rectangle(x: float, y: float, w: float, h: float) -> list[float]:
    """The ring of a polygon whose corners are pixel corners."""
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def annotation(number: int, image: int, category: int, box: tuple[int, ...]) -> Document:
    """A consistent COCO annotation of a rectangle [x, y, w, h]."""
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": [rectangle(*box)],
        "bbox": list(box),
        "area": box[2] * box[3],
        "iscrowd": 0,
    }


def coco(
    file: Path,
    sizes: dict[int, tuple[int, int]],
    rows: list[tuple[int, int, tuple[int, ...]]],
    kinds: list[Document],
    *,
    crowds: tuple[int, ...] = (),
) -> Path:
    """Write rectangles (image, category, [x, y, w, h]) on pictures <id>.png of (height, width)."""
    content = {"images": [], "annotations": [], "categories": kinds}
    for number, (height, width) in sizes.items():
        image = {"id": number, "height": height, "width": width, "file_name": f"{number}.png"}
        content["images"].append(image)
    for number, row in enumerate(rows, start=1):
        one = annotation(number, *row) | {"iscrowd": int(number in crowds)}
        content["annotations"].append(one)
    file.write_text(json.dumps(content))
    return file


def document() -> Document:
    """Two pictures, three rectangles, two categories with a gap in their ids."""
    return {
        "images": [
            {"id": 1, "width": 24, "height": 16, "file_name": "one.png"},
            {"id": 2, "width": 16, "height": 20, "file_name": "two.png"},
        ],
        "annotations": [
            annotation(11, 1, 3, (2, 3, 8, 5)),
            annotation(12, 1, 7, (12, 1, 10, 14)),
            annotation(13, 2, 3, (0, 0, 16, 20)),
        ],
        "categories": [
            {"id": 3, "name": "chair", "supercategory": "seat"},
            {"id": 7, "name": "table", "supercategory": "board"},
        ],
    }


def picture(height: int, width: int, *, seed: int = 0) -> Image.Image:
    """A picture in which every place looks different."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def write(folder: Path, change: Change | None = None, *, name: str = "data.json") -> Path:
    """Write the pictures and the document, changed; returns the annotation file."""
    content = document()
    for number, image in enumerate(content["images"]):
        picture(image["height"], image["width"], seed=number).save(folder / image["file_name"])
    if change is not None:
        change(content, folder)
    file = folder / name
    if not file.exists():  # a change may have written something of its own
        file.write_text(json.dumps(content))
    return file


def uncompressed(mask: np.ndarray) -> list[int]:
    """Run lengths of 0, 1, 0, ... pixels, column by column."""
    counts, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder and of those in it, by their place there."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
