"""Connected components of a whole label map at once, on horizontal runs instead of pixels.

A map of H x W pixels becomes R runs of equal label, row by row; neighbouring runs are found by
binary search. R is some ten thousand where pixels are a million, so all labels together cost less
than one pass over the pixels per label. Neighbourhood is 8-connected throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def support(padded: np.ndarray) -> np.ndarray:
    """(H - 2, W - 2) int8: how many of the four direct neighbours of an inner pixel are equal."""
    centre = padded[1:-1, 1:-1]
    sides = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return sum((side == centre).view(np.int8) for side in sides)


@dataclass(frozen=True)
class Runs:
    """The runs of a label map in raster order; they tile it.

    row, start, stop: (R,) int64, pixels [start, stop) of a row; label: (R,) of the map's dtype;
    shape: (H, W).
    """

    row: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    label: np.ndarray
    shape: tuple[int, int]

    @staticmethod
    def of(labels: np.ndarray) -> Runs:
        """The runs of an (H, W) integer map."""
        height, width = labels.shape
        first = np.ones((height, width), bool)
        np.not_equal(labels[:, 1:], labels[:, :-1], out=first[:, 1:])
        at = np.flatnonzero(first)
        stop = np.append(at[1:], labels.size)
        row = at // width
        return Runs(row, at - row * width, stop - row * width, labels.ravel()[at], (height, width))

    @cached_property
    def length(self) -> np.ndarray:
        return self.stop - self.start

    def paint(self, values: np.ndarray) -> np.ndarray:
        """(H, W) map with one of the (R,) values per run."""
        return np.repeat(values, self.length).reshape(self.shape)

    def near(self, which: np.ndarray, *, rows: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (i, j): run j lies `rows` rows below run i, at most `reach` columns away.

        which: (Q,) indices of the runs i asked for. Adjacent columns are 1 away, shared ones 0.
        A run may be paired with itself when rows is 0.
        """
        height, width = self.shape
        which = which[(self.row[which] + rows >= 0) & (self.row[which] + rows < height)]
        base = (self.row[which] + rows) * width
        low = base + np.maximum(self.start[which] - reach, 0)
        high = base + np.minimum(self.stop[which] + reach, width)
        at = self.row * width
        begin = np.searchsorted(at + self.stop, low, side="right")
        end = np.searchsorted(at + self.start, high, side="left")
        count = end - begin
        i = np.repeat(which, count)
        offset = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
        return i, np.repeat(begin, count) + offset


@dataclass(frozen=True)
class Components:
    """The connected components of equal label, numbered in raster order of their first pixel.

    of_run: (R,) component of every run; label, area, height, width: (C,) of every component,
    height and width being those of its bounding box.
    """

    runs: Runs
    of_run: np.ndarray
    label: np.ndarray
    area: np.ndarray
    height: np.ndarray
    width: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    @staticmethod
    def of(runs: Runs) -> Components:
        """Components of all labels."""
        size = len(runs.row)
        above, below = runs.near(np.arange(size), rows=1, reach=1)
        same = runs.label[above] == runs.label[below]
        above, below = above[same], below[same]
        edges = coo_array((np.ones(len(above), np.int8), (above, below)), shape=(size, size))
        count, found = connected_components(edges, directed=False)
        first = np.full(count, size)
        np.minimum.at(first, found, np.arange(size))
        order = np.argsort(first)
        of_run = np.argsort(order)[found]
        return Components(
            runs,
            of_run,
            runs.label[first[order]],
            np.bincount(of_run, runs.length, count).astype(np.int64),
            _spread(of_run, runs.row, runs.row + 1, count),
            _spread(of_run, runs.start, runs.stop, count),
        )

    def paint(self, values: np.ndarray) -> np.ndarray:
        """(H, W) map with one of the (C,) values per component."""
        return self.runs.paint(values[self.of_run])

    def give(self, which: np.ndarray, winner: np.ndarray) -> np.ndarray:
        """(H, W) map of labels, each of the components `which` with its `winner`, both (C,)."""
        return self.paint(np.where(which, winner, self.label).astype(self.label.dtype))

    def largest(self, labels: int) -> np.ndarray:
        """(labels,) int64: area of the largest component of every label 0..labels-1."""
        area = np.zeros(labels, np.int64)
        np.maximum.at(area, self.label, self.area)
        return area

    def border_votes(self, noisy: np.ndarray, labels: int) -> np.ndarray:
        """(C, labels) int64: pairs of a pixel of a noisy component and an 8-neighbour of that label
        in a component that is not noisy. Rows of the other components are zero.

        noisy: (C,) bool.
        """
        runs = self.runs
        votes = np.zeros(len(self) * labels, np.int64)
        which = np.flatnonzero(noisy[self.of_run])
        for rows in (-1, 0, 1):
            i, j = runs.near(which, rows=rows, reach=1)
            trusted = ~noisy[self.of_run[j]]
            i, j = i[trusted], j[trusted]
            pairs = _touching_pixels(runs, i, j)
            votes += np.bincount(self.of_run[i] * labels + runs.label[j], pairs, len(votes)).astype(
                np.int64
            )
        return votes.reshape(len(self), labels)


def _spread(group: np.ndarray, low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
    """(count,) extent max(high) - min(low) of every group."""
    least, most = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(least, group, low)
    np.maximum.at(most, group, high)
    return most - least


def _touching_pixels(runs: Runs, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Pairs of a pixel of run i and one of run j at most one column apart."""
    pairs = np.zeros(len(i), np.int64)
    for shift in (-1, 0, 1):
        low = np.maximum(runs.start[i] + shift, runs.start[j])
        high = np.minimum(runs.stop[i] + shift, runs.stop[j])
        pairs += np.maximum(high - low, 0)
    return pairs
