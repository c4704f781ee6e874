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
    overlaps = torch.where(same, overlaps.float(), 0.0).triu(diagonal=1)  # of i < j
    if not len(labels):
        return overlaps.new_zeros(0)
    compensation = overlaps.amax(dim=0)  # c_i: a detection that itself decays suppresses less
    ratio = (sigma * (compensation[:, None] ** 2 - overlaps**2)).exp()
    # pairs without overlap, and those of i >= j, give at least 1, and so no decay
    return ratio.amin(dim=0).clamp(max=1.0)


def mask_overlaps(masks: Tensor) -> Tensor:
    """(N, P) bool -> (N, N) IoU, 0 for empty masks; a few pixels at a time, to bound memory."""
    intersection = torch.zeros(len(masks), len(masks), device=masks.device)
    for part in masks.split(PIXELS_AT_ONCE, dim=1):
        part = part.float()
        intersection += part @ part.T
    area = intersection.diagonal()
    return intersection / (area[:, None] + area[None] - intersection).clamp(min=1.0)
