"""Resampled scores against the evaluator on images written out as often as they were drawn."""

import pytest

from helpers.evaluation import bootstrap
from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.bootstrap import interval, mean_difference, paired_difference
from helpers.files import UserError
from helpers.ladder.reference import references

from .reference import make_truth, perturb, truth_as_results


@pytest.fixture(scope="module")
def truth():
    return make_truth(images=12, size=(60, 70), seed=3)


@pytest.fixture(scope="module")
def results(truth):
    return perturb(truth, seed=1)


def score_of(truth, results, preset="coco", kind="segm"):
    return evaluate(truth, results, preset=preset, kinds=(kind,)).metrics[kind]["AP"]


def repeated(truth, results, weights):
    """Truth and results with each image as often as `weights` says, under ids of its own."""
    images, annotations, found = [], [], []
    for image, weight in zip(truth["images"], weights, strict=True):
        for copy in range(weight):
            number = 1000 * copy + image["id"]
            images.append(image | {"id": number})
            for rows, into in ((truth["annotations"], annotations), (results, found)):
                mine = [row for row in rows if row["image_id"] == image["id"]]
                into.extend(row | {"image_id": number} for row in mine)
    return truth | {"images": images, "annotations": annotations}, found


@pytest.mark.parametrize("preset", ["coco", "future3d"])
@pytest.mark.parametrize("kind", ["segm", "boundary", "bbox"])
def test_all_images_score_as_the_evaluator_scores_them(truth, results, preset, kind):
    one = interval(truth, results, preset=preset, kind=kind, samples=20)
    assert one.mean == pytest.approx(score_of(truth, results, preset, kind), abs=1e-9)
    assert one.low <= one.high
    perfect = truth_as_results(truth, crowds=preset == "future3d")
    two = paired_difference(truth, results, perfect, preset=preset, kind=kind, samples=20)
    assert two.mean == pytest.approx(1 - one.mean, abs=1e-9)


@pytest.mark.parametrize("sample", range(3))
def test_a_drawn_image_counts_as_often_as_it_was_drawn(truth, results, sample):
    matched = bootstrap.match(truth, results, "coco", "segm")
    matched = [bootstrap.ClassMatches.unpack(one.pack()) for one in matched]
    weights = bootstrap._draws(matched, 3)[[sample]]
    assert weights.sum() == len(truth["images"]) and weights.max() > 1
    plain = score_of(*repeated(truth, results, weights[0]))
    assert bootstrap._scores(matched, weights)[0] == pytest.approx(plain, abs=1e-9)


def test_the_interval_of_stored_predictions_stays_what_it_was():
    """A row of the ladder in data/reference: the AP that is stored, and ends as first drawn."""
    reference = next(one for one in references("bench") if one.find("dcn"))
    entry = reference.find("dcn")
    found = interval(reference.truth(), reference.results(entry), preset="future3d")
    ends = (0.43382551795195745, 0.4749516131767511)
    assert found.mean == pytest.approx(entry.scores.metrics["segm"]["AP"], abs=1e-9)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-9)


def test_equal_lists_differ_by_nothing_at_all(truth, results):
    same = paired_difference(truth, results, list(reversed(results)), preset="coco", samples=50)
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_equal_arguments_give_equal_numbers_and_pairs_share_the_drawn_images(truth, results):
    worse = perturb(truth, seed=9)
    options = {"preset": "coco", "samples": 50}
    first, again = (paired_difference(truth, results, worse, **options) for _ in range(2))
    assert (first.low, first.high) == (again.low, again.high)
    alone = mean_difference([(truth, results, worse)], **options)
    assert (alone.mean, alone.low, alone.high) == (first.mean, first.low, first.high)
    same = mean_difference([(truth, results, worse)] * 3, **options)
    assert (same.mean, same.low, same.high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert str(first).startswith(("+", "-")) and str(first).count(" to ") == 1


def test_pairs_that_disagree_widen_the_interval_as_their_spread_asks(truth, results):
    worse, options = perturb(truth, seed=9), {"preset": "coco", "samples": 2000}
    both = mean_difference([(truth, results, worse), (truth, worse, results)], **options)
    apart = abs(paired_difference(truth, results, worse, **options).mean)
    assert both.mean == pytest.approx(0, abs=1e-12)
    # two differences +d and -d: in half of the samples one is drawn twice, and sqrt(2) d is left
    assert both.high > 2**0.5 * apart and both.low < -(2**0.5) * apart


def test_mistakes_are_named(truth, results):
    with pytest.raises(UserError, match="coco, future3d"):
        interval(truth, results, preset="lvis")
    with pytest.raises(UserError, match="0 samples"):
        interval(truth, results, preset="coco", samples=0)
    with pytest.raises(UserError, match="no instance to find"):
        interval(truth | {"annotations": []}, [], preset="coco")
    with pytest.raises(UserError, match="no pair"):
        mean_difference([], preset="coco")
