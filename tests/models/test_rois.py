"""Drawing and labelling RoIs."""

import torch

from helpers.models.rois import label_boxes, sample_rois

K = 3


def draw(boxes, targets, **changes):
    settings = {"threshold": 0.5, "num_classes": K, "size": 8, "positive": 0.25} | changes
    return sample_rois(torch.tensor(boxes).float().reshape(-1, 4), targets, **settings)


def test_true_boxes_are_proposals_and_positives_come_first(make_targets):
    rois = draw([[0, 0, 8, 8]] * 20, make_targets((20, 20, 40, 40, 2), (40, 40, 60, 60, 1)))
    assert rois.labels.tolist() in ([2, 1] + [K] * 6, [1, 2] + [K] * 6)
    assert sorted(rois.index[:2].tolist()) == [0, 1]
    assert torch.equal(rois.boxes[:2], rois.targets.boxes[rois.index[:2]])


def test_at_most_a_quarter_is_foreground(make_targets):
    rois = draw([[20, 20, 40, 40]] * 20 + [[0, 0, 8, 8]] * 20, make_targets((20, 20, 40, 40, 0)))
    assert rois.labels.tolist() == [0] * 2 + [K] * 6
    assert len(rois.foreground(K)) == 2
    assert len(rois.foreground(K, 1)) == 1


def test_without_instances_all_is_background(make_targets):
    rois = draw([[0, 0, 8, 8]] * 3, make_targets())
    assert rois.labels.tolist() == [K] * 3
    assert len(rois.foreground(K)) == 0


def test_without_proposals_and_instances_nothing_is_drawn(make_targets):
    assert len(draw([], make_targets())) == 0


def test_backgrounds_under_an_ignore_box_are_not_drawn(make_targets):
    targets = make_targets((20, 20, 40, 40, 1), ignore=((0, 0, 10, 10), (18, 18, 42, 42)))
    rois = draw([[0, 0, 8, 8], [50, 50, 60, 60], [20, 20, 40, 40]], targets, positive=0.5)
    assert sorted(rois.labels.tolist()) == [1, 1, K]  # a positive stays, whatever covers it


def test_relabelling_keeps_all_boxes_in_order(make_targets):
    boxes = torch.tensor([[20.0, 20, 40, 40], [0, 0, 8, 8], [20, 20, 40, 32]])
    targets = make_targets((20, 20, 40, 40, 1))
    assert label_boxes(boxes, targets, threshold=0.5, num_classes=K).labels.tolist() == [1, K, 1]
    assert label_boxes(boxes, targets, threshold=0.7, num_classes=K).labels.tolist() == [1, K, K]
