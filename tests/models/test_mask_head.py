"""The conv mask head: shapes, the class's own channel, no RoIs."""

import dataclasses

import pytest
import torch

from helpers.config import LossConfig
from helpers.models.mask_head import ConvMaskHead, mask_targets
from helpers.models.matching import label_boxes
from helpers.structures import Detections


def features() -> list[torch.Tensor]:
    return [torch.randn(2, 16, 64 // s, 64 // s) for s in (4, 8, 16, 32)]


def detections(count: int) -> Detections:
    boxes = torch.tensor([[4.0, 4, 40, 40]]).repeat(count, 1)
    return Detections(boxes, torch.ones(count), torch.arange(count) % 3, (64, 64))


@pytest.mark.parametrize("convs", [0, 2])
def test_probabilities_of_the_predicted_class_come_per_image_even_for_none(tiny, convs):
    config = dataclasses.replace(tiny, mask_head_convs=convs, mask_head_dim=24)
    masks = ConvMaskHead(config, LossConfig(), 3).predict(
        features(), [detections(0), detections(4)]
    )
    assert [tuple(m.shape) for m in masks] == [(0, 28, 28), (4, 28, 28)]
    assert 0 <= masks[1].min() <= masks[1].max() <= 1
    assert not torch.equal(masks[1][0], masks[1][1])  # same box, other class
    assert torch.equal(masks[1][0], masks[1][3])


def test_the_weight_multiplies_the_loss_and_no_roi_gives_a_connected_zero(tiny, make_targets):
    torch.manual_seed(0)
    head = ConvMaskHead(tiny, LossConfig(mask_weight=2.0), 3)
    targets = make_targets((4, 4, 40, 40, 1), (30, 30, 40, 60, 1))
    rois = [label_boxes(t.boxes, t, threshold=0.5, num_classes=3) for t in (targets, targets)]
    assert mask_targets(rois, 28).mean() == 1
    assert abs(head.losses(features(), rois)["mask"].item() - 2 * 0.693) < 0.1
    none = head.losses(features(), [image[:0] for image in rois])["mask"]
    none.backward()
    assert none == 0
    assert head.predictor.weight.grad is not None
