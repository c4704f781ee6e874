"""Cut the features of each box out of the pyramid level that suits its size.

R boxes of all images, C channels, S side of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torchvision
from torch import Tensor

from helpers.models.boxes import area
from helpers.models.points import readable
from helpers.models.roi_align import roi_align

FINEST, COARSEST = 2, 5  # P2..P5: P6 serves the proposals only
CANONICAL_LEVEL = 4


def level_of(boxes: Tensor, canonical: float = 224.0) -> Tensor:
    """(R, 4) -> (R,) int64 level 2..5: a box of side `canonical` px lies on P4, half on P3.

    A box with a NaN lies on P2, not on a level that there is not.
    """
    scale = area(boxes).sqrt() / canonical
    level = torch.floor(CANONICAL_LEVEL + torch.log2(scale + 1e-8))
    return level.nan_to_num(FINEST).clamp(FINEST, COARSEST).long()


def with_image_index(boxes: Sequence[Tensor]) -> Tensor:
    """One (R_i, 4) per image -> (R, 5): number of the image, then the box."""
    numbers = [box.new_full((len(box), 1), number) for number, box in enumerate(boxes)]
    return torch.cat((torch.cat(numbers), torch.cat(list(boxes))), dim=1)


def pool_rois(
    features: Sequence[Tensor], boxes: Sequence[Tensor], size: int, *, canonical: float = 224.0
) -> Tensor:
    """RoIAlign with exact alignment and adaptive sampling (specification section 3).

    features: P2..P5 (more are not looked at); boxes: (R_i, 4) per image in pixels.
    Returns (R, C, size, size) in the order of the boxes; float32, or bfloat16 as `readable` does.
    """
    rois = with_image_index(boxes)
    levels = level_of(rois[:, 1:], canonical)
    pooled, order = [], []
    for level in range(FINEST, COARSEST + 1):
        index = (levels == level).nonzero().squeeze(1)
        pooled.append(_align(features[level - FINEST], rois[index], size, scale=1 / 2**level))
        order.append(index)
    return torch.cat(pooled)[torch.cat(order).argsort()]


def pool_masks(masks: Tensor, index: Tensor, boxes: Tensor, size: int) -> Tensor:
    """What a mask head should say: masks (N, H, W) bool, (R,) which of them, (R, 4) boxes.

    Returns (R, size, size) bool: the mean of the mask over a cell is at least one half.
    """
    rois = torch.cat((index[:, None].to(boxes.dtype), boxes), dim=1)
    # Cells of exactly one half are common where boxes have whole pixels. Another order of the sums
    # would round some of them to the other side, so no other path is used here.
    return _by_torchvision(masks[:, None].float(), rois, size, scale=1.0).squeeze(1) >= 0.5


def _align(feature: Tensor, rois: Tensor, size: int, *, scale: float) -> Tensor:
    align = roi_align if feature.device.type == "cpu" else _by_torchvision
    return align(readable(feature), rois, size, scale=scale)


def _by_torchvision(feature: Tensor, rois: Tensor, size: int, *, scale: float) -> Tensor:
    return torchvision.ops.roi_align(feature, rois, size, scale, sampling_ratio=0, aligned=True)
