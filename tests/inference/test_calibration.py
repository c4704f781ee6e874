"""Calibrations: what they learn, what they must not change, and which results are right."""

import numpy as np
import torch

from helpers.data.rle import encode
from helpers.inference.calibration import calibration_of, fit_isotonic, right_or_wrong


def test_the_ranking_stays_even_where_the_truth_does_not_rise():
    random = np.random.default_rng(1)
    scores = random.uniform(0, 1, 400)
    hits = random.random(400) < 1 - scores  # better scores are worse: flat is the best rising fit
    calibration = fit_isotonic(scores, hits)
    assert max(calibration.values) - min(calibration.values) < 1e-9
    ranked = calibration(torch.linspace(0, 1, 1001))
    assert (ranked.diff() > 0).all()
    assert 0 <= ranked.min() <= ranked.max() <= 1


def rectangle(x1: int, y1: int, x2: int, y2: int) -> dict:
    mask = np.zeros((40, 40), bool)
    mask[y1:y2, x1:x2] = True
    return encode(mask)


def test_right_is_overlapping_enough_of_its_class_and_first():
    things = [((0, 0, 10, 10), 0), ((20, 0, 40, 40), 1)]  # box, crowd
    truth = {
        "annotations": [
            {"image_id": 7, "category_id": 1, "segmentation": rectangle(*box), "iscrowd": crowd}
            for box, crowd in things
        ]
    }
    rows = [
        (1, 0.5, (0, 12, 10, 20)),  # nothing there
        (1, 0.9, (0, 0, 10, 8)),  # IoU 0.8
        (1, 0.8, (0, 0, 10, 10)),  # the instance is taken
        (1, 0.7, (22, 5, 30, 30)),  # inside the crowd
        (2, 0.6, (0, 0, 10, 10)),  # another class
    ]
    results = [
        {"image_id": 7, "category_id": kind, "score": score, "segmentation": rectangle(*box)}
        for kind, score, box in rows
    ]
    scores, hits = right_or_wrong(truth, results)
    judged = dict(zip(scores.tolist(), hits.tolist(), strict=True))
    assert judged == {0.9: True, 0.8: False, 0.6: False, 0.5: False}
    assert calibration_of(truth, []) is None  # found next to nothing
