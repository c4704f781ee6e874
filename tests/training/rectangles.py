"""Pictures of bright rectangles, a data set made in no time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.data.rle import encode

SIDE = 64


def data_set(folder: Path, *, train: int, val: int) -> dict[str, str]:
    """Two splits of so many pictures in `folder`; returns the changes a config needs for them."""
    changes = {"data__name": "rectangles", "data__label_space": "fine"}
    for split, count in (("train", train), ("val", val)):
        write_split(folder, split, count)
        changes[f"data__{split}_annotations"] = str(folder / f"{split}.json")
        changes[f"data__{split}_images"] = str(folder / split)
    return changes


def write_split(folder: Path, split: str, count: int) -> None:
    """Pictures of one to three bright rectangles: processes get unequal numbers of instances."""
    random = np.random.default_rng(count)
    (folder / split).mkdir(parents=True)
    images, annotations = [], []
    for number in range(count):
        picture = random.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        for _ in range(1 + number % 3):
            mask = np.zeros((SIDE, SIDE), dtype=bool)
            (x, y), (w, h) = random.integers(0, 36, 2), random.integers(12, 28, 2)
            mask[y : y + h, x : x + w] = True
            kind = int(random.integers(2))
            picture[mask, kind] = 220
            row = {"id": len(annotations) + 1, "image_id": 10 + number, "iscrowd": 0}
            box = [int(x), int(y), int(w), int(h)]
            row |= {"category_id": (3, 7)[kind], "area": int(mask.sum()), "bbox": box}
            annotations.append({**row, "segmentation": dict(encode(mask))})
        name = f"{number}.png"
        Image.fromarray(picture).save(folder / split / name)
        images.append({"id": 10 + number, "file_name": name, "width": SIDE, "height": SIDE})
    kinds = [{"id": i, "name": n, "supercategory": "thing"} for i, n in ((3, "red"), (7, "green"))]
    content = {"images": images, "annotations": annotations, "categories": kinds}
    (folder / f"{split}.json").write_text(json.dumps(content))
