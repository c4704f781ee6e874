"""What a model does with each annotated instance: found, misnamed, badly cut, or missed.

One row per instance, so that the failures can be counted by class and size, and looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.data import rle
from helpers.data.index import InstanceIndex
from helpers.series.analysis.statistics import instance_table

FOUND, SEEN = 0.5, 0.1  # mask IoU from which an instance counts as found, and as seen at all
FATES = ("found", "wrong class", "poor mask", "missed")


def fates(
    index: InstanceIndex, results: Sequence[Mapping[str, Any]], *, score: float = 0.5
) -> pd.DataFrame:
    """The instance table with what became of each instance.

    `results`: COCO results with the category ids of the index's label space; those below `score`
    are left out. Added columns: iou (best mask IoU with a detection of its class), any_iou (with
    any detection), fate: "found" (iou >= 0.5), "wrong class" (any_iou >= 0.5), "poor mask"
    (any_iou >= 0.1), else "missed". A detection may serve several instances: no AP is meant.
    """
    by_image = defaultdict(list)
    for result in results:
        if result["score"] >= score:
            by_image[int(result["image_id"])].append(result)
    columns = [
        _best_ious(index, row, by_image[int(index.image_ids[row])]) for row in range(len(index))
    ]
    own, other = np.concatenate([*columns, np.zeros((2, 0))], axis=1)
    choices = [own >= FOUND, other >= FOUND, other >= SEEN]
    fate = np.select(choices, FATES[:3], default=FATES[3])
    return instance_table(index).assign(iou=own, any_iou=other, fate=fate)


def _best_ious(index: InstanceIndex, row: int, found: list[Mapping[str, Any]]) -> np.ndarray:
    """(2, N): best IoU of each instance of one picture with its own class, and with any."""
    truth = index.instances(row)
    keep = np.flatnonzero(~truth.crowd)
    if not found or not len(keep):
        return np.zeros((2, len(keep)))
    overlap = rle.iou([r["segmentation"] for r in found], [truth.rles[n] for n in keep])
    wanted = [index.taxonomy.classes[label].id for label in truth.labels[keep]]
    same = np.array([r["category_id"] for r in found])[:, None] == np.array(wanted)[None]
    return np.stack([np.where(same, overlap, 0).max(axis=0), overlap.max(axis=0)])


def fate_shares(table: pd.DataFrame, *, by: str) -> pd.DataFrame:
    """Shares of the four fates in each group of column `by`, largest group first, "all" at the
    end; columns are the fates and `instances`."""
    counts = pd.crosstab(table[by], table["fate"]).reindex(columns=list(FATES), fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    counts.loc["all"] = counts.sum()
    shares = counts.div(counts.sum(axis=1), axis=0)
    return shares.assign(instances=counts.sum(axis=1))


def worst_images(table: pd.DataFrame, count: int) -> list[int]:
    """Image ids with the lowest mean IoU over their instances, worst first."""
    means = table.groupby("image_id")["iou"].mean()
    return means.sort_values(kind="stable").index[:count].tolist()
