"""The conv mask head: shapes, the class's own channel, no RoIs."""

import dataclasses

import pytest
import torch

from helpers.config import LossConfig
from helpers.models.mask_head import ConvMaskHead, mask_targets, of_class
from helpers.models.rois import label_boxes
from helpers.structures import Detections


def features() -> list[torch.Tensor]:
    return [torch.randn(2, 16, 64 // s, 64 // s) for s in (4, 8, 16, 32)]


def detections(count: int) -> Detections:
    boxes = torch.tensor([[4.0, 4, 40, 40]]).repeat(count, 1)
    return Detections(boxes, torch.ones(count), torch.arange(count) % 3, (64, 64))


def test_of_class_picks_the_channel_of_each_label():
    logits = torch.arange(6.0).view(2, 3, 1, 1)
    assert of_class(logits, torch.tensor([2, 0])).flatten().tolist() == [2, 3]


def test_probabilities_come_per_image_even_for_none(tiny):
    head = ConvMaskHead(tiny, LossConfig(), 3)
    masks = head.predict(features(), [detections(0), detections(4)])
    assert [tuple(m.shape) for m in masks] == [(0, 28, 28), (4, 28, 28)]
    assert 0 <= masks[1].min() <= masks[1].max() <= 1
    assert not torch.equal(masks[1][0], masks[1][1])  # same box, other class
    assert torch.equal(masks[1][0], masks[1][3])


@pytest.mark.parametrize("convs", [0, 2])
def test_any_number_of_convolutions_may_precede_the_doubling(tiny, convs):
    config = dataclasses.replace(tiny, mask_head_convs=convs, mask_head_dim=24)
    head = ConvMaskHead(config, LossConfig(), 3)
    assert len(head.convs) == convs
    assert head.predict(features(), [detections(2), detections(0)])[0].shape == (2, 28, 28)


def test_the_weight_multiplies_the_loss_and_no_roi_gives_a_connected_zero(tiny, make_targets):
    torch.manual_seed(0)
    head = ConvMaskHead(tiny, LossConfig(mask_weight=2.0), 3)
    targets = make_targets((4, 4, 40, 40, 1))
    rois = [label_boxes(t.boxes, t, threshold=0.5, num_classes=3) for t in (targets, targets)]
    assert abs(head.losses(features(), rois)["mask"].item() - 2 * 0.693) < 0.1
    none = head.losses(features(), [image[:0] for image in rois])["mask"]
    none.backward()
    assert none == 0
    assert head.predictor.weight.grad is not None


def test_targets_are_the_true_masks_cut_to_the_rois(make_targets):
    targets = make_targets((8, 8, 24, 24, 0), (30, 30, 40, 60, 1))
    rois = label_boxes(targets.boxes, targets, threshold=0.5, num_classes=3)
    assert (mask_targets([rois, rois], 28) == 1).all()
    assert mask_targets([rois, rois], 28).shape == (4, 28, 28)
