"""Where annotations and pictures of a data set lie, for every folder layout in common use.

3D-FUTURE alone has three: the release (GT/train_set.json, train/image), the organisers' challenge
(annotations/train_set.json, train2020) and the winners' (annotations/train_set.json, images/train).
Besides: generated scenes, COCO, and exports with one _annotations.coco.json a split. Hidden files
count nowhere, and a .json file counts as annotations only if it is COCO with masks or boxes.
"""

from __future__ import annotations

import logging
import mmap
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from helpers.data.errors import SHOWN, DataError, Findings
from helpers.data.formats import advice
from helpers.data.pictures import examine_pictures, is_picture
from helpers.files import existing

log = logging.getLogger(__name__)

Pair = tuple[Path, Path]  # annotation file, image folder

HOLDOUT = "holdout"  # folder of the files that `split` makes: train.json and val.json

SPLITS = {
    "train": ("train", "Train"),  # CVAT's own subsets begin with a capital
    "val": ("validation", "valid", "val", "Validation"),
    "test": ("test", "Test"),
}

_ANNOTATIONS = (
    *("GT/{split}_set.json", "annotations/{split}_set.json"),
    *("annotations/instances_{split}*.json", "annotations/*{split}*.json"),
    *("{split}/_annotations.coco.json", "{split}/*.json"),
    *("instances_{split}*.json", "{split}_set.json", "{split}.json"),
)
_IMAGES = (
    *("{split}/image", "{split}/images", "images/{tag}", "images/{split}"),
    *("{tag}", "{split}2020", "{split}", "image", "images", "data"),
)
_ALONE = ("*.json", "annotations/*.json")  # one file for all, when there is exactly one


def find_dataset(path: Path | str, images: Path | str | None = None) -> dict[str, Pair]:
    """The (annotation file, image folder) of each split of a folder: "train", "val", "test"; of a
    folder without splits, and of an annotation file, "all".

    images: the image folder, of an annotation file only. Raises DataError when nothing is found:
    it names the known layouts, or how to convert what is there.
    """
    path = existing(path)
    if images is not None and path.is_dir():
        raise DataError(f"{path} is a folder: an image folder goes with an annotation file.")
    if images is not None or path.is_file():
        return {"all": (path, existing(images) if images else picture_folder(path))}
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder. Give the folder of a data set.")
    found: dict[str, Path] = {}
    for split, names in SPLITS.items():
        patterns = (pattern.format(split=name) for name in names for pattern in _ANNOTATIONS)
        listed = (_coco_files(path, pattern) for pattern in patterns)
        fresh = ([file for file in files if file not in found.values()] for files in listed)
        files = next(filter(None, fresh), [])
        if files:
            found[split] = files[0]
        if len(files) > 1:
            log.warning("%s is used; left out: %s", files[0], _listed(files[1:]))
    if not found:
        alone = [file for pattern in _ALONE for file in _coco_files(path, pattern)]
        if len(alone) > 1:
            raise DataError(
                f"{path}: several annotation files, {_listed(alone)}. Give one of them."
            )
        if alone:
            found["all"] = alone[0]
    if not found:
        files = _visible(path)
        known = (
            f"Known layouts: {', '.join(_ANNOTATIONS)} (split: train, val, valid, test), or one "
            ".json file alone. Else give the file itself."
        )
        if files and all(map(is_picture, files)):
            known = (
                "Pictures alone can be predicted: `python -m helpers predict RUN FOLDER`. To "
                "train, annotate them and export COCO with masks."
            )
        raise DataError(
            f"{path}: no COCO annotation file found; the folder holds {_listed(files)}. "
            + (advice(path) or known)
        )
    return {split: (file, picture_folder(file)) for split, file in found.items()}


def find_split(path: Path, split: str, images: Path | None = None) -> tuple[Path, Path | None]:
    """The annotation file and image folder of one split of a folder, or of a folder without splits;
    an annotation file stays what it is. images: in place of that folder.

    Raises DataError with the splits there are when this one is not among them.
    """
    if not existing(path).is_dir():
        return path, images
    found = find_dataset(path)
    pair = found.get("all", found.get(split))
    if pair is None:
        raise DataError(f"{path} has no split {split!r}: choose one of {', '.join(sorted(found))}.")
    return pair[0], images or pair[1]


def picture_folder(annotations: Path) -> Path:
    """Where the pictures of an annotation file lie, going by the known layouts; else its own
    folder."""
    folder = annotations.parent
    if folder.name == HOLDOUT:  # of the data set beside it
        with suppress(DataError):
            whole = find_dataset(folder.parent)
            return whole.get("train", whole.get("all", (None, folder)))[1]
    if not folder.is_dir() or any(map(is_picture, folder.iterdir())):
        return folder
    names = [name for group in SPLITS.values() for name in group if name in annotations.stem]
    split = max(names, key=len, default="all")
    tag = annotations.stem.removeprefix("instances_").removeprefix("image_info_")
    roots = [folder, folder.parent] if folder.name in ("GT", "annotations") else [folder]
    places = (root / place.format(split=split, tag=tag) for root in roots for place in _IMAGES)
    filled = (p for p in places if p.is_dir() and any(map(is_picture, p.iterdir())))
    return next(filled, folder)


def picture_list(path: Path) -> dict[str, list[dict[str, Any]]]:
    """COCO `images` of one picture, or of a folder of pictures without COCO annotations: by name,
    numbered from 1, sizes upright. Empty for anything else.

    Says what of the folder is left out. Raises DataError for pictures that cannot be read.
    """
    if path.is_file():
        files = [path] if is_picture(path) else []
    else:
        files = [] if _coco_files(path, "*.json") else [p for p in _visible(path) if is_picture(p)]
        left = [p for p in _visible(path) if p not in set(files)]
        if files and left:
            log.warning("%s: %d left out, as no pictures: %s", path, len(left), _listed(left))
    findings = Findings(path)
    rows = []
    for file, header in zip(files, examine_pictures(files, decode=False), strict=True):
        if isinstance(header, DataError):
            findings.add("file-unreadable", str(header))
        else:
            height, width = header.oriented_size
            row = {"id": len(rows) + 1, "file_name": file.name, "height": height, "width": width}
            rows.append(row)
    findings.raise_errors()
    return {"images": rows}


def _is_coco(file: Path) -> bool:
    """Does a .json file look like COCO annotations of things in pictures, without parsing it?"""
    keys = ("images", "segmentation", "caption", "segments_info")
    try:
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as m:
            images, masks, captions, panoptic = (m.find(f'"{k}"'.encode()) >= 0 for k in keys)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return False
    return images and not panoptic and (masks or not captions)


def _coco_files(folder: Path, pattern: str) -> list[Path]:
    files = (f for f in sorted(folder.glob(pattern)) if not f.name.startswith("."))
    return [file for file in files if file.is_file() and _is_coco(file)]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _listed(paths: Iterable[Path]) -> str:
    names = [path.name for path in paths]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN]) or 'nothing'}{more}"
