"""The band along a mask's outline, and how well two such bands agree (boundary IoU).

Boundary IoU (Cheng et al., "Boundary IoU", CVPR 2021) counts only pixels near the outlines, so that
the inside of a large mask can not hide a wrong edge. `boundary_band` is the definition;
`boundary_rle` is the same on run lengths, fast enough for an evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from helpers.masks import rle as rles
from helpers.masks.rle import Rle

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


def boundary_rle(rle: Mapping[str, Any], *, dilation_ratio: float = DILATION_RATIO) -> Rle:
    """The band of an encoded mask, encoded. Works on the box of the mask alone.

    Raises RleError for a mask that can not be read.
    """
    height, width = rle["size"]
    steps = band_width(height, width, dilation_ratio=dilation_ratio)
    box = rles.bbox(rle)
    if box[2] <= 2 * steps or box[3] <= 2 * steps:  # no pixel is so far inside
        return rles.normalise(rle)
    mask = rles.decode_box(rle, box)
    inner = mask.view(np.uint8)
    for axis in (0, 1):
        inner = ndimage.minimum_filter1d(inner, 2 * steps + 1, axis=axis, mode="constant")
    return _encode_crop(mask & (inner == 0), box, (height, width))


def _encode_crop(
    crop: NDArray[np.bool_], box: tuple[int, int, int, int], size: tuple[int, int]
) -> Rle:
    (x, y, w, h), (height, width) = box, size
    columns = np.zeros((w, height), bool)
    columns[:, y : y + h] = crop.T
    turns = np.flatnonzero(np.diff(columns.ravel(), prepend=False, append=False))
    counts = np.diff(turns + x * height, prepend=0, append=height * width)
    return rles.from_runs(counts, size)
