"""What an ensemble has to beat: the best model alone, and two ways to pool detections unfused.

m models; all detections are of one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import batched_nms, box_iou

from helpers.structures import Detections


def best_single(members: Sequence[Detections], precision: Sequence[float]) -> Detections:
    """The detections of the model with the highest mAP on held-out pictures."""
    return members[max(range(len(members)), key=lambda m: precision[m])]


def union_nms(
    members: Sequence[Detections], *, iou: float = 0.5, max_detections: int = 100
) -> Detections:
    """All detections, without those that overlap a better one of their class by a box IoU > iou."""
    pool = pooled(members)
    kept = batched_nms(pool.boxes, pool.scores, pool.labels, iou)
    return pool[kept[:max_detections]]


def weighted_soft_nms(
    members: Sequence[Detections],
    weights: Sequence[float],
    *,
    iou: float = 0.5,
    floor: float = 0.001,
    max_detections: int = 100,
) -> Detections:
    """The challenge's first place: scores times the model's weight, then linear soft-NMS on boxes.

    Each detection taken, best first, multiplies the scores of those of its class that it overlaps
    by more than `iou` with 1 - IoU; what falls below `floor` is gone. Masks stay as they are.
    """
    scaled = [
        replace(member, scores=member.scores * weight)
        for member, weight in zip(members, weights, strict=True)
    ]
    pool = pooled(scaled)
    scores = _decayed(pool, iou)
    order = scores.argsort(descending=True, stable=True)[:max_detections]
    return replace(pool, scores=scores)[order[scores[order] >= floor]]


def pooled(members: Sequence[Detections]) -> Detections:
    """All detections together, their masks brought to the largest side among them."""
    side = max(member.masks.shape[-1] for member in members)
    return Detections.cat([replace(m, masks=at_side(m.masks, side)) for m in members])


def _decayed(pool: Detections, iou: float) -> Tensor:
    """(N,) scores when each detection has been taken in the order of what is left of it."""
    scores, left = pool.scores.clone(), torch.ones(len(pool), dtype=torch.bool)
    overlaps = box_iou(pool.boxes, pool.boxes) * (pool.labels[:, None] == pool.labels)
    for _ in range(len(pool)):
        taken = torch.where(left, scores, -1.0).argmax()
        left[taken] = False
        decay = torch.where(overlaps[taken] > iou, 1 - overlaps[taken], 1.0)
        scores = torch.where(left, scores * decay, scores)
    return scores


def at_side(masks: Tensor, side: int) -> Tensor:
    """(N, M, M) masks -> (N, side, side), interpolated where that differs."""
    if masks.shape[-1] == side:
        return masks
    if not len(masks):
        return masks.new_zeros(0, side, side)
    return functional.interpolate(masks[:, None], (side, side), mode="bilinear")[:, 0]
