"""Resampled scores against the evaluator on images written out as often as they were drawn."""

import time

import numpy as np
import pytest

from helpers.data import rle
from helpers.evaluation import bootstrap
from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.bootstrap import interval, mean_difference, paired_difference
from helpers.evaluation.results import truth_as_results
from helpers.files import UserError

from .reference import make_truth, perturb


@pytest.fixture(scope="module")
def truth():
    return make_truth(images=12, size=(60, 70), seed=3)


@pytest.fixture(scope="module")
def results(truth):
    return perturb(truth, seed=1)


def score_of(truth, results, preset="coco", kind="segm"):
    return evaluate(truth, results, preset=preset, kinds=(kind,)).metrics[kind]["AP"]


def shifted(truth, image_ids, pixels=6):
    """The truth as results; in some images each mask lies some pixels too far to the right."""
    moved = []
    for result in truth_as_results(truth, crowds=False):
        if result["image_id"] in image_ids:
            mask = np.roll(rle.decode(result["segmentation"]), pixels, axis=1)
            result["segmentation"] = rle.encode(mask)
        moved.append(result)
    return moved


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
    assert one.mean == pytest.approx(score_of(truth, results, preset, kind), abs=1e-12)
    assert one.low <= one.high
    perfect = truth_as_results(truth, crowds=preset == "future3d")
    two = paired_difference(truth, results, perfect, preset=preset, kind=kind, samples=20)
    assert two.mean == pytest.approx(1 - one.mean, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_image_counts_as_often_as_it_was_drawn(truth, results, seed):
    weights = bootstrap._draws(len(truth["images"]), 1, seed)
    assert weights.sum() == len(truth["images"]) and weights.max() > 1
    fast = bootstrap._matched(truth, results, "coco", "segm").scores(weights)[0]
    assert fast == pytest.approx(score_of(*repeated(truth, results, weights[0])), abs=1e-12)


def test_equal_lists_differ_by_nothing_at_all(truth, results):
    same = paired_difference(truth, results, list(reversed(results)), preset="coco")
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    assert set(same.per_image["difference"].dropna()) == {0}


def test_masks_that_are_worse_on_half_the_images_show(truth):
    worse = {image["id"] for image in truth["images"][::2]}
    good, bad = shifted(truth, ()), shifted(truth, worse)
    loss = paired_difference(truth, good, bad, preset="coco")
    assert loss.mean == pytest.approx(score_of(truth, bad) - 1, abs=1e-12)
    assert loss.low < loss.mean < loss.high < 0
    table = loss.per_image.dropna()
    assert set(table["image_id"][table["difference"] < 0]) <= worse
    assert table["difference"].is_monotonic_decreasing and table["difference"].iloc[-1] < 0
    gain = paired_difference(truth, bad, good, preset="coco")
    assert (gain.low, gain.high) == pytest.approx((-loss.high, -loss.low), abs=1e-12)


def test_the_table_holds_the_score_of_each_image_alone(truth, results):
    table = paired_difference(truth, results, [], preset="coco", samples=1).per_image
    assert sorted(table["image_id"]) == [image["id"] for image in truth["images"]]
    for row in table.itertuples():
        alone = truth | {
            "images": [image for image in truth["images"] if image["id"] == row.image_id],
            "annotations": [a for a in truth["annotations"] if a["image_id"] == row.image_id],
        }
        score = score_of(alone, [r for r in results if r["image_id"] == row.image_id])
        assert row.a == pytest.approx(score, abs=1e-12, nan_ok=True)
        assert np.isnan(row.b) == np.isnan(row.a) == (row.instances == 0)


def test_the_seed_decides(truth, results):
    worse = perturb(truth, seed=9)
    first, again, other = (
        paired_difference(truth, results, worse, preset="coco", samples=50, seed=seed)
        for seed in (0, 0, 1)
    )
    assert (first.low, first.high) == (again.low, again.high) != (other.low, other.high)
    assert first.mean == other.mean


def test_the_mean_of_pairs_is_drawn_on_the_same_images(truth, results):
    worse = perturb(truth, seed=9)
    one = paired_difference(truth, results, worse, preset="coco", samples=50)
    alone = mean_difference([(truth, results, worse)], preset="coco", samples=50)
    assert (alone.mean, alone.low, alone.high) == (one.mean, one.low, one.high)
    back_and_forth = [(truth, results, worse), (truth, worse, results)]
    both = mean_difference(back_and_forth, preset="coco", samples=50)
    assert (both.mean, both.low, both.high) == pytest.approx((0, 0, 0), abs=1e-12)
    with pytest.raises(UserError, match="no pair"):
        mean_difference([], preset="coco")


def test_pairing_narrows_the_interval(truth, results):
    """Two lists that fail on the same images differ by less than each of them varies."""
    weaker = [r | {"score": r["score"] / 2} if n % 9 == 0 else r for n, r in enumerate(results)]
    paired = paired_difference(truth, results, weaker, preset="coco")
    alone = interval(truth, results, preset="coco")
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_they_print_in_per_cent():
    assert str(bootstrap.Interval(0.341, 0.3, 0.38)) == "34.1 (30.0 to 38.0)"
    assert str(bootstrap.Difference(0.011, -0.002, 0.02, None)) == "+1.1 (-0.2 to +2.0)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "lvis"}, "no preset 'lvis': choose one of coco, future3d"),
        ({"samples": 0}, "0 samples make no interval"),
    ],
)
def test_mistakes_are_named(truth, results, change, message):
    with pytest.raises(UserError, match=message):
        interval(truth, results, **({"preset": "coco"} | change))


def test_nothing_to_find_is_refused(truth):
    with pytest.raises(UserError, match="no instance to find"):
        interval(truth | {"annotations": []}, [], preset="coco")


def test_a_thousand_samples_take_seconds():
    """80 images, 3 classes, six results for each truth."""
    truth = make_truth(images=80, size=(40, 50), seed=1)
    results = perturb(truth, seed=2, copies=6)
    interval(truth, results, preset="coco", samples=1)  # compiled from here on
    began = time.perf_counter()
    interval(truth, results, preset="coco", samples=1000)
    assert time.perf_counter() - began < 5
