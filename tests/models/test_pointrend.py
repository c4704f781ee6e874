"""PointRend: subdivision against dense evaluation, points' truth, focal terms, no RoIs."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from helpers.config import LossConfig, ModelConfig
from helpers.models.matching import label_boxes
from helpers.models.pointrend import FineFeatures, PointRendHead
from helpers.models.precision import autocast
from helpers.structures import Detections

K = 3


@pytest.fixture
def config(tiny) -> ModelConfig:
    return dataclasses.replace(
        tiny, mask_head="pointrend", coarse_dim=32, point_dim=16, train_points=20
    )


@pytest.fixture
def features() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, 16, 64 // s, 64 // s) for s in (4, 8, 16, 32, 64)]


def make_head(config: ModelConfig, **loss: object) -> PointRendHead:
    torch.manual_seed(0)
    head = PointRendHead(config, LossConfig(**loss), K)
    for layer in (head.point.predictor, head.coarse.prediction):  # answers away from zero
        layer.weight.data.normal_(std=0.3)
    return head.eval()


def detections(count: int) -> Detections:
    boxes = torch.tensor([[4.0, 4, 40, 50], [10, 20, 60, 60], [0, 0, 16, 16]])
    index = torch.arange(count) % 3
    return Detections(boxes[index], torch.ones(count), index, (64, 64))


@torch.no_grad()
def test_chunks_of_rois_do_not_change_the_answer(config, features, monkeypatch):
    head = make_head(dataclasses.replace(config, subdivision_points=196))
    found = [detections(3), detections(2)]
    whole = torch.cat(head.predict(features, found))
    monkeypatch.setattr("helpers.models.pointrend.CPU_POINTS", 1)
    torch.testing.assert_close(torch.cat(head.predict(features, found)), whole)


@torch.no_grad()
@pytest.mark.parametrize("levels", [(2,), (2, 3, 4, 5, 6)])
def test_boxes_outside_the_picture_or_not_finite_spoil_no_others(config, features, levels):
    head = make_head(dataclasses.replace(config, point_levels=levels))
    (inside,) = head.predict(features, [detections(1)])
    nan = float("nan")
    odd = torch.tensor([[70.0, 70, 90, 90], [-90, -90, -50, -50], [nan, 4, 40, 50], [nan] * 4])
    for box in odd:
        boxes = torch.stack((box, detections(1).boxes[0]))
        pair = Detections(boxes, torch.ones(2), torch.zeros(2).long(), (64, 64))
        (masks,) = head.predict(features, [pair])
        torch.testing.assert_close(masks[1:], inside)
        (alone,) = head.predict(features, [pair[:1]])
        torch.testing.assert_close(masks[:1], alone, equal_nan=True)


def losses(head, features, targets):
    rois = label_boxes(targets.boxes, targets, threshold=0.5, num_classes=K)
    torch.manual_seed(5)
    return head.losses(features, [rois, rois])


def test_weights_scale_and_focal_with_gamma_zero_changes_nothing(config, features, make_targets):
    targets = make_targets((8, 8, 40, 40, 0), (20, 10, 60, 60, 1))
    plain = losses(make_head(config), features, targets)
    scaled = losses(make_head(config, mask_weight=1.1, point_weight=3.0), features, targets)
    flat = losses(make_head(config, masks="focal", points="focal", gamma=0.0), features, targets)
    focal = losses(make_head(config, masks="focal", points="focal"), features, targets)
    torch.testing.assert_close(scaled["mask"], 1.1 * plain["mask"])
    torch.testing.assert_close(scaled["mask_point"], 3.0 * plain["mask_point"])
    torch.testing.assert_close(flat, plain)
    assert focal["mask"] < plain["mask"]
    assert focal["mask_point"] < plain["mask_point"]


@pytest.mark.parametrize("points", [10_000, 60])  # cells are weighed first, or samples after
def test_weighed_features_of_several_levels_are_the_samples_times_the_weight(features, points):
    fine, weight = FineFeatures.of(features, (2, 4)), torch.randn(5, 32)
    boxes, image = torch.tensor([[8.0, 8, 40, 40], [0, 0, 64, 20]]), torch.tensor([1, 0])
    where = torch.rand(2, 30, 2)
    given = fine.reader(weight, boxes, image, points=points)(where, boxes, image)
    alone = [FineFeatures.of(features, (n,)).at(where, boxes, image) for n in (2, 4)]
    expected = F.linear(torch.cat(alone, dim=-1), weight)
    torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-4)


def test_gradients_of_points_are_summed_in_float32(config):
    coarse = torch.randn(4, 3, 7, 7, requires_grad=True)
    with autocast("bf16", torch.device("cpu")):
        parts = make_head(config).point.coarse_parts(coarse, torch.arange(4) % 3)
    assert {rows.dtype for rows in parts.rows} == {torch.float32}
