"""PointRend: subdivision against dense evaluation, points' truth, focal terms, no RoIs."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from helpers.config import LossConfig, ModelConfig
from helpers.models.matching import label_boxes
from helpers.models.pointrend import FineFeatures, PointRendHead, point_targets
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


def dense(head: PointRendHead, features, found: list[Detections], side: int) -> torch.Tensor:
    """The point head at every cell of the final grid, by grid_sample, all classes, then one."""
    masks = []
    for image, one in enumerate(found):
        for box, label in zip(one.boxes, one.labels, strict=True):
            (x1, y1, x2, y2) = box.tolist()

            def fine(n, x1=x1, y1=y1, x2=x2, y2=y2, image=image):
                centre = (torch.arange(n) + 0.5) / n
                x, y = x1 + centre * (x2 - x1), y1 + centre * (y2 - y1)
                grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1) / 64
                p2 = features[0][image : image + 1]
                return F.grid_sample(p2, 2 * grid[None] - 1, align_corners=False)

            coarse = head.coarse(fine(2 * head.coarse.side))
            rough = F.interpolate(coarse, size=(side, side), mode="bilinear")
            # grid_sample fades to zero at the border, interpolate repeats it: stay inside
            hidden = fine(side)
            for layer in head.point.fcs:
                weight = layer.weight[..., None, None]
                hidden = F.conv2d(torch.cat((hidden, rough), 1), weight, layer.bias).relu()
            weight = head.point.predictor.weight[..., None, None]
            logits = F.conv2d(torch.cat((hidden, rough), 1), weight, head.point.predictor.bias)
            masks.append(logits[0, label].sigmoid())
    return torch.stack(masks)


@torch.no_grad()
def test_with_points_for_every_cell_subdivision_is_dense_evaluation(config, features):
    config = dataclasses.replace(config, subdivision_steps=2, subdivision_points=28 * 28)
    head, found = make_head(config), [detections(2), detections(3)]
    masks = torch.cat(head.predict(features, found))
    border = 28 // 7 // 2
    inside = (slice(None), slice(border, -border), slice(border, -border))
    torch.testing.assert_close(masks[inside], dense(head, features, found, 28)[inside])


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


class Edge(torch.nn.Module):
    """A coarse head that is uncertain of class 1 alone, half way across each box."""

    side = 7

    def forward(self, pooled):
        logits = torch.full((len(pooled), K, 7, 7), 6.0)
        logits[:, 1] = torch.linspace(-6, 6, 7)
        return logits


def test_training_points_gather_where_the_true_class_is_uncertain(
    config, features, make_targets, monkeypatch
):
    head, seen = make_head(dataclasses.replace(config, train_points=400)), []
    head.coarse = Edge()
    monkeypatch.setattr(
        "helpers.models.pointrend.point_targets",
        lambda rois, pixels: seen.append(pixels) or point_targets(rois, pixels),
    )
    losses(head, features, make_targets((0, 0, 64, 64, 1), (0, 0, 64, 32, 2)))
    near = (seen[0][..., 0] / 64 - 0.5).abs() < 0.15
    of_one, of_two = near[0].float().mean(), near[1].float().mean()
    assert of_one > 0.45 > 0.35 > of_two  # 0.3 of uniform points


@pytest.mark.parametrize("points", [10_000, 60])  # cells are weighed first, or samples after
def test_weighed_features_of_several_levels_are_the_samples_times_the_weight(features, points):
    fine, weight = FineFeatures.of(features, (2, 4)), torch.randn(5, 32)
    boxes, image = torch.tensor([[8.0, 8, 40, 40], [0, 0, 64, 20]]), torch.tensor([1, 0])
    where = torch.rand(2, 30, 2)
    given = fine.reader(weight, boxes, image, points=points)(where, boxes, image)
    alone = [FineFeatures.of(features, (n,)).at(where, boxes, image) for n in (2, 4)]
    expected = F.linear(torch.cat(alone, dim=-1), weight)
    torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("points", [49, 784])  # features weighed when read, or before
def test_maps_in_bfloat16(config, points):
    torch.manual_seed(1)
    halves = [torch.randn(2, 16, 64 // s, 64 // s).bfloat16() for s in (4, 8, 16, 32, 64)]
    config = dataclasses.replace(config, point_dim=64, subdivision_points=points)
    head, found = make_head(config), [detections(3), detections(2)]
    exact = torch.cat(head.predict([half.float() for half in halves], found))
    torch.testing.assert_close(torch.cat(head.predict(halves, found)), exact)  # in float32
    with autocast("bf16", torch.device("cpu")):
        rough = torch.cat(head.predict(halves, found))
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    assert ((rough > 0.5) != (exact > 0.5)).float().mean() < 0.02
    assert (rough - exact).abs().mean() < 0.01


def test_gradients_of_points_are_summed_in_float32(config):
    coarse = torch.randn(4, 3, 7, 7, requires_grad=True)
    with autocast("bf16", torch.device("cpu")):
        parts = make_head(config).point.coarse_parts(coarse, torch.arange(4) % 3)
    assert {rows.dtype for rows in parts.rows} == {torch.float32}
