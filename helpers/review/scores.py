"""What a review is sorted by: how noisy a mask looks, how far sources disagree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from helpers.correction.components import support
from helpers.data import rle as rles
from helpers.review.sources import Item, Mask

SMALL_PIECE = 16  # px; smaller islands and holes count as noise


def defect_score(mask: Mask) -> float:
    """How noisy a mask looks by itself: noisy pixels per pixel of its outline, 0 for a clean one.

    Noisy are single bumps and notches (pixels with at most one direct neighbour of their own kind)
    and all pixels of islands and holes of fewer than 16. The outline is the mask's pixels with a
    direct neighbour outside.
    """
    if not mask.area:
        return 0.0
    plane = np.pad(rles.decode_box(mask.rle, mask.box), 2)
    inner = plane[1:-1, 1:-1]
    alike = support(plane)
    noisy = alike <= 1
    for part in (inner, ~inner):
        pieces, count = ndimage.label(part, np.ones((3, 3)) if part is inner else None)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        noisy |= part & (sizes < SMALL_PIECE)[pieces]
    return float(np.count_nonzero(noisy) / np.count_nonzero(inner & (alike < 4)))


# Highest first; equal ones stay in the order of the pictures.
ORDERS: dict[str, Callable[[Item], float]] = {
    "disagreement": lambda item: 1 - item.iou,
    "changed pixels": lambda item: item.added + item.removed,
    "defect score": lambda item: defect_score(item.shown),
    "size": lambda item: item.shown.area,
    "low score": lambda item: 1.0 if item.score is None else 1 - item.score,
    "picture": lambda item: 0.0,
}
