"""Scores that mean the same in every model: how likely the detection is right.

Learnt per model on held-out pictures, by isotonic regression (Zadrozny and Elkan, 2002), which
never changes the ranking within a model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from torch import Tensor

from helpers.data.rle import iou

SLOPE = 0.01  # share of the raw score that stays, so that no two scores become equal
RIGHT = 0.75  # mask IoU
BINS = 20  # of equal number, into which held-out detections are put first

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Isotonic:
    """Probability of being right by score: straight lines between points, both rising."""

    scores: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, scores: Tensor) -> Tensor:
        """(N,) scores in [0, 1] -> (N,) float32 in [0, 1], ranked as before."""
        raw = scores.double().numpy()
        points = np.interp(raw, (0.0, *self.scores), (0.0, *self.values))
        return torch.from_numpy((1 - SLOPE) * points + SLOPE * raw).float()


def calibration_of(truth: Mapping[str, Any], results: Sequence[Row]) -> Isotonic | None:
    """What a model's COCO results on held-out pictures teach about its scores; None when it found
    next to nothing there: its scores then stay as they are. truth: plain COCO."""
    scores, hits = right_or_wrong(truth, results)
    bins = min(BINS, len(scores) // 2)
    return fit_isotonic(scores, hits, bins=bins) if bins else None


def fit_isotonic(
    scores: NDArray[np.float64], hits: NDArray[np.bool_], *, bins: int = BINS
) -> Isotonic:
    """The rising function that fits best how often detections of each score are right.

    scores and hits: (D,), at least one detection a bin.
    """
    parts = np.array_split(np.argsort(scores, kind="stable"), bins)
    means = np.array([scores[part].mean() for part in parts])
    centres, which = np.unique(means, return_inverse=True)
    counts = np.bincount(which, weights=[len(part) for part in parts])
    right = np.bincount(which, weights=[hits[part].sum() for part in parts])
    fitted = isotonic_regression(right / counts, weights=counts).x
    return Isotonic(tuple(centres.tolist()), tuple(fitted.clip(0, 1).tolist()))


def right_or_wrong(
    truth: Mapping[str, Any], results: Sequence[Row]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score of each result, and whether it is right: (D,) float64, (D,) bool.

    Right is: mask IoU of at least `RIGHT` with an instance of its class that no better result has
    taken. Results on crowds are neither and left out.
    """
    instances, found = defaultdict(list), defaultdict(list)
    for rows, groups in ((truth["annotations"], instances), (results, found)):
        for row in rows:
            groups[row["image_id"], row["category_id"]].append(row)
    judged = []
    for key in sorted(found):
        best_first = sorted(found[key], key=lambda r: (-r["score"], r["segmentation"]["counts"]))
        judged += _judged(best_first, instances[key])
    scores, hits = zip(*judged, strict=True) if judged else ((), ())
    return np.array(scores, dtype=np.float64), np.array(hits, dtype=bool)


def _judged(results: Sequence[Row], instances: Sequence[Row]) -> list[tuple[float, bool]]:
    """Score and verdict of results of one image and class, best first."""
    crowd = np.array([bool(a.get("iscrowd", 0)) for a in instances], dtype=bool)
    masks = [[row["segmentation"] for row in rows] for rows in (results, instances)]
    free, judged = ~crowd, []
    for result, row in zip(results, iou(*masks, crowd=crowd.tolist()), strict=True):
        open_to = np.where(free, row, -1.0)
        best = int(open_to.argmax()) if len(row) else -1
        hit = best >= 0 and open_to[best] >= RIGHT
        if hit:
            free[best] = False
        elif (row[crowd] >= RIGHT).any():
            continue
        judged.append((result["score"], hit))
    return judged
