"""Sampling: counts, and what is under an ignore box. RoIs: drawn and labelled."""

import pytest
import torch

from helpers.models.matching import IGNORED, NEGATIVE, POSITIVE, sample, sample_rois

K = 3


@pytest.mark.parametrize(
    ("positives", "negatives", "expected"),
    [(50, 50, (4, 12)), (2, 50, (2, 14)), (0, 50, (0, 16)), (50, 0, (4, 0)), (1, 3, (1, 3))],
)
def test_sample_counts(positives, negatives, expected):
    state = torch.tensor([POSITIVE] * positives + [NEGATIVE] * negatives + [IGNORED] * 7)
    chosen = sample(state, size=16, positive=0.25)
    assert tuple(map(len, chosen)) == expected
    assert (state[chosen[0]] == POSITIVE).all()
    assert (state[chosen[1]] == NEGATIVE).all()
    assert len(set(torch.cat(chosen).tolist())) == sum(expected)


def draw(boxes, targets, **changes):
    settings = {"threshold": 0.5, "num_classes": K, "size": 8, "positive": 0.25} | changes
    return sample_rois(torch.tensor(boxes).float().reshape(-1, 4), targets, **settings)


def test_true_boxes_are_proposals_and_positives_come_first(make_targets):
    rois = draw([[0, 0, 8, 8]] * 20, make_targets((20, 20, 40, 40, 2), (40, 40, 60, 60, 1)))
    assert rois.labels.tolist() in ([2, 1] + [K] * 6, [1, 2] + [K] * 6)
    assert torch.equal(rois.boxes[:2], rois.targets.boxes[rois.index[:2]])
    many = draw([[20, 20, 40, 40]] * 20 + [[0, 0, 8, 8]] * 20, make_targets((20, 20, 40, 40, 0)))
    assert many.labels.tolist() == [0] * 2 + [K] * 6  # at most a quarter
    assert len(many.foreground(K)) == 2
    assert len(many.foreground(K, 1)) == 1


def test_backgrounds_under_an_ignore_box_are_not_drawn(make_targets):
    targets = make_targets((20, 20, 40, 40, 1), ignore=((0, 0, 10, 10), (18, 18, 42, 42)))
    half, less = [5, 0, 15, 10], [6, 0, 16, 10]
    rois = draw([half, less, [20, 20, 40, 40]], targets, positive=0.5)
    assert sorted(rois.labels.tolist()) == [1, 1, K]  # a positive stays, whatever covers it
    assert less in rois.boxes.tolist() and half not in rois.boxes.tolist()
