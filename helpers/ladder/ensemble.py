"""Table 3's last row: the four members fused, every subset of them, and what they have to beat.

Everything here works on stored soft predictions (`helpers.ladder.reference`), so notebooks and
checks make the same numbers from committed files. Scores are calibrated, and members weighted, by
what they did on held-out pictures; a ladder without such pictures leaves both alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from typing import Any

from helpers.data.taxonomy import Category, Taxonomy
from helpers.evaluation.average_precision import evaluate
from helpers.inference.calibration import Isotonic, calibration_of
from helpers.inference.ensemble import (
    EnsembleConfig,
    calibrated,
    fuse,
    model_weights,
    union_nms,
    weighted_soft_nms,
)
from helpers.inference.predict import to_results
from helpers.ladder.reference import Entry, Reference, Soft, unpack_soft
from helpers.structures import Detections

LETTERS = "ABCD"
Learnt = Mapping[str, Sequence[Any]]  # of all members: calibrations, weights, precision
Together = Callable[[Sequence[Detections], Sequence[float]], Detections]
# Calibrated scores of a weak model are small, and members are cut to their best already: all take
# part, as in the baselines, but for a score that was rounded to 0, which has no weight in a mean.
FUSED: Together = partial(fuse, config=EnsembleConfig(min_score=1e-9))
BASELINES: Mapping[str, Together] = {
    "union + NMS": lambda found, weights: union_nms(found),
    "weighted soft-NMS": weighted_soft_nms,
}


def trust_of(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], preset: str
) -> dict[str, Any]:
    """What a member's COCO results on held-out pictures say of it, as JSON has it: its mask AP
    (0..1) and how to calibrate it, None where it found next to nothing."""
    scores = evaluate(truth, results, preset=preset, kinds=("segm",)).metrics["segm"]
    curve = calibration_of(truth, results)
    return {"precision": scores["AP"], "calibration": curve and asdict(curve)}


def learnt_of(members: Sequence[Mapping[str, Any] | None]) -> Learnt:
    """The `trust_of` all members together, and the weights that follow. Without held-out pictures
    (None) scores stay as they are, and all members count alike."""
    if None in members:
        nothing = [None] * len(members)
        return {"calibrations": nothing, "weights": [1.0] * len(members), "precision": nothing}
    precision = [one["precision"] for one in members]
    curves = [one["calibration"] for one in members]
    return {
        "calibrations": curves,
        "weights": list(model_weights(precision)),
        "precision": precision,
    }


@dataclass(frozen=True)
class Members:
    """Members of an ensemble by letter, with what was learnt of them: calibration and weight.
    truth: plain COCO."""

    soft: Mapping[str, Soft]
    learnt: Mapping[str, tuple[Isotonic | None, float]]
    truth: Mapping[str, Any]
    preset: str

    @staticmethod
    def of(soft: Sequence[Soft], learnt: Learnt, truth: Mapping[str, Any], preset: str) -> Members:
        """Members A, B, ... in that order."""
        curves = [one and Isotonic(**one) for one in learnt["calibrations"]]
        both = zip(curves, learnt["weights"], strict=True)
        named = dict(zip(LETTERS, soft, strict=True))
        return Members(named, dict(zip(LETTERS, both, strict=True)), truth, preset)

    @staticmethod
    def stored(reference: Reference, entry: Entry) -> Members:
        """Those the entry of an ensemble names, from the files beside the reference."""
        soft = [unpack_soft(reference.read(name)) for name in entry.extra["soft"]]
        return Members.of(soft, entry.extra["learnt"], reference.truth(), entry.scores.preset)

    @property
    def taxonomy(self) -> Taxonomy:
        rows = self.truth["categories"]
        return Taxonomy(tuple(Category(**row) for row in rows))

    def subsets(self) -> list[str]:
        """Every subset with at least one member: "A", "B", ..., "ABCD"."""
        sizes = range(1, len(self.soft) + 1)
        return ["".join(chosen) for size in sizes for chosen in combinations(self.soft, size)]

    def found(self, letters: str, image_id: int) -> list[Detections]:
        """Detections of each of these members in a picture, calibrated."""
        soft = [self.soft[letter][image_id] for letter in letters]
        return calibrated(soft, [self.learnt[x][0] for x in letters])

    def together(self, letters: str, image_id: int, method: Together = FUSED) -> Detections:
        """One set of detections from those members, fused or by another method."""
        return method(self.found(letters, image_id), [self.learnt[x][1] for x in letters])

    def results(self, letters: str, method: Together = FUSED) -> list[dict[str, Any]]:
        """COCO results of those members together on all pictures."""
        taxonomy, ids = self.taxonomy, [image["id"] for image in self.truth["images"]]
        found = ((n, self.together(letters, n, method)) for n in ids)
        return [result for n, one in found for result in to_results(one, n, taxonomy)]

    def scores(self, letters: str, method: Together = FUSED) -> dict[str, float]:
        """Mask AP, AP50, AP75 and boundary AP (0..1) of those members together."""
        results, kinds = self.results(letters, method), ("segm", "boundary")
        metrics = evaluate(self.truth, results, preset=self.preset, kinds=kinds).metrics
        masks = {f"mask {name}": metrics["segm"][name] for name in ("AP", "AP50", "AP75")}
        return masks | {"boundary AP": metrics["boundary"]["AP"]}


def all_scores(members: Members) -> dict[str, dict[str, dict[str, float]]]:
    """Scores of every subset, and of the other ways to put all members together."""
    everyone = "".join(members.soft)
    return {
        "subsets": {letters: members.scores(letters) for letters in members.subsets()},
        "baselines": {name: members.scores(everyone, way) for name, way in BASELINES.items()},
    }
