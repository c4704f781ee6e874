"""The band along a mask's outline, and how well two such bands agree (boundary IoU).

Boundary IoU (Cheng et al., "Boundary IoU", CVPR 2021) counts only pixels near the outlines, so that
the inside of a large mask can not hide a wrong edge. Written to be read; the evaluator uses its
library's faster way and is tested against this one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

DILATION_RATIO = 0.02  # of the picture's diagonal


def band_width(height: int, width: int, *, dilation_ratio: float = DILATION_RATIO) -> int:
    """Width of the band in pixels, at least 1; 34 for a picture of 1200 x 1200."""
    return max(1, round(dilation_ratio * math.hypot(height, width)))


def boundary_band(
    mask: NDArray[np.bool_], *, dilation_ratio: float = DILATION_RATIO
) -> NDArray[np.bool_]:
    """Pixels of a (H, W) bool mask within the band width of its outside, (H, W) bool.

    Distance is chessboard distance. The outside of the picture counts as outside of the mask.
    """
    height, width = mask.shape
    steps = band_width(height, width, dilation_ratio=dilation_ratio)
    inner = ndimage.binary_erosion(mask, np.ones((3, 3), bool), iterations=steps, border_value=0)
    return mask & ~inner


def boundary_iou(
    mask: NDArray[np.bool_],
    other: NDArray[np.bool_],
    *,
    dilation_ratio: float = DILATION_RATIO,
) -> float:
    """IoU of the bands of two (H, W) bool masks, each inside its own mask; 0 if both are empty.

    Raises ValueError for masks of different sizes.
    """
    if mask.shape != other.shape:
        raise ValueError(f"masks of different sizes: {mask.shape} and {other.shape}")
    band = boundary_band(mask, dilation_ratio=dilation_ratio)
    other_band = boundary_band(other, dilation_ratio=dilation_ratio)
    union = np.count_nonzero(band | other_band)
    return np.count_nonzero(band & other_band) / union if union else 0.0
