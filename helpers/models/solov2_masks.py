"""From SOLOv2's cells and kernels to detections.

K classes, E channels of a kernel, G cells of all grids, C candidates, D detections, h x w cells of
the mask map at stride 4, M side of a box-relative mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align

from helpers.config import Solov2Config, TestConfig
from helpers.models.matrix_nms import mask_overlaps, matrix_nms
from helpers.structures import Detections

STRIDE = 4  # of the mask map
LEVEL_STRIDES = (8, 8, 16, 32, 32)  # of P2..P6 as cells see them; see `detect`
THRESHOLD = 0.5  # of a mask's probability
KERNELS_AT_ONCE = 64  # bounds memory


def points_nms(scores: Tensor) -> Tensor:
    """(N, K, S, S): scores that are not the largest of themselves and the three cells left of and
    above become 0."""
    largest = F.max_pool2d(scores, kernel_size=2, stride=1, padding=1)[:, :, :-1, :-1]
    return scores * (largest == scores)


def detect(
    scores: Sequence[Tensor],
    kernels: Tensor,
    features: Tensor,
    *,
    image_size: tuple[int, int],
    config: Solov2Config,
    test: TestConfig,
) -> Detections:
    """Detections of one picture.

    scores: (K, S, S) of each level after points-NMS; kernels: (E, G); features: (E, h, w) without
    the padding of the batch. A mask of no more cells than its level's stride is noise and left out.
    Only the best `config.candidates` cells get a mask, a few at a time: memory is one bit-map each,
    however low the threshold.
    """
    cells, labels, classness = _candidates(scores, test.score_threshold, config.candidates)
    kernels = kernels.T[cells].float()
    masks, maskness = _masks_and_maskness(kernels, features)
    large = masks.sum(dim=1) > _least_areas(scores)[cells]
    score = torch.where(large, classness * maskness, 0.0)
    order = score.argsort(descending=True, stable=True)[: min(config.pre_nms, int(large.sum()))]
    score, labels, kernels = score[order], labels[order], kernels[order]
    score = score * matrix_nms(mask_overlaps(masks[order]), labels)
    best = score.argsort(descending=True, stable=True)[: test.max_detections]
    best = best[score[best] >= config.keep_score]
    maps = _soft_masks(kernels[best], features)
    boxes = tight_boxes(maps, image_size)
    relative = box_relative(maps, boxes, side=config.mask_size)
    return Detections(boxes, score[best], labels[best], image_size, relative)


def tight_boxes(maps: Tensor, image_size: tuple[int, int]) -> Tensor:
    """(D, h, w) probabilities at stride 4 -> (D, 4) float32 xyxy around the pixels above 0.5.

    Pixels are those of the bilinear enlargement by 4, cut to the picture. A mask whose only cells
    above 0.5 vanish in the enlargement gets the box of these cells.
    """
    boxes = [_tight_box(plane) for plane in maps]
    height, width = image_size
    limit = maps.new_tensor([width, height, width, height])
    return torch.stack(boxes).minimum(limit) if boxes else maps.new_zeros(0, 4)


def box_relative(maps: Tensor, boxes: Tensor, *, side: int) -> Tensor:
    """(D, h, w) probabilities at stride 4 -> (D, M, M): sampled bilinearly at M x M points of
    each box."""
    rois = torch.cat((torch.arange(len(boxes), device=boxes.device)[:, None], boxes), dim=1)
    return roi_align(maps[:, None], rois, side, 1 / STRIDE, sampling_ratio=1, aligned=True)[:, 0]


def _candidates(
    scores: Sequence[Tensor], threshold: float, limit: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Cell, label and score of the best (cell, class) pairs above the threshold, best first."""
    flat = torch.cat([level.flatten(1) for level in scores], dim=1)  # (K, G)
    labels, cells = (flat > threshold).nonzero(as_tuple=True)
    found = flat[labels, cells]
    best = found.argsort(descending=True, stable=True)[:limit]
    return cells[best], labels[best], found[best]


def _least_areas(scores: Sequence[Tensor]) -> Tensor:
    """(G,) cells of the mask map that a mask of each grid cell has to exceed."""
    counts = torch.tensor([level[0].numel() for level in scores])
    return torch.tensor(LEVEL_STRIDES).repeat_interleave(counts).to(scores[0].device)


def _masks_and_maskness(kernels: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """(C, h * w) bool, and the mean probability inside each mask (C,)."""
    masks, maskness = [], []
    for part in kernels.split(KERNELS_AT_ONCE):
        soft = _soft_masks(part, features).flatten(1)
        masks.append(soft > THRESHOLD)
        inside = masks[-1].sum(dim=1).clamp(min=1)
        maskness.append((soft * masks[-1]).sum(dim=1) / inside)
    return torch.cat(masks), torch.cat(maskness)


def _soft_masks(kernels: Tensor, features: Tensor) -> Tensor:
    """(C, E), (E, h, w) -> (C, h, w): each kernel is a 1 x 1 convolution."""
    return torch.einsum("ce,ehw->chw", kernels, features.float()).float().sigmoid()


def _tight_box(plane: Tensor) -> Tensor:
    cells = _extent(plane > THRESHOLD)
    # enlarged pixels above 0.5 have a cell above 0.5 among their four: one more cell is enough
    first, last = (cells[:2] - 1).clamp(min=0), cells[2:] + 1
    crop = plane[None, None, first[1] : last[1], first[0] : last[0]]
    pixels = F.interpolate(crop, scale_factor=STRIDE, mode="bilinear")[0, 0]
    inside = pixels > THRESHOLD
    if not inside.any():
        return cells.float() * STRIDE
    return (_extent(inside) + first.repeat(2) * STRIDE).float()


def _extent(mask: Tensor) -> Tensor:
    """(4,) int64 x1, y1, x2, y2 around the set cells of a mask, ends exclusive."""
    columns, rows = (mask.any(dim=axis).nonzero().flatten() for axis in (0, 1))
    return torch.stack((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
