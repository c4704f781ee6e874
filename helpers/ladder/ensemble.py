"""Table 3's last row: the four members fused, every subset of them, and what they have to beat.

Everything here works on stored soft predictions (`helpers.ladder.soft`), so notebooks and checks
make the same numbers from committed files. Scores are calibrated, and members weighted, by what
they did on held-out pictures; a ladder without such pictures leaves both alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from helpers.data.taxonomy import Category, Taxonomy
from helpers.evaluation.average_precision import evaluate
from helpers.inference.calibration import Isotonic, calibration_of
from helpers.inference.ensemble import (
    CALIBRATED,
    calibrated,
    fuse,
    model_weights,
    union_nms,
    weighted_soft_nms,
)
from helpers.inference.predict import to_results
from helpers.ladder.reference import Entry, Reference
from helpers.ladder.soft import Soft, unpack_soft
from helpers.structures import Detections

LETTERS = "ABCD"
Rows = Sequence[Mapping[str, Any]]  # COCO results
Together = Callable[[Sequence[Detections], Sequence[float]], Detections]
BASELINES: Mapping[str, Together] = {
    "union + NMS": lambda found, weights: union_nms(found),
    "weighted soft-NMS": weighted_soft_nms,
}


@dataclass(frozen=True)
class Trust:
    """What held-out pictures say of one member: its mask AP (0..1) and how to calibrate it."""

    precision: float
    calibration: Isotonic | None

    @staticmethod
    def of(truth: Mapping[str, Any], results: Rows, preset: str) -> Trust:
        """From its COCO results on pictures with that truth."""
        scores = evaluate(truth, results, preset=preset, kinds=("segm",)).metrics["segm"]
        return Trust(scores["AP"], calibration_of(truth, results))

    @staticmethod
    def read(values: Mapping[str, Any]) -> Trust:
        """What `asdict` of one wrote to JSON."""
        return Trust(values["precision"], _curve(values["calibration"]))


def _curve(values: Mapping[str, Any] | None) -> Isotonic | None:
    return values and Isotonic(tuple(values["scores"]), tuple(values["values"]))


@dataclass(frozen=True)
class Learnt:
    """The same of all members together, and what weights follow."""

    calibrations: tuple[Isotonic | None, ...]
    weights: tuple[float, ...]
    precision: tuple[float | None, ...]

    @staticmethod
    def nothing(members: int) -> Learnt:
        """Scores as they are, all members alike."""
        return Learnt((None,) * members, (1.0,) * members, (None,) * members)

    @staticmethod
    def of(members: Iterable[Trust]) -> Learnt:
        """From what is known of each."""
        members = list(members)
        precision = tuple(one.precision for one in members)
        curves = tuple(one.calibration for one in members)
        return Learnt(curves, model_weights(precision), precision)

    @staticmethod
    def read(values: Mapping[str, Any]) -> Learnt:
        """What `asdict` of one wrote to JSON."""
        curves = tuple(_curve(one) for one in values["calibrations"])
        return Learnt(curves, tuple(values["weights"]), tuple(values["precision"]))


@dataclass(frozen=True)
class Members:
    """Members of an ensemble by letter, with what was learnt of them. truth: plain COCO."""

    soft: Mapping[str, Soft]
    learnt: Mapping[str, tuple[Isotonic | None, float]]
    truth: Mapping[str, Any]
    preset: str

    @staticmethod
    def of(soft: Sequence[Soft], learnt: Learnt, truth: Mapping[str, Any], preset: str) -> Members:
        """Members A, B, ... in that order."""
        both = zip(learnt.calibrations, learnt.weights, strict=True)
        named = dict(zip(LETTERS, soft, strict=True))
        return Members(named, dict(zip(LETTERS, both, strict=True)), truth, preset)

    @staticmethod
    def stored(reference: Reference, entry: Entry) -> Members:
        """Those the entry of an ensemble names, from the files beside the reference."""
        return Members.of(
            [unpack_soft(reference.read(name)) for name in entry.extra["soft"]],
            Learnt.read(entry.extra["learnt"]),
            reference.truth(),
            entry.scores.preset,
        )

    @property
    def taxonomy(self) -> Taxonomy:
        rows = self.truth["categories"]
        return Taxonomy(tuple(Category(c["id"], c["name"], c["supercategory"]) for c in rows))

    def subsets(self) -> list[str]:
        """Every subset with at least one member: "A", "B", ..., "ABCD"."""
        sizes = range(1, len(self.soft) + 1)
        return ["".join(chosen) for size in sizes for chosen in combinations(self.soft, size)]

    def found(self, letters: str, image_id: int) -> list[Detections]:
        """Detections of each of these members in a picture, calibrated."""
        return [self._calibrated(letter, self.soft[letter][image_id]) for letter in letters]

    def together(self, letters: str, image_id: int, method: Together | None = None) -> Detections:
        """One set of detections from those members, fused or by another method."""
        weights = [self.learnt[letter][1] for letter in letters]
        found = self.found(letters, image_id)
        if method is None:
            return fuse(found, weights=weights, config=CALIBRATED)
        return method(found, weights)

    def results(self, letters: str, method: Together | None = None) -> list[dict[str, Any]]:
        """COCO results of those members together on all pictures."""
        taxonomy = self.taxonomy
        return [
            result
            for image in self.truth["images"]
            for result in to_results(
                self.together(letters, image["id"], method), image["id"], taxonomy
            )
        ]

    def scores(self, letters: str, method: Together | None = None) -> dict[str, float]:
        """Mask AP, AP50, AP75 and boundary AP (0..1) of those members together."""
        found = self.results(letters, method)
        return short_scores(self.truth, found, self.preset)

    def _calibrated(self, letter: str, found: Detections) -> Detections:
        curve = self.learnt[letter][0]
        return found if curve is None else calibrated(found, curve(found.scores))


def short_scores(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], preset: str
) -> dict[str, float]:
    """Mask AP, AP50, AP75 and boundary AP, 0..1."""
    metrics = evaluate(truth, results, preset=preset, kinds=("segm", "boundary")).metrics
    masks = {f"mask {name}": metrics["segm"][name] for name in ("AP", "AP50", "AP75")}
    return masks | {"boundary AP": metrics["boundary"]["AP"]}


def all_scores(members: Members) -> dict[str, dict[str, dict[str, float]]]:
    """Scores of every subset, and of the other ways to put all members together."""
    everyone = "".join(members.soft)
    return {
        "subsets": {letters: members.scores(letters) for letters in members.subsets()},
        "baselines": {name: members.scores(everyone, way) for name, way in BASELINES.items()},
    }
