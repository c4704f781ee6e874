"""Calibrations: what they learn, what they must not change, and which results are right."""

import numpy as np
import pytest
import torch

from helpers.data.rle import encode
from helpers.files import UserError
from helpers.inference.calibration import (
    Isotonic,
    calibration_of,
    fit_isotonic,
    fit_power,
    right_or_wrong,
)


def test_isotonic_finds_the_true_probability():
    random = np.random.default_rng(0)
    scores = random.uniform(0, 1, 40_000)
    hits = random.random(40_000) < scores**2  # over-confident scores
    calibration = fit_isotonic(scores, hits)
    points = torch.tensor([0.2, 0.5, 0.8, 0.95])
    expected = points.numpy() ** 2
    np.testing.assert_allclose(calibration(points).numpy(), expected, atol=0.03)


def test_the_ranking_stays_even_where_the_truth_does_not_rise():
    random = np.random.default_rng(1)
    scores = random.uniform(0, 1, 400)
    hits = random.random(400) < 1 - scores  # better scores are worse: flat is the best rising fit
    calibration = fit_isotonic(scores, hits)
    assert max(calibration.values) - min(calibration.values) < 1e-9
    ranked = calibration(torch.linspace(0, 1, 1001))
    assert (ranked.diff() > 0).all()
    assert 0 <= ranked.min() <= ranked.max() <= 1


def test_bins_of_equal_scores_are_one_point():
    scores = np.array([0.5] * 60 + [0.9] * 20)
    hits = np.array([True, False] * 30 + [True] * 20)
    calibration = fit_isotonic(scores, hits)
    assert len(calibration.scores) == 2
    assert calibration.values == pytest.approx((0.5, 1.0))


def test_too_few_detections_are_refused():
    with pytest.raises(UserError, match="39 held-out detections are too few for 20 bins"):
        fit_isotonic(np.ones(39), np.ones(39, bool))


def test_a_model_that_found_next_to_nothing_is_not_calibrated():
    truth = {"images": [{"id": 1, "height": 4, "width": 4}], "categories": [{"id": 1}]}
    assert calibration_of({**truth, "annotations": []}, []) is None


def test_isotonic_by_hand():
    calibration = Isotonic((0.5, 1.0), (0.2, 0.6))
    found = calibration(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])).tolist()
    lines = [0.0, 0.1, 0.2, 0.4, 0.6]
    raw = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert found == pytest.approx([0.99 * v + 0.01 * r for v, r in zip(lines, raw, strict=True)])


def test_a_power_matches_the_reference_distribution():
    scores = np.random.default_rng(2).uniform(0.01, 1, 5000)
    power = fit_power(scores, scores**0.4)
    assert power.exponent == pytest.approx(0.4, abs=1e-3)
    assert power(torch.tensor([0.0, 0.25, 1.0])).tolist() == pytest.approx([0, 0.25**0.4, 1])
    assert fit_power([1.0, 1.0], [0.5, 0.6]).exponent == 1.0


def rectangle(x1: int, y1: int, x2: int, y2: int) -> dict:
    mask = np.zeros((40, 40), bool)
    mask[y1:y2, x1:x2] = True
    return encode(mask)


def test_right_is_overlapping_enough_of_its_class_and_first():
    truth = {
        "images": [{"id": 7, "height": 40, "width": 40}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "segmentation": rectangle(0, 0, 10, 10)},
            {
                "image_id": 7,
                "category_id": 1,
                "segmentation": rectangle(20, 0, 40, 40),
                "iscrowd": 1,
            },
        ],
    }

    def result(category: int, score: float, *box: int) -> dict:
        segmentation = rectangle(*box)
        return {
            "image_id": 7, "category_id": category, "score": score, "segmentation": segmentation,
        }  # fmt: skip

    results = [
        result(1, 0.9, 0, 0, 10, 8),  # IoU 0.8
        result(1, 0.8, 0, 0, 10, 10),  # the instance is taken
        result(1, 0.7, 22, 5, 30, 30),  # inside the crowd
        result(2, 0.6, 0, 0, 10, 10),  # another class
        result(1, 0.5, 0, 12, 10, 20),  # nothing there
    ]
    scores, hits = right_or_wrong(truth, results)
    judged = dict(zip(scores.tolist(), hits.tolist(), strict=True))
    assert judged == {0.9: True, 0.8: False, 0.6: False, 0.5: False}
    _, strict = right_or_wrong(truth, results, threshold=0.85)
    assert strict.sum() == 1  # now the second takes it
    assert len(right_or_wrong(truth, [])[0]) == 0
