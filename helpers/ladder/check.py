"""Whether a measured ladder's numbers are those of its stored predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from helpers.evaluation.average_precision import evaluate
from helpers.ladder.ensemble import LETTERS, Members, all_scores
from helpers.ladder.measure import by_size
from helpers.ladder.reference import Entry, Reference

TOLERANCE = 1e-9  # of metrics from 0 to 1
FUSED = 1e-6  # of fused scores and boxes, which are float32


def check(reference: Reference, *, subsets: bool = True) -> Iterator[tuple[Entry, list[str]]]:
    """Each entry with what does not agree, recomputed from the files beside the reference.

    subsets: also fuse every subset of an ensemble's members anew (half a minute on a laptop).
    """
    for entry in reference.entries():
        results, preset = reference.results(entry), entry.scores.preset
        truth = reference.truth()
        found = evaluate(truth, results, preset=preset).to_dict()
        wrong = differing(found, entry.evaluation, "evaluation")
        wrong += differing(by_size(truth, results, preset), entry.sizes, "sizes")
        if entry.noisy is not None:
            noisy = evaluate(
                reference.read("truth-noisy.json.xz"), results, preset=preset
            ).to_dict()
            wrong += differing(noisy, entry.noisy, "noisy")
        if "soft" in entry.extra and subsets:
            wrong += _check_ensemble(reference, entry, results)
        yield entry, wrong


def _check_ensemble(reference: Reference, entry: Entry, results: list[dict[str, Any]]) -> list[str]:
    members = Members.stored(reference, entry)
    again = members.results(LETTERS)
    differ = differing(again, results, "predictions", tolerance=FUSED)
    wrong = ["the fused predictions are not those stored"] if differ else []
    scores = all_scores(members)
    wrong += differing(scores, {key: entry.extra[key] for key in scores}, "extra")
    return wrong


def differing(found: Any, stored: Any, where: str, *, tolerance: float = TOLERANCE) -> list[str]:
    """The places where two plain values differ: numbers by more than tolerance, all else at all."""
    both = (found, stored)
    if all(isinstance(value, Mapping) for value in both) and found.keys() == stored.keys():
        named = ((f"{where}.{key}", found[key], stored[key]) for key in found)
        return [w for at, a, b in named for w in differing(a, b, at, tolerance=tolerance)]
    if all(isinstance(value, list | tuple) for value in both) and len(found) == len(stored):
        named = ((f"{where}[{n}]", a, b) for n, (a, b) in enumerate(zip(*both, strict=True)))
        return [w for at, a, b in named for w in differing(a, b, at, tolerance=tolerance)]
    numbers = all(isinstance(value, float) for value in both)
    if math.isclose(found, stored, rel_tol=0, abs_tol=tolerance) if numbers else found == stored:
        return []
    return [f"{where} is {found!r}, stored is {stored!r}"]
