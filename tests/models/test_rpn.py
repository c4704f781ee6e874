"""RPN: order of the head's answers, selection, losses, ignore regions, divergence."""

import dataclasses

import pytest
import torch

from helpers.models.boxes import covered
from helpers.models.rpn import RPN

SIZES = [(64, 64), (48, 64)]


@pytest.fixture
def features() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, 16, 64 // s, 64 // s) for s in (4, 8, 16, 32, 64)]


@pytest.fixture
def rpn(tiny) -> RPN:
    torch.manual_seed(0)
    return RPN(tiny)


def test_proposals_are_best_first_inside_the_picture_and_not_empty(rpn, features, tiny):
    rpn.config = dataclasses.replace(tiny, post_nms_train=7, post_nms_test=30)
    assert len(rpn.train().propose(features, SIZES)[0].boxes) == 7
    rpn.eval()
    for proposals, (height, width) in zip(rpn.propose(features, SIZES), SIZES, strict=True):
        assert 7 < len(proposals.boxes) <= 30
        assert (proposals.logits.diff() <= 0).all()
        assert proposals.boxes.min() >= 0
        assert proposals.boxes[:, 2].max() <= width
        assert proposals.boxes[:, 3].max() <= height
        assert (proposals.boxes[:, 2:] > proposals.boxes[:, :2]).all()


def test_losses_are_divided_by_the_batch_even_when_fewer_anchors_count(rpn, features, make_targets):
    targets = [make_targets(), make_targets()]
    _, terms = rpn.losses(features, SIZES, targets)
    assert terms["rpn_loc"] == 0
    assert terms["rpn_cls"].item() == pytest.approx(0.69, abs=0.05)  # 32 of 32, near log 2


def test_negatives_under_an_ignore_box_are_not_drawn(rpn, features, make_targets):
    anchors = torch.cat(rpn.anchors([f[:1] for f in features]))
    target = make_targets(ignore=((0, 0, 64, 32),))
    assert covered(anchors, target.ignore).any()
    for seed in range(5):
        torch.manual_seed(seed)
        positives, negatives, wanted = rpn._sample(anchors, target)
        assert (len(positives), len(negatives), len(wanted)) == (0, 32, 0)
        assert not covered(anchors[negatives], target.ignore).any()
