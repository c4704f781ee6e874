"""Opening one split of a data set folder, whatever its layout."""

from __future__ import annotations

from pathlib import Path

from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.layouts import find_dataset
from helpers.data.taxonomy import LabelSpace
from helpers.paths import resolve


def open_split(
    folder: str | Path, split: str = "train", *, label_space: LabelSpace = "fine"
) -> InstanceIndex:
    """The checked index of a split of `folder` (`outputs/...`, `data/...` or any other path).

    A folder without splits is read whole, whichever split is asked for. Raises DataError when the
    folder is not there (naming what makes the scenes) or has no such split (naming those it has).
    """
    path = resolve(folder)
    if not path.is_dir():
        raise DataError(
            f"{path}: no such folder. The generated scenes are made by notebook 00_start_here, or "
            "by `python -m helpers scenes make`; for other data give the folder they lie in."
        )
    found = find_dataset(path)
    pair = found.get("all", found.get(split))
    if pair is None:
        raise DataError(f"{path} has no split {split!r}: choose one of {', '.join(sorted(found))}.")
    annotations, images = pair
    return read_index(annotations, images, label_space=label_space)
