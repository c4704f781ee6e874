"""Precision and recall over all images at once, by the rules of pycocotools.

T IoU thresholds, R recall points, K classes, A area ranges, M detection limits; D detections.
Detections and truths are sorted by key (image and class), detections
of one key by falling score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from helpers.evaluation.overlaps import Overlaps

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
Curves = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Detected:
    """Detections: number of the image, of the class 0..K-1, rank within their key from 0, score,
    area in pixels."""

    image: NDArray[np.int64]
    kind: NDArray[np.int64]
    rank: NDArray[np.int64]
    score: NDArray[np.float64]
    area: NDArray[np.float64]


@dataclass(frozen=True)
class Truths:
    """Truths: number of the image, of the class 0..K-1, whether it is a crowd region, area in
    pixels."""

    image: NDArray[np.int64]
    kind: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    area: NDArray[np.float64]


def precision_recall(
    found: Detected,
    true: Truths,
    overlaps: Overlaps,
    *,
    kinds: int,
    ranges: Sequence[tuple[float, float]],
    limits: Sequence[int],
) -> Curves:
    """Precision (T, R, K, A) at the last limit, recall (T, K, A, M); -1 where there is no truth.

    ranges: areas (px) that count, both ends included; what lies outside is ignored, not wrong.
    """
    precision = np.full((len(THRESHOLDS), len(RECALLS), kinds, len(ranges)), -1.0)
    recall = np.full((len(THRESHOLDS), kinds, len(ranges), len(limits)), -1.0)
    order = np.lexsort((-found.score, found.kind))
    order = order[found.rank[order] < limits[-1]]
    starts = np.searchsorted(found.kind[order], np.arange(kinds + 1))
    rank, most = found.rank[order], np.array(limits)
    for a, area in enumerate(ranges):
        hit, missed, counted = match(found, true, overlaps, area=area)
        outcomes = hit[:, order], missed[:, order]
        positives = np.bincount(true.kind[counted], minlength=kinds)
        answers = precision[..., a], recall[:, :, a]
        _run_along(*outcomes, rank, starts, positives, most, RECALLS, *answers)
    return precision, recall


def match(
    found: Detected, true: Truths, overlaps: Overlaps, *, area: tuple[float, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which detections are hits (T, D), which are misses (T, D), which truths count.

    area: pixels, both ends included; detections and truths that it leaves out are neither.
    """
    low, high = area
    left_out = true.crowd | (true.area < low) | (true.area > high)
    matched, ignored = _match(overlaps, len(found.kind), left_out, true.crowd)
    ignored |= ~matched & ((found.area < low) | (found.area > high))
    return matched & ~ignored, ~matched & ~ignored, ~left_out


def _match(
    overlaps: Overlaps, detections: int, left_out: NDArray[np.bool_], crowd: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(T, D) each: is the detection matched; is it ignored for what it is matched with."""
    # Truths that count come first for every detection, each sort in the order of the file.
    order = np.lexsort((overlaps.true, left_out[overlaps.true], overlaps.found))
    starts = np.searchsorted(overlaps.found[order], np.arange(detections + 1))
    partners, ious = overlaps.true[order], overlaps.iou[order]
    return _match_pairs(starts, partners, ious, left_out, crowd, THRESHOLDS)


@numba.njit(cache=True, nogil=True)
def _match_pairs(starts, partners, ious, left_out, crowd, thresholds):
    """Each detection in turn takes the truth that it overlaps most, of those still free.

    The last of equals wins. One that counts is preferred to one that is left out; crowds never run
    out.
    """
    shape = (len(thresholds), len(starts) - 1)
    matched, ignored = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for t in range(len(thresholds)):
        taken = np.zeros(len(left_out), np.bool_)
        for d in range(len(starts) - 1):
            best, chosen = min(thresholds[t], 1 - 1e-10), -1
            for p in range(starts[d], starts[d + 1]):
                g = partners[p]
                if taken[g] and not crowd[g]:
                    continue
                if chosen > -1 and not left_out[chosen] and left_out[g]:
                    break
                if ious[p] >= best:
                    best, chosen = ious[p], g
            if chosen > -1:
                taken[chosen] = True
                matched[t, d], ignored[t, d] = True, left_out[chosen]
    return matched, ignored


@numba.njit(cache=True, nogil=True)
def _run_along(hit, missed, rank, starts, positives, limits, recalls, precision, recall):
    """Fill in precision (T, R, K) and recall (T, K, M) of all classes that have truths to find.

    Detections lie class by class, most confident first. Precision at a recall is the best there or
    beyond, 0 where it is not reached.
    """
    for t in range(len(hit)):
        for k in np.flatnonzero(positives):
            best, found = precision[t, :, k], recall[t, k]
            best[:], found[:] = 0.0, 0.0
            hits, counted, reached = 0, 0, 0
            for d in range(starts[k], starts[k + 1]):
                if not hit[t, d] and not missed[t, d]:
                    continue
                counted += 1
                if hit[t, d]:
                    hits += 1
                    found += rank[d] < limits
                while reached < len(recalls) and recalls[reached] <= hits / positives[k]:
                    reached += 1
                best[reached - 1] = max(best[reached - 1], hits / counted)
            for r in range(len(recalls) - 2, -1, -1):
                best[r] = max(best[r], best[r + 1])
            found /= positives[k]
