"""A data set folder, whatever its layout: one split opened, or all its paths for a config."""

from __future__ import annotations

from pathlib import Path

from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.layouts import find_dataset
from helpers.data.taxonomy import LabelSpace
from helpers.files import resolve


def split_paths(folder: str | Path) -> dict[str, str]:
    """The config's data fields for `folder`: {train,val}_{annotations,images}, as paths below it.

    They stay as `folder` is given (`outputs/...` remains so), which keeps configs equal between
    machines. Raises DataError when the folder is missing, or has not both splits.
    """
    base = _existing(folder)
    found = find_dataset(base)
    missing = [split for split in ("train", "val") if split not in found]
    if missing:
        raise DataError(
            f"{base} has no split {' and no '.join(missing)}: training needs both; found "
            f"{', '.join(sorted(found))}."
        )
    return {
        f"{split}_{kind}": str(Path(folder) / path.relative_to(base))
        for split in ("train", "val")
        for kind, path in zip(("annotations", "images"), found[split], strict=True)
    }


def open_split(
    folder: str | Path, split: str = "train", *, label_space: LabelSpace = "fine"
) -> InstanceIndex:
    """The checked index of a split of `folder` (`outputs/...`, `data/...` or any other path).

    A folder without splits is read whole, whichever split is asked for. Raises DataError when the
    folder is not there (naming what makes the scenes) or has no such split (naming those it has).
    """
    path = _existing(folder)
    found = find_dataset(path)
    pair = found.get("all", found.get(split))
    if pair is None:
        raise DataError(f"{path} has no split {split!r}: choose one of {', '.join(sorted(found))}.")
    annotations, images = pair
    return read_index(annotations, images, label_space=label_space)


def _existing(folder: str | Path) -> Path:
    path = resolve(folder)
    if not path.is_dir():
        raise DataError(
            f"{path}: no such folder. The generated scenes are made by notebook 00_start_here, or "
            "by `python -m helpers scenes make`; for other data give the folder they lie in."
        )
    return path
