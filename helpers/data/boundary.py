"""The band along a mask's outline, and how well two such bands agree (boundary IoU).

Boundary IoU (Cheng et al., "Boundary IoU", CVPR 2021) counts only pixels near the outlines, so that
the inside of a large mask cannot hide a wrong edge.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

DILATION_RATIO = 0.02  # of the picture's diagonal


def band_width(height: int, width: int) -> int:
    """Width of the band in pixels, at least 1; 34 for a picture of 1200 x 1200."""
    return max(1, round(DILATION_RATIO * math.hypot(height, width)))


def boundary_band(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a (H, W) bool mask within the band width of its outside, (H, W) bool.

    Distance is chessboard distance. The outside of the picture counts as outside of the mask.
    """
    window = 2 * band_width(*mask.shape) + 1
    inner = ndimage.minimum_filter(mask.astype(np.uint8), window, mode="constant", cval=0)
    return mask & (inner == 0)


def boundary_iou(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """IoU of the bands of two (H, W) bool masks of one size, each inside its own mask; 0 if both
    are empty."""
    band, other_band = boundary_band(mask), boundary_band(other)
    union = np.count_nonzero(band | other_band)
    return np.count_nonzero(band & other_band) / union if union else 0.0
