"""Matrix NMS (SOLOv2, section 3.3): scores decay by overlap, all at once.

N detections, best first; P pixels of a mask.
"""

from __future__ import annotations

import torch
from torch import Tensor

PIXELS_AT_ONCE = 2**14


def matrix_nms(overlaps: Tensor, labels: Tensor, *, sigma: float = 2.0) -> Tensor:
    """What to multiply each score with, (N,) float32 in (0, 1].

    overlaps: (N, N) IoU, detections sorted by falling score; labels: (N,). Only better detections
    of the same class count: decay_j = min over i < j of f(iou_ij) / f(c_i), with c_i the largest
    overlap of i with one better than itself, and f(x) = exp(-sigma x^2).
    """
    same = labels[:, None] == labels[None]
    worse = torch.where(same, overlaps.float(), 0.0).triu(diagonal=1)
    if not len(labels):
        return worse.new_zeros(0)
    covered = worse.amax(dim=0)  # c_i
    ratio = (sigma * (covered[:, None] ** 2 - worse**2)).exp()
    # a pair that does not meet gives at least 1, and so no reason to decay
    return ratio.amin(dim=0).clamp(max=1.0)


def mask_overlaps(masks: Tensor) -> Tensor:
    """(N, P) bool -> (N, N) IoU, 0 for empty masks; a few pixels at a time, to bound memory."""
    shared = torch.zeros(len(masks), len(masks), device=masks.device)
    for part in masks.split(PIXELS_AT_ONCE, dim=1):
        part = part.float()
        shared += part @ part.T
    area = shared.diagonal()
    return shared / (area[:, None] + area[None] - shared).clamp(min=1.0)
