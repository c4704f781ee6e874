"""How sure a score is: the same images drawn again and again, with replacement, and scored anew.

Detections are matched once; a drawn image merely counts as often as it was drawn, so a sample costs
milliseconds. S samples, I images, T IoU thresholds, K classes, D detections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.data.index import InstanceIndex
from helpers.evaluation.average_precision import PRESETS
from helpers.evaluation.curves import Kind, compare
from helpers.evaluation.matching import RECALLS, match
from helpers.evaluation.results import Results, check_results
from helpers.files import UserError

Truth = InstanceIndex | Mapping[str, Any]
_ENDS = (2.5, 97.5)  # per cent of the samples below the ends of the interval
_ALL_AREAS = (0.0, 1e10)


@dataclass(frozen=True)
class Interval:
    """A score of all images (`mean`, as `evaluate` gives it) and where 95 % of the samples lie.

    Numbers from 0 to 1, of a difference from -1 to 1. Prints in per cent.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True, eq=False)
class Difference(Interval):
    """AP of b less AP of a. It is told from chance where the interval does not hold 0.

    per_image: one row an image, where b gains most first: image_id, file_name, instances, a, b (AP
    of the image alone, 0 to 1, over the classes it shows), difference. NaN where there is nothing
    to find.
    """

    per_image: pd.DataFrame

    def __str__(self) -> str:
        return f"{100 * self.mean:+.1f} ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


@dataclass(frozen=True)
class _Matched:
    """One list of results, matched. Detections lie class by class, most confident first.

    outcomes: (T, D) 1 hit, 0 miss, -1 neither; images: (D,); starts: (K+1,) where classes begin;
    positives: (I, K) truths to find.
    """

    outcomes: NDArray[np.int8]
    images: NDArray[np.int64]
    starts: NDArray[np.int64]
    positives: NDArray[np.int64]

    def scores(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """(S,) AP of images that count `weights` (S, I) times; NaN without anything to find."""
        arguments = self.outcomes, self.images, self.starts, self.positives
        return _average_precisions(weights, *arguments, RECALLS)


def interval(
    truth: Truth,
    results: Results,
    *,
    preset: str,
    kind: Kind = "segm",
    samples: int = 1000,
    seed: int = 0,
) -> Interval:
    """AP of one list of results with its 95 % interval. Errors as for `paired_difference`."""
    coco = _plain(truth)
    matched = _matched(coco, results, preset, kind)
    scores = matched.scores(_draws(len(coco["images"]), samples, seed))
    return Interval(_overall(matched), *_ends(scores))


def paired_difference(
    truth: Truth,
    results_a: Results,
    results_b: Results,
    *,
    preset: str,
    kind: Kind = "segm",
    samples: int = 1000,
    seed: int = 0,
) -> Difference:
    """AP of `results_b` less that of `results_a`, both scored on the same drawn images each time.

    The interval is of these images alone: what another seed of the training would change is not in
    it. Equal arguments give equal numbers. Raises UserError for results that can not be
    scored, for a truth without anything to find, and for less than one sample.
    """
    coco = _plain(truth)
    a, b = (_matched(coco, results, preset, kind) for results in (results_a, results_b))
    weights = _draws(len(coco["images"]), samples, seed)
    ends = _ends(b.scores(weights) - a.scores(weights))
    return Difference(_overall(b) - _overall(a), *ends, _per_image(coco, a, b))


def mean_difference(
    pairs: Sequence[tuple[Truth, Results, Results]],
    *,
    preset: str,
    samples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Mean over `pairs` (truth, results a, results b) of mask AP of b less that of a.

    Pairs are repetitions of one comparison, such as other seeds of the training: those on the same
    images are scored on the same drawn ones in each sample, and the interval is that of the mean.
    Errors as for `paired_difference`, and UserError without a pair.
    """
    if not pairs:
        raise UserError("there is no pair of results to compare: give one or more")
    means, drawn = [], []
    for truth, *results in pairs:
        coco = _plain(truth)
        a, b = (_matched(coco, one, preset, "segm") for one in results)
        weights = _draws(len(coco["images"]), samples, seed)
        means.append(_overall(b) - _overall(a))
        drawn.append(b.scores(weights) - a.scores(weights))
    return Interval(float(np.mean(means)), *_ends(np.mean(drawn, axis=0)))


def _plain(truth: Truth) -> Mapping[str, Any]:
    return truth if isinstance(truth, Mapping) else truth.to_coco()


def _matched(coco: Mapping[str, Any], results: Results, preset: str, kind: Kind) -> _Matched:
    if preset not in PRESETS:
        raise UserError(f"no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    rules, classes = PRESETS[preset], len(coco["categories"])
    checked = check_results(results, coco, masks=kind != "bbox")
    one = compare(coco, checked, (kind,), ignore_crowds=rules.ignore_crowds)[kind]
    hit, missed, counted = match(one.found, one.true, one.overlaps, area=_ALL_AREAS)
    outcomes = np.where(hit, 1, np.where(missed, 0, -1)).astype(np.int8)
    order = np.lexsort((-one.found.score, one.found.kind))
    order = order[one.found.rank[order] < rules.max_detections[-1]]
    positives = np.zeros((len(coco["images"]), classes), dtype=np.int64)
    np.add.at(positives, (one.true.image[counted], one.true.kind[counted]), 1)
    if not positives.any():
        raise UserError("the truth has no instance to find: there is nothing to score")
    starts = np.searchsorted(one.found.kind[order], np.arange(classes + 1))
    # detections side by side: the inner loop runs over them
    outcomes = np.ascontiguousarray(outcomes[:, order])
    return _Matched(outcomes, one.found.image[order], starts, positives)


def _draws(images: int, samples: int, seed: int) -> NDArray[np.int64]:
    """(S, I) how often each image is drawn, with replacement, as many as there are."""
    if samples < 1:
        raise UserError(f"{samples} samples make no interval: draw one or more, say 1000")
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), samples)


def _overall(matched: _Matched) -> float:
    return float(matched.scores(np.ones((1, len(matched.positives)), dtype=np.int64))[0])


def _ends(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Samples without a single instance, which only tiny data sets have, say nothing."""
    low, high = np.nanpercentile(scores, _ENDS)
    return float(low), float(high)


def _per_image(coco: Mapping[str, Any], a: _Matched, b: _Matched) -> pd.DataFrame:
    alone = np.eye(len(a.positives), dtype=np.int64)
    images = sorted(coco["images"], key=lambda image: image["id"])
    table = pd.DataFrame(
        {
            "image_id": [image["id"] for image in images],
            "file_name": [image["file_name"] for image in images],
            "instances": a.positives.sum(axis=1),
            "a": a.scores(alone),
            "b": b.scores(alone),
        }
    )
    table["difference"] = table["b"] - table["a"]
    return table.sort_values("difference", ascending=False, kind="stable", ignore_index=True)


@numba.njit(cache=True, nogil=True)
def _average_precisions(weights, outcomes, images, starts, positives, recalls):
    """(S,) mean over the classes with truths, thresholds and recalls; NaN without truths."""
    answer = np.full(len(weights), np.nan)
    recall, precision = np.empty(len(images)), np.empty(len(images))
    for s in range(len(weights)):
        total, classes = 0.0, 0
        for k in range(len(starts) - 1):
            truths = 0
            for i in range(len(positives)):
                truths += weights[s, i] * positives[i, k]
            if truths == 0:
                continue
            classes += 1
            rows = slice(starts[k], starts[k + 1])
            for t in range(len(outcomes)):
                _run_along(weights[s], outcomes[t, rows], images[rows], truths, recall, precision)
                total += _interpolated(recall, precision, starts[k + 1] - starts[k], recalls)
        if classes:
            answer[s] = total / (classes * len(outcomes))
    return answer


@numba.njit(cache=True, nogil=True)
def _run_along(weight, outcomes, images, truths, recall, precision):
    """Fill in recall and precision after each detection. Copies of an image stand together, which
    changes nothing: the best precision at a recall or beyond is that after the last copy."""
    hits, counted = 0, 0
    for d in range(len(outcomes)):
        times = weight[images[d]]
        if outcomes[d] >= 0:
            counted += times
            hits += times * outcomes[d]
        recall[d] = hits / truths
        precision[d] = hits / max(counted, 1)


@numba.njit(cache=True, nogil=True)
def _interpolated(recall, precision, count, recalls):
    """Mean over `recalls` of the best precision at each or beyond; 0 where it is not reached."""
    total, best, r = 0.0, 0.0, len(recalls) - 1
    while count and r >= 0 and recalls[r] > recall[count - 1]:
        r -= 1
    for d in range(count - 1, -1, -1):
        best = max(best, precision[d])
        while r >= 0 and (d == 0 or recalls[r] > recall[d - 1]):
            total += best
            r -= 1
    return total / len(recalls)
