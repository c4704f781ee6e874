"""The band along a mask's outline, and how well two such bands agree (boundary IoU).

Boundary IoU (Cheng et al., "Boundary IoU", CVPR 2021) counts only pixels near the outlines, so that
the inside of a large mask can not hide a wrong edge. `boundary_band` is the definition;
`boundary_rle` is the same on run lengths, fast enough for an evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from helpers.data import rle as rles
from helpers.data.rle import Rle

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

    Raises UserError for a mask that can not be read.
    """
    height, width = rle["size"]
    steps = band_width(height, width, dilation_ratio=dilation_ratio)
    box = rles.bbox(rle)
    if min(box[2:]) <= 2 * steps:  # no pixel is so far inside
        return rles.normalise(rle)
    crop = rles.decode_box(rle, box).T  # column by column, as runs go
    _hollow(crop, steps)
    turns = np.empty(crop.size + len(crop), np.int64)
    count = _turns(crop, box[0] * height + box[1], height, turns)
    runs = np.diff(turns[:count], prepend=0, append=height * width)
    return rles.from_runs(runs, (height, width))


@numba.njit(cache=True, nogil=True)
def _hollow(columns, steps):
    """Clear each pixel whose neighbours up to `steps` away, in both directions, are all set.

    A column's pixels that have them above and below are counted along the row: as many in a row
    as a window is wide, and the one in the middle has them on both sides too.
    """
    width, height = columns.shape
    window = 2 * steps + 1
    along = np.zeros(height, np.int64)
    for x in range(width):
        down = 0
        for y in range(height):
            down = down + 1 if columns[x, y] else 0
            if y >= 2 * steps:
                row = y - steps
                along[row] = along[row] + 1 if down >= window else 0
        if x >= 2 * steps:
            for row in range(steps, height - steps):
                if along[row] >= window:
                    columns[x - steps, row] = False


@numba.njit(cache=True, nogil=True)
def _turns(columns, start, height, turns):
    """Fill `turns` with where runs begin in a picture whose columns are `height` high, when the
    first pixel lies at `start` and all outside is 0; returns how many. Some runs may be empty."""
    count = 0
    for x in range(len(columns)):
        before = False
        for y in range(columns.shape[1]):
            if columns[x, y] != before:
                before = not before
                turns[count] = start + y
                count += 1
        if before:
            turns[count] = start + columns.shape[1]
            count += 1
        start += height
    return count
