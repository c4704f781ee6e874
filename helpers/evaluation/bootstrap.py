"""How sure a score is: the same images drawn again and again, with replacement, and scored anew.

Detections are matched once; a drawn image merely counts as often as it was drawn, so a sample costs
milliseconds. S samples, I images, T IoU thresholds, D detections of one class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.evaluation.average_precision import Kind, Preset, Truth, plain_truth, run_library
from helpers.evaluation.results import Results, check_results
from helpers.files import UserError

_ENDS = (2.5, 97.5)  # per cent of the samples below the ends of the interval
_RECALLS = np.linspace(0.0, 1.0, 101)
_THRESHOLDS = 10
_ALL_AREAS = (0, 1e10)  # px
_BLOCK = 2**22  # numbers in one array of S x T x D, some 30 MB


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


class Difference(Interval):
    """AP of b less AP of a. Distinguishable from noise where the interval does not hold 0."""

    def __str__(self) -> str:
        return f"{100 * self.mean:+.1f} ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


def interval(
    truth: Truth, results: Results, *, preset: str, kind: Kind = "segm", samples: int = 1000
) -> Interval:
    """AP of one list of results with its 95 % interval. Errors as for `paired_difference`."""
    drawn = drawn_scores(match(truth, results, preset, kind), samples=samples)
    return Interval(drawn.mean, *_ends(drawn.samples))


def paired_difference(
    truth: Truth,
    results_a: Results,
    results_b: Results,
    *,
    preset: str,
    kind: Kind = "segm",
    samples: int = 1000,
) -> Difference:
    """AP of `results_b` less that of `results_a`, both scored on the same drawn images each time.

    The interval is of these images alone: what another seed of the training would change is not in
    it. Equal arguments give equal numbers. Raises UserError for results that cannot be
    scored, for a truth without anything to find, and for less than one sample.
    """
    coco = plain_truth(truth)
    found = [match(coco, results, preset, kind) for results in (results_a, results_b)]
    a, b = (drawn_scores(one, samples=samples) for one in found)
    return Difference(**vars(mean_of_drawn([(a, b)])))


def mean_difference(
    pairs: Sequence[tuple[Truth, Results, Results]],
    *,
    preset: str,
    samples: int = 1000,
) -> Interval:
    """Mean over `pairs` (truth, results a, results b) of mask AP of b less that of a.

    Pairs are repetitions of one comparison: other seeds of the training. Errors as for
    `paired_difference`, and UserError without a pair.
    """
    drawn = [
        tuple(drawn_scores(match(truth, one, preset, "segm"), samples=samples) for one in (a, b))
        for truth, a, b in pairs
    ]
    return mean_of_drawn(drawn)


@dataclass(frozen=True, eq=False)
class Drawn:
    """AP of all images (`mean`) and (S,) of each resampling; equal images are resampled alike."""

    mean: float
    samples: NDArray[np.float64]


def drawn_scores(found: Sequence[ClassMatches], *, samples: int = 1000) -> Drawn:
    """AP of what `match` found, of all images and on every draw."""
    return Drawn(mean_precision(found), _scores(found, _draws(found, samples)))


def mean_of_drawn(pairs: Sequence[tuple[Drawn, Drawn]]) -> Interval:
    """`mean_difference` of pairs (a, b) that are drawn already.

    The interval is of both levels of luck. Each sample draws the images with replacement, the same
    ones for all pairs (on equal truths), and as many pairs as there are, with replacement. Means
    over n pairs drawn from n vary less than means over n new ones, by the factor (n - 1) / n of the
    variance, so deviations from the mean over all pairs are stretched by sqrt(n / (n - 1)). One
    pair: the images alone.
    """
    if not pairs:
        raise UserError("there is no pair of results to compare: give one or more")
    by_pair, count = np.array([b.samples - a.samples for a, b in pairs]), len(pairs)
    middle = by_pair.mean(axis=0)
    if count > 1:
        chosen = np.random.default_rng([0, count]).integers(count, size=by_pair.shape)
        apart = np.take_along_axis(by_pair, chosen, axis=0).mean(axis=0) - middle
        middle = middle + apart * (count / (count - 1)) ** 0.5
    return Interval(float(np.mean([b.mean - a.mean for a, b in pairs])), *_ends(middle))


@dataclass(frozen=True)
class ClassMatches:
    """Detections of one class in all images, most confident first: all that AP depends on.

    outcomes: (T, D) 1 hit, 0 miss, -1 neither; images: (D,) number of the image; positives: (I,)
    truths to find.
    """

    outcomes: NDArray[np.int8]
    images: NDArray[np.int64]
    positives: NDArray[np.int64]

    def scores(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """(S,) AP when images count `weights` (S, I) times; NaN without anything to find.

        Copies of an image stand together, which changes nothing: the best precision at a recall or
        beyond is that after the last copy.
        """
        truths, hit = weights @ self.positives, self.outcomes == 1
        drawn = weights[:, None, self.images]
        counted = np.cumsum(drawn * (self.outcomes >= 0), axis=-1)
        ever = hit.any(axis=0)  # between hits, precision only falls: the others say nothing more
        hits, counted = np.cumsum(drawn[..., ever] * hit[:, ever], axis=-1), counted[..., ever]
        precision = hits / np.maximum(counted, 1)
        best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
        recall = hits / np.maximum(truths, 1)[:, None, None]
        reached = np.searchsorted(_RECALLS, recall, side="right")  # recall points up to here
        gained = np.diff(reached, axis=-1, prepend=0)
        means = (gained * best).sum(axis=-1).mean(axis=1) / len(_RECALLS)
        return np.where(truths > 0, means, np.nan)

    def pack(self) -> dict[str, list[int]]:
        """Plain integers for JSON; `unpack` reads them back. Threshold t is bit t."""
        bits = 1 << np.arange(len(self.outcomes))
        found = {"hits": bits @ (self.outcomes == 1), "ignored": bits @ (self.outcomes == -1)}
        found |= {"images": self.images, "positives": self.positives}
        return {name: values.tolist() for name, values in found.items()}

    @staticmethod
    def unpack(found: Mapping[str, list[int]]) -> ClassMatches:
        """What `pack` packed."""
        values = {name: np.array(numbers, np.int64) for name, numbers in found.items()}
        bits = np.arange(_THRESHOLDS)[:, None]
        hits, ignored = (values[name] >> bits & 1 for name in ("hits", "ignored"))
        return ClassMatches((hits - ignored).astype(np.int8), values["images"], values["positives"])


def match(truth: Truth, results: Results, preset: str, kind: Kind) -> list[ClassMatches]:
    """The matches of each class: pycocotools' rules on the overlaps that the library measured."""
    from pycocotools.cocoeval import COCOeval

    rules, coco = Preset.named(preset), plain_truth(truth)
    found = check_results(results, coco, masks=kind != "bbox")
    measured = run_library(coco, found, kind, rules)
    matcher = COCOeval(measured.cocoGt, measured.cocoDt, "bbox")  # overlaps are there: no masks
    matcher._prepare()
    matcher.ious = measured.ious
    images, limit = matcher.params.imgIds, rules.max_detections[-1]
    by_class = [
        _class_matches([matcher.evaluateImg(i, c, _ALL_AREAS, limit) for i in images])
        for c in matcher.params.catIds
    ]
    if not any(one.positives.any() for one in by_class):
        raise UserError("the truth has no instance to find: there is nothing to score")
    return by_class


def _class_matches(found: Sequence[Mapping[str, Any] | None]) -> ClassMatches:
    """From what pycocotools says of each image; None where there is nothing of the class."""
    outcomes, scores, images = [np.zeros((_THRESHOLDS, 0), np.int8)], [], []
    positives = np.zeros(len(found), np.int64)
    for number, one in enumerate(found):
        if one is not None:
            positives[number] = np.count_nonzero(one["gtIgnore"] == 0)
            outcomes.append(np.where(one["dtIgnore"], -1, one["dtMatches"] > 0).astype(np.int8))
            scores += one["dtScores"]
            images += [number] * len(one["dtScores"])
    order = np.argsort(-np.array(scores, np.float64), kind="stable")
    together = np.concatenate(outcomes, axis=1)[:, order]
    return ClassMatches(together, np.array(images, np.int64)[order], positives)


def _scores(matched: Sequence[ClassMatches], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """(S,) mean over the classes that the drawn images show; NaN where they show none."""
    total, classes = np.zeros(len(weights)), np.zeros(len(weights))
    for one in matched:
        blocks = np.array_split(weights, 1 + len(weights) * one.outcomes.size // _BLOCK)
        scores = np.concatenate([one.scores(block) for block in blocks])
        total += np.nan_to_num(scores)
        classes += ~np.isnan(scores)
    return np.divide(total, classes, out=np.full(len(weights), np.nan), where=classes > 0)


def mean_precision(matched: Sequence[ClassMatches]) -> float:
    """AP (0..1) of all images, as `evaluate` gives it."""
    ones = np.ones((1, len(matched[0].positives)), np.int64)
    return float(_scores(matched, ones)[0])


def _draws(matched: Sequence[ClassMatches], samples: int) -> NDArray[np.int64]:
    """(S, I) how often each image is drawn, with replacement, as many as there are."""
    if samples < 1:
        raise UserError(f"{samples} samples make no interval: draw one or more, say 1000")
    images = len(matched[0].positives)
    return np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), samples)


def _ends(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Samples without a single instance, which only tiny data sets have, say nothing."""
    low, high = np.nanpercentile(scores, _ENDS)
    return float(low), float(high)
