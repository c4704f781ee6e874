"""The pools that an ensemble has to beat, by hand."""

import pytest
import torch

from helpers.inference.ensemble_baselines import best_single, union_nms, weighted_soft_nms
from helpers.structures import Detections


def found(*rows, side: int = 4) -> Detections:
    """rows: x1, y1, x2, y2, score, label."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    masks = torch.full((len(rows), side, side), 0.75)
    return Detections(table[:, :4], table[:, 4], table[:, 5].long(), (100, 100), masks)


A = found((0, 0, 10, 10, 0.9, 0), (50, 50, 60, 60, 0.5, 1))
B = found((0, 0, 10, 8, 0.8, 0), (0, 0, 10, 10, 0.7, 1), side=8)


def test_best_single():
    assert best_single([A, B], [0.3, 0.4]) is B
    assert best_single([A, B], [0.4, 0.4]) is A


def test_union_drops_worse_copies_of_a_class_alone():
    union = union_nms([A, B])
    assert union.scores.tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert union.labels.tolist() == [0, 1, 1]
    assert union.masks.shape == (3, 8, 8)
    assert (union.masks == 0.75).all()


def test_soft_nms_keeps_copies_at_what_is_left_of_them():
    # weighted 0.6: A's 0.54 and 0.3; B's 0.8 stays and overlaps A's copy by 0.8
    pool = weighted_soft_nms([A, B], [0.6, 1.0])
    assert pool.scores.tolist() == pytest.approx([0.8, 0.7, 0.54 * 0.2, 0.3], abs=1e-6) or (
        pool.scores.tolist() == pytest.approx([0.8, 0.7, 0.3, 0.54 * 0.2], abs=1e-6)
    )
    assert len(weighted_soft_nms([A, B], [0.6, 1.0], floor=0.2)) == 3


def test_soft_nms_goes_on_with_decayed_scores():
    chain = found((0, 0, 10, 10, 0.9, 0), (0, 0, 10, 9, 0.8, 0), (0, 0, 10, 6, 0.7, 0))
    # IoU 0.9, 0.6 and 2/3: the third (0.7 * 0.4 = 0.28) comes before the second (0.08)
    pool = weighted_soft_nms([chain], [1.0])
    assert pool.scores.tolist() == pytest.approx([0.9, 0.28, 0.8 * 0.1 * (1 - 2 / 3)], abs=1e-6)


def test_nothing_found():
    assert len(union_nms([found(), found(side=8)])) == 0
    assert len(weighted_soft_nms([found(), A], [1.0, 1.0])) == 2
