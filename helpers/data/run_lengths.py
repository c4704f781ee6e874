"""Run lengths: out of COCO's text or of lists, checked, measured.

A mask of H x W pixels is read column by column (x slowest) as runs of 0, 1, 0, 1, ... pixels.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from helpers.files import UserError

_FOREIGN, _CUT_SHORT, _TOO_LONG = -1, -2, -3  # what can be wrong with compressed counts
_OUTLIER = -1


def unpack(text: str | bytes) -> NDArray[np.int64]:
    """Run lengths from COCO's text form.

    Each number is cut into groups of five bits, lowest first; a character holds one group plus 32
    when more follow, plus 48. The fourth number and all later ones are differences to the number
    two before; 16 in the last group is the sign.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise UserError("compressed RLE counts hold characters that are not ASCII") from None
    values = np.empty(len(raw), np.int64)
    size = read_counts(np.frombuffer(raw, np.uint8), values)
    if size == _FOREIGN:
        raise UserError("compressed RLE counts hold characters outside of '0' to 'o'")
    if size == _CUT_SHORT:
        raise UserError("compressed RLE counts end in the middle of a number")
    if size == _TOO_LONG:
        raise UserError("compressed RLE counts hold a number that is too large")
    return values[:size].copy()


@numba.njit(cache=True, nogil=True)
def read_counts(raw, values):
    """Fill `values` with the run lengths of a text; returns their number, or what is wrong."""
    size, number, shift = 0, 0, 0
    for byte in raw:
        group = np.int64(byte) - 48
        if group < 0 or group > 63:
            return _FOREIGN
        if shift > 30:  # 35 bits: more than any run or difference of runs can need
            return _TOO_LONG
        number |= (group & 31) << shift
        shift += 5
        if group < 32:
            if group & 16:
                number -= 1 << shift
            values[size] = number + (values[size - 2] if size > 2 else 0)
            size, number, shift = size + 1, 0, 0
    return _CUT_SHORT if shift else size


def integers(counts: Any) -> NDArray[np.int64]:
    """Run lengths from a flat list of whole numbers. Raises UserError for anything else."""
    if not isinstance(counts, list | tuple | np.ndarray):
        raise UserError(f"RLE counts must be a list or text, found {type(counts).__name__}")
    try:
        values = np.asarray(counts)
    except (ValueError, OverflowError):
        raise UserError("RLE counts must be a flat list of whole numbers") from None
    if values.ndim == 1 and not values.size:
        return np.zeros(0, dtype=np.int64)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise UserError("RLE counts must be a flat list of whole numbers")
    return values.astype(np.int64)


def check_sum(values: NDArray[np.int64], *, height: int, width: int) -> None:
    """Raises UserError unless the runs are all of 0 or more pixels and fill height times width."""
    total = _total(values, height * width)
    if total == _OUTLIER:
        outlier = int(values.min() if values.min() < 0 else values.max())
        raise UserError(f"RLE run of {outlier} pixels in a mask of {width}x{height}")
    if total != height * width:
        raise UserError(f"RLE runs sum to {values.sum()}, but {width}x{height} is {height * width}")


@numba.njit(cache=True, nogil=True)
def _total(values, most):
    """The sum, which can not wrap once every run is from 0 to `most`; else _OUTLIER."""
    total = 0
    for value in values:
        if value < 0 or value > most:
            return _OUTLIER
        total += value
    return total


@numba.njit(cache=True, nogil=True)
def paint(columns, counts, x, y, height):
    """Set in columns (w, h), all False before, what a mask `height` high has in the box at x, y."""
    width, high = columns.shape
    start = 0
    for i in range(len(counts)):
        stop = start + counts[i]
        if i % 2:
            place, end = max(start, x * height), min(stop, (x + width) * height)
            while place < end:
                column, row = place // height, place % height
                last = min(height, row + end - place)
                columns[column - x, max(row - y, 0) : min(max(last - y, 0), high)] = True
                place += last - row
        start = stop


def without_empty_runs(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join runs around an empty one: pycocotools' merge stops early where two masks have one."""
    if (counts[1:] > 0).all():
        return counts
    ends = np.cumsum(counts)
    value = np.arange(len(counts)) % 2
    filled = counts > 0
    ends, value = ends[filled], value[filled]
    turns = np.append(value[1:] != value[:-1], True)
    ends = ends[turns]
    return np.diff(ends, prepend=0) if value[0] == 0 else np.diff(ends, prepend=[0, 0])


@numba.njit(cache=True, nogil=True)
def extent(counts, height):
    """Area and tight box (x, y, w, h) of run lengths; all 0 for an empty mask."""
    area, left, right, top, bottom = 0, -1, -1, height, -1
    x, y = 0, 0
    for i in range(len(counts)):
        first, start = x, y
        y += counts[i]
        if y >= height:
            x, y = x + 1, y - height
            if y >= height:  # seldom: divisions would take most of the time
                x, y = x + y // height, y % height
        if i % 2 == 0 or counts[i] == 0:
            continue
        area += counts[i]
        last, stop = (x, y - 1) if y > 0 else (x - 1, height - 1)
        left, right = first if left < 0 else left, last
        if first == last:
            top, bottom = min(top, start), max(bottom, stop)
        else:  # over a column's end: touches both borders
            top, bottom = 0, height - 1
    if area == 0:
        return 0, 0, 0, 0, 0
    return area, left, top, right - left + 1, bottom - top + 1
