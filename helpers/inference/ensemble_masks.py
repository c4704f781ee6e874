"""Soft masks on a grid over the picture: a patch where they are, nothing where they are not.

A grid has one cell for each `step` x `step` pixels of the picture; a cell is asked at its centre.
M side of a box-relative mask, h x w cells of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # xyxy, pixels
CHUNK = 8  # columns or rows that are drawn at once when an end is looked for


@dataclass(frozen=True)
class Patch:
    """values: (h, w) float32; its first cell is column `left`, row `top` of the grid."""

    left: int
    top: int
    values: NDArray[np.float32]

    @property
    def ends(self) -> tuple[int, int]:
        """The first column and row behind the patch."""
        return self.left + self.values.shape[1], self.top + self.values.shape[0]


def render(mask: NDArray[np.float32], box: Box, size: tuple[int, int], step: int) -> Patch:
    """(M, M) probabilities over `box` -> what each cell inside the box gets.

    size: (height, width) of the picture in pixels. Between its outermost points and the edge of
    the box a mask keeps its value; a box without a cell centre gives an empty patch.
    """
    (left, x), (top, y) = (
        _cells(box[axis], box[axis + 2], -(-size[1 - axis] // step), step) for axis in (0, 1)
    )
    return Patch(left, top, sample(mask, box, x, y))


def sample(mask: NDArray[np.float32], box: Box, x: NDArray, y: NDArray) -> NDArray[np.float32]:
    """(M, M) over `box` -> (len(y), len(x)) float32 at those pixel coordinates.

    Bilinear between the centres of the M x M cells; 0 outside of the box.
    """
    return _sample(mask, *_places(x, box[0], box[2], mask), *_places(y, box[1], box[3], mask))


def added(total: Patch, other: Patch, weight: float) -> Patch:
    """`total` plus `weight` times `other`, on the smallest patch around both."""
    left, top = min(total.left, other.left), min(total.top, other.top)
    right, bottom = np.maximum(total.ends, other.ends)
    values = np.zeros((bottom - top, right - left), np.float32)
    for patch, factor in ((total, 1.0), (other, weight)):
        y, x = patch.top - top, patch.left - left
        height, width = patch.values.shape
        values[y : y + height, x : x + width] += np.float32(factor) * patch.values
    return Patch(left, top, values)


@dataclass(frozen=True)
class Cells:
    """The cells where a patch reaches a threshold, one bit each: cheap to hold and to compare.

    words: (h, W) uint64, from row `top` and column 0 of the grid on; count: how many cells.
    """

    top: int
    words: NDArray[np.uint64]
    count: int


def reached(patch: Patch, threshold: float) -> Cells:
    """The cells of the patch with a value of at least `threshold`."""
    height, width = patch.values.shape
    hits = np.zeros((height, -(-(patch.left + width) // 64) * 64), np.bool_)
    own = hits[:, patch.left : patch.left + width]
    np.greater_equal(patch.values, np.float32(threshold), out=own)
    words = np.packbits(hits, axis=1, bitorder="little").view(np.uint64)
    return Cells(patch.top, words, int(np.count_nonzero(own)))


def shared_cells(one: Cells, other: Cells) -> int:
    """The number of cells in both."""
    top = max(one.top, other.top)
    first, second = one.words[top - one.top :], other.words[top - other.top :]
    return _count_both(first, second)


def tight_box(
    parts: Sequence[tuple[NDArray[np.float32], Box, float]], size: tuple[int, int], threshold: float
) -> Box | None:
    """Around the pixels where the sum of weighted masks reaches the threshold; None without any.

    parts: (M, M) mask over `box` with its weight; size: (height, width) of the picture. Columns and
    rows are asked from the outside in, and only where the masks' largest values leave a chance:
    that is exact, and a fraction of drawing the sum.
    """
    ranges = [_pixels(parts, axis, size[1 - axis]) for axis in (0, 1)]
    columns = _ends(parts, ranges, 0, threshold)
    rows = _ends(parts, ranges, 1, threshold)
    if columns is None or rows is None:
        return None
    return float(columns[0]), float(rows[0]), float(columns[1] + 1), float(rows[1] + 1)


def grid_of(box: Box, side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y of the cell centres of a `side` x `side` mask over the box."""
    place = (np.arange(side) + 0.5) / side
    return box[0] + place * (box[2] - box[0]), box[1] + place * (box[3] - box[1])


def _pixels(parts: Sequence[tuple], axis: int, count: int) -> NDArray[np.float64]:
    """The centres of all columns (axis 0) or rows (1) that any box reaches into."""
    inside = [_cells(box[axis], box[axis + 2], count, 1)[1] for _, box, _ in parts]
    return np.unique(np.concatenate(inside))


def _ends(
    parts: Sequence[tuple], ranges: Sequence[NDArray[np.float64]], axis: int, threshold: float
) -> tuple[int, int] | None:
    """The first and the last column (axis 0) or row (1) with a pixel that reaches the threshold."""
    bound = np.zeros(len(ranges[axis]))
    for mask, box, weight in parts:
        cells, _ = _places(ranges[axis], box[axis], box[axis + 2], mask)
        largest = np.append(mask.max(axis=axis), 0.0)  # cell -1, outside, has none
        following = np.where(cells < 0, -1, np.minimum(cells + 1, len(mask) - 1))
        bound += weight * np.maximum(largest[cells], largest[following])
    places = ranges[axis][bound * (1 + 1e-5) >= threshold]
    first = _first(parts, places, ranges, axis, threshold)
    if first is None:
        return None
    return first, _first(parts, places[::-1], ranges, axis, threshold)


def _first(
    parts: Sequence[tuple],
    places: NDArray[np.float64],
    ranges: Sequence[NDArray[np.float64]],
    axis: int,
    threshold: float,
) -> int | None:
    """The first of the columns or rows `places` with a pixel that reaches the threshold."""
    for start in range(0, len(places), CHUNK):
        asked = places[start : start + CHUNK]
        x, y = (asked, ranges[1]) if axis == 0 else (ranges[0], asked)
        total = np.zeros((len(y), len(x)), np.float32)
        for mask, box, weight in parts:
            total += np.float32(weight) * sample(mask, box, x, y)
        hits = np.flatnonzero((total >= np.float32(threshold)).any(axis=axis))
        if len(hits):
            return int(asked[hits[0]])
    return None


def _cells(low: float, high: float, count: int, step: int) -> tuple[int, NDArray[np.float64]]:
    """The first cell whose centre is inside, and the centres of all of them in pixels."""
    first = max(0, int(np.ceil(low / step - 0.5)))
    last = min(count - 1, int(np.floor(high / step - 0.5)))
    return first, (np.arange(first, last + 1) + 0.5) * step


def _places(
    points: NDArray[np.float64], low: float, high: float, mask: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of each point the cell of the mask before it and the way to the next; -1 outside the box."""
    side = len(mask)
    if high <= low:
        return np.full(len(points), -1), np.zeros(len(points), np.float32)
    exact = ((points - low) / (high - low) * side - 0.5).clip(0, side - 1)
    cells = np.minimum(exact.astype(np.int64), max(side - 2, 0))
    inside = (points >= low) & (points <= high)
    return np.where(inside, cells, -1), (exact - cells).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _sample(mask, column, across, row, down):
    last = len(mask) - 1
    out = np.zeros((len(row), len(column)), np.float32)
    for j in range(len(row)):
        if row[j] < 0:
            continue
        upper, lower = mask[row[j]], mask[min(row[j] + 1, last)]
        south = down[j]
        north = np.float32(1) - south
        for i in range(len(column)):
            if column[i] < 0:
                continue
            left, right = column[i], min(column[i] + 1, last)
            west = upper[left] * north + lower[left] * south
            east = upper[right] * north + lower[right] * south
            out[j, i] = west + (east - west) * across[i]
    return out


@numba.njit(cache=True, nogil=True)
def _count_both(first, second):
    """Set bits of `first & second`, summed within each word by halves."""
    total = 0
    for j in range(min(len(first), len(second))):
        for i in range(min(first.shape[1], second.shape[1])):
            word = first[j, i] & second[j, i]
            word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
            pairs = np.uint64(0x3333333333333333)
            word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
            word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
            total += np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return total
