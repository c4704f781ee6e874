"""A data set folder, whatever its layout: all its paths for a config, one split opened, and the
instances of a split as a table with their sizes and shapes.

Lengths and areas of the table are given at a reference picture of 1200 x 1200 pixels (the size of
every 3D-FUTURE picture), so that sets of other picture sizes can be laid beside the paper: a length
is multiplied by 1200 / sqrt(W * H) of its own picture, an area by the square of that.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.layouts import find_dataset, find_split
from helpers.data.taxonomy import LabelSpace
from helpers.files import resolve

REFERENCE_SIDE = 1200


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
        f"{split}_{kind}": os.path.normpath(Path(folder) / os.path.relpath(path, base))
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
    return read_index(*find_split(_existing(folder), split), label_space=label_space)


def instance_table(index: InstanceIndex) -> pd.DataFrame:
    """One row per instance (crowd regions left out), with sizes at the reference picture.

    Added to the columns of `index.frame()`: scale (reference px per picture px), area_1200 (px^2),
    side_1200 = sqrt(area_1200), box_w_1200 and box_h_1200 (px), aspect (box height / width), fill
    (mask area / box area, 0..1), truncated (the box touches the picture's border within 1 px).
    """
    frame = index.frame()
    table = frame[frame["iscrowd"] == 0].reset_index(drop=True)
    scale = REFERENCE_SIDE / np.sqrt(table["width"] * table["height"])
    box_area = table["bbox_w"] * table["bbox_h"]
    right, bottom = table["bbox_x"] + table["bbox_w"], table["bbox_y"] + table["bbox_h"]
    return table.assign(
        scale=scale,
        area_1200=table["area"] * scale**2,
        side_1200=np.sqrt(table["area"]) * scale,
        box_w_1200=table["bbox_w"] * scale,
        box_h_1200=table["bbox_h"] * scale,
        aspect=table["bbox_h"] / table["bbox_w"],
        fill=table["area"] / box_area,
        truncated=(table["bbox_x"] < 1)
        | (table["bbox_y"] < 1)
        | (right > table["width"] - 1)
        | (bottom > table["height"] - 1),
    )


def _existing(folder: str | Path) -> Path:
    path = resolve(folder)
    if not path.is_dir():
        raise DataError(
            f"{path}: no such folder. The generated scenes are made by notebook 00_start_here, or "
            "by `python -m helpers scenes make`; for other data give the folder they lie in."
        )
    return path
