"""How good a mask can be at all when it has to pass through a k x k grid over its box.

Nothing is trained: the true mask is put on the grid as a mask head is taught to (a cell is set
where at least half of it is covered), drawn back into the picture as predictions are, and compared
with itself. What is lost is lost to every head of that grid, however well it has learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from helpers.analysis.statistics import instance_table
from helpers.data.index import InstanceIndex
from helpers.inference.paste import paste_masks
from helpers.masks import rle
from helpers.models.roi_pool import pool_masks
from helpers.structures import Detections

SIDES = (14, 28, 56, 112, 224)  # 28: Mask R-CNN, 224: PointRend
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def squeezed_iou(mask: np.ndarray, side: int) -> float:
    """IoU of a mask (h, w) bool that fills its box with itself after a `side` x `side` grid.

    Raises ValueError for a mask without a pixel.
    """
    if not mask.any():
        raise ValueError("a mask without a pixel has no box to lay a grid over")
    plane = torch.from_numpy(np.ascontiguousarray(mask))[None]
    height, width = mask.shape
    box = torch.tensor([[0.0, 0.0, width, height]])
    first = torch.zeros(1, dtype=torch.int64)
    cells = pool_masks(plane, first, box, side).float()
    back = paste_masks(Detections(box, torch.ones(1), first, (height, width), cells))
    return float((back & plane).sum() / (back | plane).sum())


def grid_ceilings(
    index: InstanceIndex, *, sides: Sequence[int] = SIDES, limit: int | None = None
) -> pd.DataFrame:
    """The instance table with a column per side, named by the number, of `squeezed_iou`.

    limit: at most so many instances, spread evenly over the set. Masks are looked at in the pixels
    they are stored in: at a lower resolution thin parts are coarser and the ceilings higher.
    """
    table = instance_table(index)
    if limit is not None and len(table) > limit:
        table = table.iloc[np.linspace(0, len(table) - 1, limit).round().astype(int)]
    masks = _cropped_masks(index, set(table["annotation_id"]))
    columns = {
        side: [squeezed_iou(masks[n], side) for n in table["annotation_id"]] for side in sides
    }
    return table.join(pd.DataFrame(columns, index=table.index))


def _cropped_masks(index: InstanceIndex, wanted: set[int]) -> dict[int, np.ndarray]:
    """Annotation id -> mask inside its tight box, for the wanted ones."""
    masks = {}
    for row in range(len(index)):
        found = index.instances(row)
        for number, mask in zip(found.annotation_ids.tolist(), found.rles, strict=True):
            if number in wanted:
                masks[number] = rle.decode_box(mask, rle.bbox(mask))
    return masks


def summary(table: pd.DataFrame, *, sides: Sequence[int] = SIDES) -> pd.DataFrame:
    """One row per side, shares in 0..1: mean_iou, and over_thresholds, the share of instances above
    the ten thresholds 0.50 to 0.95, averaged: what average precision could reach at most."""
    ious = table[list(sides)].to_numpy()[:, :, None]
    rows = {
        "mean_iou": ious.mean(axis=(0, 2)),
        "over_thresholds": (ious >= THRESHOLDS).mean(axis=(0, 2)),
    }
    return pd.DataFrame(rows, index=pd.Index(sides, name="grid"))


def by_class(table: pd.DataFrame, *, sides: Sequence[int] = SIDES) -> pd.DataFrame:
    """Mean IoU per class and side, lowest at the first side first; with the number of instances."""
    groups = table.groupby("category")
    means = groups[list(sides)].mean().sort_values(sides[0], kind="stable")
    return means.assign(instances=groups.size())
