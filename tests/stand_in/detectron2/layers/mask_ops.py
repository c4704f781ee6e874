"""Soft masks of boxes as planes of the picture's size."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.inference.paste import paste_masks
from helpers.structures import Detections


def paste_masks_in_image(
    masks: Tensor, boxes: Tensor, image_shape: tuple[int, int], threshold: float = 0.5
) -> Tensor:
    count = len(masks)
    assert masks.shape[-1] == masks.shape[-2] and boxes.shape == (count, 4)
    labels = torch.zeros(count, dtype=torch.int64)
    found = Detections(boxes, torch.ones(count), labels, image_shape, masks)
    return paste_masks(found, threshold=threshold)
