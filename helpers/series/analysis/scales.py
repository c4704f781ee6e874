"""What the training size does to instances and levels, and what augmentation does to outlines.

N instances, S training sizes. Sizes are short sides in pixels of the resized picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from helpers.config import TrainConfig
from helpers.data.augment import Draw, draw, resized_size
from helpers.data.index import InstanceIndex
from helpers.data.loader import make_sample
from helpers.series.analysis.anchors import LEVELS, box_sizes, resized_boxes, roi_levels
from helpers.structures import Sample

ROI_LEVELS = LEVELS[:4]  # P2..P5, from which boxes and masks are pooled
LEVEL_EDGES = (112.0, 224.0, 448.0)  # px, sqrt(w h) of a box, from one RoI level to the next


def drawn_sides(
    table: pd.DataFrame, short_sides: Sequence[int], *, max_side: int
) -> NDArray[np.float64]:
    """(S, N) sqrt(w h) in px of every box of an `instance_table` at each training size."""
    boxes = [resized_boxes(table, short_side=side, max_side=max_side) for side in short_sides]
    return np.array([np.sqrt(box_sizes(one).prod(axis=1)) for one in boxes])


def level_shares(table: pd.DataFrame, short_sides: Sequence[int], *, max_side: int) -> pd.DataFrame:
    """Share of boxes pooled from P2..P5 (columns, 0..1) at each training size (rows)."""
    rows = {}
    for side in short_sides:
        levels = roi_levels(resized_boxes(table, short_side=side, max_side=max_side))
        rows[side] = np.bincount(levels - 2, minlength=len(ROI_LEVELS)) / max(len(levels), 1)
    shares = pd.DataFrame.from_dict(rows, orient="index", columns=list(ROI_LEVELS))
    return shares.rename_axis("short side (px)")


def levels_met(
    table: pd.DataFrame, short_side: tuple[int, int], *, max_side: int, by: str = "supercategory"
) -> pd.DataFrame:
    """How many boxes of each group meet two levels or more within a range of training sizes.

    Rows: the groups of column `by`, most at the top, and "all". Columns: instances, and the share
    (0..1) pooled from one level whatever size is drawn ("one level") and from more ("several").
    """
    several = moved(table, short_side, max_side=max_side)
    groups = several.groupby(table[by]).agg(instances="size", several="mean")
    groups = groups.sort_values("several", ascending=False, kind="stable")
    groups.loc["all"] = len(several), several.mean()
    groups.insert(1, "one level", 1 - groups["several"])
    return groups.astype({"instances": int})


def moved(table: pd.DataFrame, short_side: tuple[int, int], *, max_side: int) -> pd.Series:
    """(N,) bool: is the box pooled from other levels at the two ends of a range of sizes?"""
    low, high = (
        roi_levels(resized_boxes(table, short_side=side, max_side=max_side)) for side in short_side
    )
    return pd.Series(low != high, index=table.index, name="several")


def most_moved(
    index: InstanceIndex, table: pd.DataFrame, short_side: tuple[int, int], *, max_side: int
) -> list[int]:
    """Rows of all pictures, first those with most boxes that change level within the range."""
    places = np.searchsorted(index.image_ids, table["image_id"])
    counts = np.bincount(places, moved(table, short_side, max_side=max_side), minlength=len(index))
    return np.argsort(-counts, kind="stable").tolist()


def caps(
    short_side: tuple[int, int], max_sides: Sequence[int], *, size: tuple[int, int]
) -> pd.DataFrame:
    """What a limit on the long side leaves of a range of sizes, for pictures of `size` (H, W).

    Rows: the limits. Columns: the smallest, mean and largest short side that pictures really get,
    each integer of the range equally likely, and the share (0..1) of draws that are cut.
    """
    wanted = np.arange(short_side[0], short_side[1] + 1)
    rows = {}
    for limit in max_sides:
        got = np.array([min(resized_size(size, int(side), limit)) for side in wanted])
        rows[limit] = (got.min(), got.mean(), got.max(), float((got < wanted).mean()))
    columns = ["smallest", "mean", "largest", "cut"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis("no side above (px)")


def enlarged(train: TrainConfig, factor: float) -> TrainConfig:
    """The same augmentation on pictures `factor` times as large: sizes and blur grow with them."""
    low, high = train.short_side
    return replace(
        train,
        short_side=(round(factor * low), round(factor * high)),
        max_side=round(factor * train.max_side),
        blur=factor * train.blur,
    )


def drawn_samples(
    index: InstanceIndex, row: int, train: TrainConfig, epochs: Sequence[int]
) -> list[Sample]:
    """Picture number `row` as training sees it in some epochs. DataError if it can not be read."""
    return [
        make_sample(index, row, _draw_of(train, row, epoch), max_side=train.max_side)
        for epoch in epochs
    ]


def _draw_of(train: TrainConfig, row: int, epoch: int) -> Draw:
    return draw(
        (train.seed, epoch, row),
        short_side=train.short_side,
        flip=train.flip,
        colour=train.colour,
        blur=train.blur,
        rotate=train.rotate,
    )


def single_changes(train: TrainConfig) -> dict[str, Draw]:
    """Each change of a config by itself, as strong as it can be drawn; "none" first.

    Changes that the config does not make are left out. All are at the smallest training size.
    """
    low, c = train.short_side[0], train.colour
    changes = {"none": Draw(low)}
    if train.flip:
        changes["flip"] = Draw(low, flip=True)
    if c:
        changes[f"brightness {1 + c:g}"] = Draw(low, brightness=1 + c)
        changes[f"contrast {1 - c:g}"] = Draw(low, contrast=1 - c)
        changes[f"saturation {1 + c:g}"] = Draw(low, saturation=1 + c)
    if train.blur:
        changes[f"blur, sigma {train.blur:g} px"] = Draw(low, blur=train.blur)
    if train.rotate:
        changes[f"rotation {train.rotate:g}°"] = Draw(low, angle=train.rotate)
    return changes


def outline_effects(
    index: InstanceIndex, rows: Sequence[int], changes: Mapping[str, Draw], *, max_side: int
) -> pd.DataFrame:
    """What each change leaves of the outlines, over some pictures; the first row is 1 throughout.

    edge contrast: mean grey gradient on the pixels along all outlines, against the first change;
    pixels kept, instances kept: how much of the masks is still in the picture.
    """
    sums = {name: np.zeros(4) for name in changes}
    for row in rows:
        for name, drawn in changes.items():
            sums[name] += _outline_sums(make_sample(index, row, drawn, max_side=max_side))
    table = pd.DataFrame.from_dict(sums, orient="index", columns=["steep", "edge", "area", "count"])
    kept = pd.DataFrame(
        {
            "edge contrast": table["steep"] / table["edge"],
            "pixels kept": table["area"],
            "instances kept": table["count"],
        }
    )
    return (kept / kept.iloc[0]).rename_axis("change")


def _outline_sums(sample: Sample) -> NDArray[np.float64]:
    """Sum of grey gradients on outlines, pixels of outlines, pixels of masks, masks."""
    masks = sample.targets.masks.numpy()
    grey = sample.image.numpy().mean(axis=0)
    steepness = np.hypot(*np.gradient(grey))
    cross = ndimage.generate_binary_structure(2, 1)[None]
    outlines = masks & ~ndimage.binary_erosion(masks, cross, border_value=1)
    steep = (outlines * steepness).sum()
    return np.array([steep, outlines.sum(), masks.sum(), len(masks)], dtype=float)
