"""Resampled scores against the evaluator on images written out as often as they were drawn."""

import pytest

from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.bootstrap import interval, mean_difference, paired_difference
from helpers.files import UserError

from .reference import make_truth, perturb, truth_as_results


@pytest.fixture(scope="module")
def truth():
    return make_truth(images=12, size=(60, 70), seed=3)


@pytest.fixture(scope="module")
def results(truth):
    return perturb(truth, seed=1)


def score_of(truth, results, preset="coco", kind="segm"):
    return evaluate(truth, results, preset=preset, kinds=(kind,)).metrics[kind]["AP"]


@pytest.mark.parametrize("preset", ["coco", "future3d"])
@pytest.mark.parametrize("kind", ["segm", "boundary", "bbox"])
def test_all_images_score_as_the_evaluator_scores_them(truth, results, preset, kind):
    one = interval(truth, results, preset=preset, kind=kind, samples=20)
    assert one.mean == pytest.approx(score_of(truth, results, preset, kind), abs=1e-9)
    assert one.low <= one.high
    perfect = truth_as_results(truth, crowds=preset == "future3d")
    two = paired_difference(truth, results, perfect, preset=preset, kind=kind, samples=20)
    assert two.mean == pytest.approx(1 - one.mean, abs=1e-9)


def test_equal_lists_differ_by_nothing_at_all(truth, results):
    same = paired_difference(truth, results, list(reversed(results)), preset="coco", samples=50)
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_mistakes_are_named(truth, results):
    with pytest.raises(UserError, match="coco, future3d"):
        interval(truth, results, preset="lvis")
    with pytest.raises(UserError, match="0 samples"):
        interval(truth, results, preset="coco", samples=0)
    with pytest.raises(UserError, match="no instance to find"):
        interval(truth | {"annotations": []}, [], preset="coco")
    with pytest.raises(UserError, match="no pair"):
        mean_difference([], preset="coco")
