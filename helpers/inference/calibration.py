"""Scores that mean the same in every model: how likely the detection is right (section 10, step 0).

Learnt on held-out pictures, per model. A calibration never changes the ranking within a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from torch import Tensor

from helpers.data.rle import iou
from helpers.evaluation.results import Results, check_results
from helpers.files import UserError

SLOPE = 0.01  # share of the raw score that stays, so that no two scores become equal
QUANTILES = np.linspace(0.05, 0.95, 19)


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


@dataclass(frozen=True)
class Power:
    """Scores to the power of `exponent`: when there is no truth to learn from."""

    exponent: float

    def __call__(self, scores: Tensor) -> Tensor:
        """(N,) scores in [0, 1] -> (N,) float32 in [0, 1], ranked as before."""
        return scores.double().pow(self.exponent).float()


def fit_isotonic(
    scores: NDArray[np.float64], hits: NDArray[np.bool_], *, bins: int = 20
) -> Isotonic:
    """The rising function that fits best how often detections of each score are right.

    scores and hits: (D,), of held-out pictures. Detections are put into `bins` bins of equal
    number first. Raises UserError with less than two detections a bin: use `fit_power`.
    """
    if len(scores) < 2 * bins:
        raise UserError(
            f"{len(scores)} held-out detections are too few for {bins} bins: give more pictures, "
            "or fit a power to another model's scores"
        )
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, bins)
    means = np.array([scores[part].mean() for part in parts])
    centres, which = np.unique(means, return_inverse=True)
    counts = np.bincount(which, weights=[len(part) for part in parts])
    right = np.bincount(which, weights=[hits[part].sum() for part in parts])
    fitted = isotonic_regression(right / counts, weights=counts).x
    return Isotonic(tuple(centres.tolist()), tuple(fitted.clip(0, 1).tolist()))


def calibration_of(truth: Mapping[str, Any], results: Results) -> Isotonic | None:
    """What a model's results on held-out pictures teach about its scores; None when it found next
    to nothing there: its scores then stay as they are. Raises as `right_or_wrong`."""
    scores, hits = right_or_wrong(truth, results)
    bins = min(20, len(scores) // 2)
    return fit_isotonic(scores, hits, bins=bins) if bins else None


def fit_power(scores: Sequence[float], reference: Sequence[float]) -> Power:
    """The power that brings the quantiles of `scores` nearest to those of `reference`, in logs."""
    own, wanted = (
        np.log(np.quantile(np.clip(s, 1e-6, 1.0), QUANTILES)) for s in (scores, reference)
    )
    return Power(float(own @ wanted / (own @ own)) if own.any() else 1.0)


def right_or_wrong(
    truth: Mapping[str, Any], results: Results, *, threshold: float = 0.75
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score of each result, and whether it is right: (D,) float64, (D,) bool.

    Right is: mask IoU of at least `threshold` with an instance of its class that no better result
    has taken. Results on crowds are neither and left out. truth: plain COCO ground truth. Raises
    UserError for results that do not fit it.
    """
    instances: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for annotation in truth["annotations"]:
        key = (annotation["image_id"], annotation["category_id"])
        instances.setdefault(key, []).append(annotation)
    judged = []
    checked = check_results(results, truth)  # by picture and class, best first
    for key, group in groupby(checked, key=lambda r: (r["image_id"], r["category_id"])):
        judged += _judged(list(group), instances.get(key, []), threshold)
    scores, hits = zip(*judged, strict=True) if judged else ((), ())
    return np.array(scores, dtype=np.float64), np.array(hits, dtype=bool)


def _judged(
    results: Sequence[Mapping[str, Any]], instances: Sequence[Mapping[str, Any]], threshold: float
) -> list[tuple[float, bool]]:
    crowd = np.array([bool(a.get("iscrowd", 0)) for a in instances], dtype=bool)
    overlaps = iou(
        [r["segmentation"] for r in results],
        [a["segmentation"] for a in instances],
        crowd=crowd.tolist(),
    )
    free, judged = ~crowd, []
    for result, row in zip(results, overlaps, strict=True):
        open_to = np.where(free, row, -1.0)
        best = int(open_to.argmax()) if len(row) else -1
        hit = best >= 0 and open_to[best] >= threshold
        if hit:
            free[best] = False
        elif (row[crowd] >= threshold).any():
            continue
        judged.append((result["score"], hit))
    return judged
