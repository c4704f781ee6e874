"""Matching: thresholds, ties, nothing to match. Sampling: counts. RoIs: drawn and labelled."""

import pytest
import torch

from helpers.models.matching import (
    IGNORED,
    NEGATIVE,
    POSITIVE,
    label_boxes,
    match,
    sample,
    sample_rois,
)

K = 3


def strips(*widths: int) -> torch.Tensor:
    """Boxes in the upper left corner; with one of 10 x 10 px they have an IoU of width / 10."""
    return torch.tensor([[0.0, 0, width, 10] for width in widths]).reshape(-1, 4)


def test_thresholds_include_their_lower_end(make_targets):
    target = make_targets((0, 0, 10, 10, 1))
    _, state = match(strips(2, 3, 6, 7, 10), target, low=0.3, high=0.7)
    assert state.tolist() == [NEGATIVE, IGNORED, IGNORED, POSITIVE, POSITIVE]


def test_each_box_answers_for_the_instance_it_overlaps_most(make_targets):
    targets = make_targets((0, 0, 10, 10, 1), (0, 0, 4, 10, 2))
    index, state = match(strips(9, 5), targets, low=0.5, high=0.5)
    assert index.tolist() == [0, 1]
    assert state.tolist() == [POSITIVE, POSITIVE]


def test_the_best_boxes_of_an_instance_are_positive_even_on_a_tie(make_targets):
    targets = make_targets((0, 0, 10, 10, 1), (40, 40, 50, 50, 2))
    index, state = match(strips(2, 2, 1), targets, low=0.3, high=0.7, keep_best=True)
    assert state.tolist() == [POSITIVE, POSITIVE, NEGATIVE]  # nothing meets the second
    both = make_targets((0, 0, 8, 10, 1), (0, 0, 9, 10, 2))
    index, state = match(strips(5), both, low=0.3, high=0.9, keep_best=True)
    assert (index.tolist(), state.tolist()) == ([0], [POSITIVE])  # it is the best one of both


def test_no_instances_or_no_boxes(make_targets):
    index, state = match(strips(3, 4), make_targets(), low=0.3, high=0.7, keep_best=True)
    assert (index.tolist(), state.tolist()) == ([0, 0], [NEGATIVE] * 2)
    _, state = match(strips(), make_targets((0, 0, 9, 9, 1)), low=0.3, high=0.7, keep_best=True)
    assert len(state) == 0


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
    rois = draw([[0, 0, 8, 8], [50, 50, 60, 60], [20, 20, 40, 40]], targets, positive=0.5)
    assert sorted(rois.labels.tolist()) == [1, 1, K]  # a positive stays, whatever covers it


def test_relabelling_keeps_all_boxes_in_order(make_targets):
    boxes = torch.tensor([[20.0, 20, 40, 40], [0, 0, 8, 8], [20, 20, 40, 32]])
    targets = make_targets((20, 20, 40, 40, 1))
    assert label_boxes(boxes, targets, threshold=0.5, num_classes=K).labels.tolist() == [1, K, 1]
    assert label_boxes(boxes, targets, threshold=0.7, num_classes=K).labels.tolist() == [1, K, K]
