"""PointRend's mask part against its textbook form, which other implementations compute.

The textbook form reads points with grid_sample from maps in the usual memory order, answers for
every class at every point, and refines all boxes at once. Weights, boxes and answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.config import LossConfig, ModelConfig
from helpers.models.pointrend import PointRendHead, first_grid
from helpers.models.points import cell_centres, in_image
from helpers.models.precision import autocast
from helpers.structures import Detections
from helpers.tools.bench.timing import Case

KINDS = 34
STRIDE = 4  # of P2, which points are read from


def pointrend_cases(
    levels: Sequence[Tensor], boxes: Tensor, size: tuple[int, int]
) -> Iterator[Case]:
    """Masks of 20 and of all boxes. levels: P2..P6 of one picture; boxes: (R, 4); size: (H, W)."""
    config = ModelConfig(mask_head="pointrend", subdivision_points=784)
    head = PointRendHead(config, LossConfig(), KINDS).eval().requires_grad_(False)
    for layer in (head.coarse.prediction, head.point.predictor):
        torch.nn.init.normal_(layer.weight, std=0.1)  # answers as clear as those of a trained one
    usual = levels[0].contiguous()  # one channel after the other
    halves = [level.bfloat16() for level in levels]  # as a network in bfloat16 makes them
    for count in (min(20, len(boxes)), len(boxes)):
        labels = torch.arange(count) % KINDS
        found = Detections(boxes[:count], torch.ones(count), labels, size)
        name = f"PointRend masks of {count} boxes, 784 points a step"

        def ours(found: Detections = found) -> Tensor:
            return head.predict(levels, [found])[0]

        def half(found: Detections = found) -> Tensor:
            with autocast("bf16", usual.device):
                return head.predict(halves, [found])[0]

        def textbook(found: Detections = found) -> Tensor:
            return textbook_masks(head, usual, found)

        yield Case(name, ours, textbook, "textbook form")
        yield Case(f"{name}, bfloat16", half, textbook, "textbook form in float32")


def textbook_masks(head: PointRendHead, p2: Tensor, found: Detections) -> Tensor:
    """(R, T, T) probabilities of each box's class. p2: (1, C, H, W)."""
    config, rows = head.config, torch.arange(len(found))
    coarse = head.coarse(_pooled(p2, found.boxes, 2 * config.coarse_size))
    budget = config.subdivision_points
    side, steps = first_grid(config.coarse_size, config.subdivision_steps, budget)
    points = cell_centres(side, p2).expand(len(found), -1, -1)
    logits = _answers(head, p2, coarse, found.boxes, points).unflatten(2, (side, side))
    for _ in range(steps):
        logits, side = F.interpolate(logits, scale_factor=2.0, mode="bilinear"), 2 * side
        certainty = logits[rows, found.labels].flatten(1).abs()
        uncertain = certainty.topk(budget, dim=1, largest=False).indices
        points = cell_centres(side, p2)[uncertain]
        asked = _answers(head, p2, coarse, found.boxes, points)
        places = uncertain[:, None].expand_as(asked)
        logits.flatten(2).scatter_(2, places, asked)
    return logits[rows, found.labels].sigmoid()


def _answers(
    head: PointRendHead, p2: Tensor, coarse: Tensor, boxes: Tensor, points: Tensor
) -> Tensor:
    """(R, K, P) logits of every class at box-relative (R, P, 2) points."""
    rough = F.grid_sample(coarse, 2 * points[:, :, None] - 1, align_corners=False).squeeze(3)
    hidden = _fine(p2, boxes, points)
    for layer in head.point.fcs:
        both = torch.cat((hidden, rough), dim=1)
        hidden = F.relu(F.conv1d(both, layer.weight[..., None], layer.bias))
    last = head.point.predictor
    return F.conv1d(torch.cat((hidden, rough), dim=1), last.weight[..., None], last.bias)


def _pooled(p2: Tensor, boxes: Tensor, side: int) -> Tensor:
    """(R, C, side, side): P2 at a regular grid of points in each box."""
    points = cell_centres(side, p2).expand(len(boxes), -1, -1)
    return _fine(p2, boxes, points).unflatten(2, (side, side))


def _fine(p2: Tensor, boxes: Tensor, points: Tensor) -> Tensor:
    """(R, C, P): P2 at box-relative (R, P, 2) points."""
    size = STRIDE * points.new_tensor([p2.shape[3], p2.shape[2]])
    places = 2 * in_image(points, boxes) / size - 1
    return F.grid_sample(p2, places[None], align_corners=False)[0].transpose(0, 1)
