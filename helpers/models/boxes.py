"""Boxes and anchors: overlaps, and the code between a box and its target.

Boxes are (..., 4) float, xyxy in pixels, x2 and y2 exclusive: width = x2 - x1.
A anchors per cell, H x W cells of a level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import box_area
from torchvision.ops import box_iou as iou
from torchvision.ops import clip_boxes_to_image as clip

__all__ = ["STRIDES", "Anchors", "BoxCoder", "cat_boxes", "clip", "covered", "iou", "nonempty"]

STRIDES = (4, 8, 16, 32, 64)  # P2..P6
MAX_LOG_SCALE = math.log(1000.0 / 16.0)  # a regressed side is at most 62.5 times the old one


def nonempty(boxes: Tensor) -> Tensor:
    """(..., 4) -> (...) bool: width and height above zero."""
    return (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])


def covered(boxes: Tensor, ignore: Tensor) -> Tensor:
    """(R, 4), (C, 4) -> (R,) bool: some ignore box covers at least half of the box."""
    corner = torch.minimum(boxes[:, None, 2:], ignore[:, 2:])
    sides = (corner - torch.maximum(boxes[:, None, :2], ignore[:, :2])).clamp(min=0)
    return (sides.prod(dim=-1) >= 0.5 * box_area(boxes)[:, None]).any(dim=1)


def cat_boxes(boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes of all images (R, 4), and the number of the image that each is of (R,)."""
    together = torch.cat(list(boxes))
    counts = torch.tensor([len(image) for image in boxes], device=together.device)
    numbers = torch.arange(len(boxes), device=together.device)
    return together, numbers.repeat_interleave(counts)


@dataclass(frozen=True)
class BoxCoder:
    """Centre shift relative to the box's sides and log change of the sides, each times a weight."""

    weights: tuple[float, float, float, float]

    def encode(self, boxes: Tensor, targets: Tensor) -> Tensor:
        """(R, 4) boxes, (R, 4) boxes to reach -> (R, 4) deltas."""
        (x, y, w, h), (tx, ty, tw, th) = _centres(boxes), _centres(targets)
        parts = ((tx - x) / w, (ty - y) / h, torch.log(tw / w), torch.log(th / h))
        return torch.stack(parts, dim=-1) * boxes.new_tensor(self.weights)

    def decode(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """(..., 4) deltas, broadcastable (..., 4) boxes -> (..., 4) float32 boxes."""
        deltas, boxes = deltas.float(), boxes.float()
        x, y, w, h = _centres(boxes)
        dx, dy, dw, dh = (deltas / deltas.new_tensor(self.weights)).unbind(-1)
        cx, cy = dx * w + x, dy * h + y
        half_w = 0.5 * dw.clamp(max=MAX_LOG_SCALE).exp() * w
        half_h = 0.5 * dh.clamp(max=MAX_LOG_SCALE).exp() * h
        return torch.stack((cx - half_w, cy - half_h, cx + half_w, cy + half_h), dim=-1)


def _centres(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x1, y1, x2, y2 = boxes.unbind(-1)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height


class Anchors(nn.Module):
    """Boxes centred on (x * stride, y * stride) of each cell of each level, not rounded.

    sizes: square root of the area in pixels, one per level; ratios: height / width.
    """

    def __init__(self, sizes: Sequence[float], ratios: Sequence[float]) -> None:
        super().__init__()
        size, ratio = torch.tensor(sizes).double()[:, None], torch.tensor(ratios).double()
        width = torch.sqrt(size**2 / ratio)
        half = torch.stack((width, ratio * width), dim=-1) / 2
        cells = torch.cat((-half, half), dim=-1).float()  # (levels, A, 4) around the origin
        self.register_buffer("cells", cells, persistent=False)

    @property
    def per_cell(self) -> int:
        return self.cells.shape[1]

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, C, H, W), finest first -> one (H * W * A, 4) per level, in that order."""
        levels = []
        for feature, cell, stride in zip(features, self.cells, STRIDES, strict=True):
            axes = (torch.arange(side, device=cell.device) * stride for side in feature.shape[-2:])
            rows, columns = torch.meshgrid(*axes, indexing="ij")
            shift = torch.stack((columns, rows, columns, rows), dim=-1)
            levels.append((shift[:, :, None] + cell).reshape(-1, 4))
        return levels
