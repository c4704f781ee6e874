"""Many compressed masks as one byte array: measured and intersected without decoding any of them.

N masks, P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from helpers.data.rle import MAX_PIXELS, MAX_SIDE, Rle, normalise

_NONE = Rle(size=[0, 0], counts="")
_FOREIGN, _CUT_SHORT, _TOO_LONG = -1, -2, -3  # what can be wrong with compressed counts


@dataclass(frozen=True)
class PackedMasks:
    """Compressed masks.

    text: all counts, one after the other; starts, ends: (N,) where each lies there; sizes: (N, 2)
    [height, width]; sound: (N,) bool, whether a mask is in the form `rle.normalise` gives, without
    which all else about it means nothing; areas: (N,) pixels; boxes: (N, 4) tight [x, y, w, h],
    zeros for an empty mask.
    """

    text: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    sizes: NDArray[np.int64]
    sound: NDArray[np.bool_]
    areas: NDArray[np.float64]
    boxes: NDArray[np.float64]

    @staticmethod
    def of(values: Sequence[Any]) -> PackedMasks:
        """Pack masks of any sizes. Any other value, and any other form of mask, is not sound."""
        rles = [value if _is_plain(value) else _NONE for value in values]
        counts = [rle["counts"] for rle in rles]
        text = np.frombuffer("".join(counts).encode("ascii"), dtype=np.uint8)
        ends = np.cumsum([len(one) for one in counts], dtype=np.int64)
        starts = np.append(0, ends)[:-1]
        sizes = np.array([rle["size"] for rle in rles], dtype=np.int64).reshape(-1, 2)
        sound, measures = _measures(text, starts, ends, sizes)
        return PackedMasks(text, starts, ends, sizes, sound, measures[:, 0], measures[:, 1:])

    @staticmethod
    def read(rles: Sequence[Mapping[str, Any]]) -> PackedMasks:
        """Pack masks in any form, all sound then. UserError as from `rle.normalise`."""
        packed = PackedMasks.of(rles)
        if packed.sound.all():
            return packed
        pairs = zip(rles, packed.sound.tolist(), strict=True)
        return PackedMasks.of([rle if sound else normalise(rle) for rle, sound in pairs])

    def take(self, rows: NDArray[np.int64]) -> PackedMasks:
        """Some of the masks, or all in another order; the text is shared."""
        columns = self.starts, self.ends, self.sizes, self.sound, self.areas, self.boxes
        return PackedMasks(self.text, *(column[rows] for column in columns))

    def counts(self, row: int) -> str:
        """Those of one mask, as they were given."""
        return self.text[self.starts[row] : self.ends[row]].tobytes().decode("ascii")

    def rle(self, row: int) -> Rle:
        """One sound mask, unpacked."""
        return Rle(size=self.sizes[row].tolist(), counts=self.counts(row))

    def common(
        self, rows: NDArray[np.int64], other: PackedMasks, partners: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """(P,) pixels that mask rows[p] shares with mask partners[p] of `other`, of one size."""
        mine, others = ((m.text, m.starts, m.ends) for m in (self, other))
        return _common(*mine, rows, *others, partners)


def _is_plain(value: Any) -> bool:
    """Whether it has the outer form of a compressed mask and nothing else in it: sizes, text."""
    if type(value) is not dict or len(value) != 2:
        return False
    size, counts = value.get("size"), value.get("counts")
    if type(counts) is not str or type(size) is not list or len(size) != 2:
        return False
    height, width = size
    if type(height) is not int or type(width) is not int:
        return False
    fits = 0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE and height * width <= MAX_PIXELS
    return fits and counts.isascii()


@numba.njit(cache=True, nogil=True)
def _measures(text, starts, ends, sizes):
    """(N,): sound or not; (N, 5): area, x, y, width, height."""
    sound, measures = np.zeros(len(sizes), np.bool_), np.zeros((len(sizes), 5), np.float64)
    counts = np.empty(_longest(starts, ends), np.int64)
    for n in range(len(sizes)):
        height, width = sizes[n]
        size = read_counts(text[starts[n] : ends[n]], counts)
        if size > 0 and _fills(counts[:size], height * width):
            sound[n] = True
            measures[n] = extent(counts[:size], height)
    return sound, measures


@numba.njit(cache=True, nogil=True)
def _fills(counts, pixels):
    """Whether the runs, none of them empty but perhaps the first, are so many pixels together."""
    total = 0
    for i in range(len(counts)):
        if counts[i] < min(i, 1) or counts[i] > pixels:
            return False
        total += counts[i]
    return total == pixels


@numba.njit(cache=True, nogil=True)
def _common(text, starts, ends, rows, other_text, other_starts, other_ends, partners):
    areas = np.empty(len(rows), np.float64)
    counts = np.empty(_longest(starts, ends), np.int64)
    other = np.empty(_longest(other_starts, other_ends), np.int64)
    size, last = 0, -1
    for p in range(len(rows)):
        a, b = rows[p], partners[p]
        if a != last:
            size, last = read_counts(text[starts[a] : ends[a]], counts), a
        other_size = read_counts(other_text[other_starts[b] : other_ends[b]], other)
        areas[p] = _intersection(counts[:size], other[:other_size])
    return areas


@numba.njit(cache=True, nogil=True)
def _longest(starts, ends):
    """At least as many run lengths as any mask has: a number takes a character or more."""
    return (ends - starts).max() if len(starts) else 0


@numba.njit(cache=True, nogil=True)
def _intersection(first, second):
    """Pixels in both of two masks, walking from one end of a run to the next."""
    i, j, position, total = 0, 0, 0, 0
    end, other_end = first[0], second[0]
    while True:
        stop = min(end, other_end)
        if i & 1 and j & 1:
            total += stop - position
        position = stop
        if end == stop:
            i += 1
            if i == len(first):
                return total
            end += first[i]
        if other_end == stop:
            j += 1
            if j == len(second):
                return total
            other_end += second[j]


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
