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

from helpers.masks.rle import MAX_PIXELS, MAX_SIDE, normalise
from helpers.masks.run_lengths import extent, read_counts


@dataclass(frozen=True)
class PackedMasks:
    """Compressed masks.

    text: all counts, one after the other; starts: (N + 1,) where each begins and the last ends;
    sound: (N,) bool, whether a mask is in the form `rle.normalise` gives, without which all else
    about it means nothing; areas: (N,) pixels; boxes: (N, 4) tight [x, y, w, h], zeros for an
    empty mask.
    """

    text: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sound: NDArray[np.bool_]
    areas: NDArray[np.float64]
    boxes: NDArray[np.float64]

    @staticmethod
    def of(rles: Sequence[Mapping[str, Any]]) -> PackedMasks:
        """Pack masks of any sizes, all with counts as ASCII text."""
        counts = [rle["counts"].encode("ascii") for rle in rles]
        starts = np.cumsum([0, *map(len, counts)], dtype=np.int64)
        text = np.frombuffer(b"".join(counts), dtype=np.uint8)
        sizes = np.array([rle["size"] for rle in rles], dtype=np.int64).reshape(-1, 2)
        sound, measures = _measures(text, starts, sizes)
        return PackedMasks(text, starts, sound, measures[:, 0], measures[:, 1:])

    def common(
        self, rows: NDArray[np.int64], other: PackedMasks, partners: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """(P,) pixels that mask rows[p] shares with mask partners[p] of `other`, of one size."""
        return _common(self.text, self.starts, rows, other.text, other.starts, partners)


def is_packable(rle: Any) -> bool:
    """Whether it has the outer form of a compressed mask and nothing else in it: sizes, text."""
    if not isinstance(rle, dict) or len(rle) != 2:
        return False
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list) or [type(n) for n in size] != [int, int]:
        return False
    fits = min(size) > 0 and max(size) <= MAX_SIDE and size[0] * size[1] <= MAX_PIXELS
    return fits and isinstance(counts, str) and counts.isascii()


def normalised(rles: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """`rle.normalise` of each; those that are in that form already are kept as they are."""
    packable = [n for n, rle in enumerate(rles) if is_packable(rle)]
    sound = PackedMasks.of([rles[n] for n in packable]).sound
    kept = {packable[n] for n in np.flatnonzero(sound).tolist()}
    return [rle if n in kept else normalise(rle) for n, rle in enumerate(rles)]


@numba.njit(cache=True, nogil=True)
def _measures(text, starts, sizes):
    """(N,): sound or not; (N, 5): area, x, y, width, height."""
    sound, measures = np.zeros(len(sizes), np.bool_), np.zeros((len(sizes), 5), np.float64)
    counts = np.empty(_longest(starts), np.int64)
    for n in range(len(sizes)):
        height, width = sizes[n]
        size = read_counts(text[starts[n] : starts[n + 1]], counts)
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
def _common(text, starts, rows, other_text, other_starts, partners):
    areas = np.empty(len(rows), np.float64)
    counts = np.empty(_longest(starts), np.int64)
    other = np.empty(_longest(other_starts), np.int64)
    size, last = 0, -1
    for p in range(len(rows)):
        a, b = rows[p], partners[p]
        if a != last:
            size, last = read_counts(text[starts[a] : starts[a + 1]], counts), a
        other_size = read_counts(other_text[other_starts[b] : other_starts[b + 1]], other)
        areas[p] = _intersection(counts[:size], other[:other_size])
    return areas


@numba.njit(cache=True, nogil=True)
def _longest(starts):
    """At least as many run lengths as any mask has: a number takes a character or more."""
    return (starts[1:] - starts[:-1]).max() if len(starts) > 1 else 0


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
