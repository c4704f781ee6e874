"""Where annotations and pictures of a data set lie, for every folder layout in common use.

3D-FUTURE alone has three: the release (GT/train_set.json, train/image), the organisers' challenge
(annotations/train_set.json, train2020) and the winners' (annotations/train_set.json, images/train).
Besides: generated scenes, COCO, and exports with one _annotations.coco.json a split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers.data.errors import DataError
from helpers.data.pictures import EXTENSIONS, read_header

Pair = tuple[Path, Path]  # annotation file, image folder

HOLDOUT = "holdout"  # folder of the files that `split` makes: train.json and val.json

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}

_ANNOTATIONS = (
    "GT/{split}_set.json",
    "annotations/{split}_set.json",
    "annotations/instances_{split}*.json",
    "annotations/{split}*.json",
    "{split}/_annotations.coco.json",
    "{split}/annotations.json",
    "{split}_set.json",
    "{split}.json",
)
_IMAGES = (
    "{split}/image",
    "{split}/images",
    "images/{tag}",
    "images/{split}",
    "{tag}",
    "{split}2020",
    "{split}",
    "image",
    "images",
)
_ALONE = ("*.json", "annotations/*.json")  # one file for all, when there is exactly one


def find_dataset(folder: Path | str) -> dict[str, Pair]:
    """The (annotation file, image folder) of each split found: "train", "val", "test" or "all".

    Raises DataError with the layouts known when nothing is found.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give the folder of a data set.")
    found = {}
    for split, names in SPLITS.items():
        for name in names:
            annotations = _annotations(folder, name)
            if annotations is not None and split not in found:
                found[split] = (annotations, _images(folder, name, annotations))
    if found:
        return found
    alone = [path for pattern in _ALONE for path in sorted(folder.glob(pattern))]
    if len(alone) == 1:
        return {"all": (alone[0], _images(folder, "all", alone[0]))}
    seen = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    raise DataError(
        f"{folder}: no annotation file found; the folder holds {seen}. Known layouts: "
        f"{', '.join(_ANNOTATIONS)} (split: train, val, valid, test), or one .json file alone. "
        "Else give the annotation file itself, with its image folder."
    )


def _annotations(folder: Path, split: str) -> Path | None:
    for pattern in _ANNOTATIONS:
        files = sorted(folder.glob(pattern.format(split=split)))
        if files:
            return files[0]
    return None


def _images(folder: Path, split: str, annotations: Path) -> Path:
    """The first candidate that holds pictures; else the annotation file's own folder."""
    tag = annotations.stem.removeprefix("instances_")
    for candidate in _IMAGES:
        path = folder / candidate.format(split=split, tag=tag)
        if path.is_dir() and _holds_pictures(path):
            return path
    return annotations.parent


def picture_list(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """COCO `images` of a folder that holds pictures and no JSON: by name, numbered from 1, upright.

    Empty for any other folder. Raises DataError for a picture that can not be read.
    """
    if any(path.suffix == ".json" for path in folder.iterdir()):
        return {"images": []}
    rows = []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS):
        height, width = read_header(path).oriented_size
        row = {"id": len(rows) + 1, "file_name": path.name, "height": height, "width": width}
        rows.append(row)
    return {"images": rows}


def _holds_pictures(folder: Path) -> bool:
    return any(path.suffix.lower() in EXTENSIONS for path in folder.iterdir())
