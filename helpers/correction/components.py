"""Connected components of a whole label map at once, on horizontal runs instead of pixels.

A map of H x W pixels becomes R runs of equal label, row by row; neighbouring runs are found by
binary search. R is some ten thousand where pixels are a million, so all labels together cost less
than one pass over the pixels per label. Neighbourhood is 8-connected throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

At = tuple[np.ndarray, np.ndarray]  # rows and columns of some pixels


def support(padded: np.ndarray) -> np.ndarray:
    """(H - 2, W - 2) int8: how many of the four direct neighbours of an inner pixel are equal."""
    centre = padded[1:-1, 1:-1]
    sides = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return sum((side == centre).view(np.int8) for side in sides)


def window(reach: int) -> list[tuple[int, int]]:
    """The offsets (dy, dx) of the pixels around one, `reach` far in both directions."""
    side = range(-reach, reach + 1)
    return [(dy, dx) for dy in side for dx in side if dy or dx]


def neighbours(at: At, shape: tuple[int, int], reach: int = 1) -> Iterator[tuple[np.ndarray, At]]:
    """For each offset of the window: which of the pixels `at` have a pixel of the map there, as
    indices, and where those are."""
    for dy, dx in window(reach):
        y, x = at[0] + dy, at[1] + dx
        which = np.flatnonzero((y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1]))
        yield which, (y[which], x[which])


@dataclass(frozen=True)
class Runs:
    """The runs of a label map in raster order; they tile it.

    start, stop: (R,) int64, pixels [start, stop) of the map read row by row; label: (R,) of the
    map's dtype; shape: (H, W).
    """

    start: np.ndarray
    stop: np.ndarray
    label: np.ndarray
    shape: tuple[int, int]

    @staticmethod
    def of(labels: np.ndarray) -> Runs:
        """The runs of an (H, W) integer map."""
        first = np.ones(labels.shape, bool)
        np.not_equal(labels[:, 1:], labels[:, :-1], out=first[:, 1:])
        start = np.flatnonzero(first)
        return Runs(start, np.append(start[1:], labels.size), labels.ravel()[start], labels.shape)

    @property
    def length(self) -> np.ndarray:
        return self.stop - self.start

    def paint(self, values: np.ndarray) -> np.ndarray:
        """(H, W) map with one of the (R,) values per run."""
        return np.repeat(values, self.length).reshape(self.shape)

    def touching(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (above, below) of runs in neighbouring rows with pixels at most a column apart."""
        height, width = self.shape
        above = np.flatnonzero(self.start < (height - 1) * width)
        start, stop = self.start[above], self.stop[above]
        low = start + width - (start % width > 0)
        high = stop + width + (stop % width > 0)
        begin = np.searchsorted(self.stop, low, side="right")
        count = np.searchsorted(self.start, high, side="left") - begin
        pairs = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return np.repeat(above, count), np.repeat(begin, count) + pairs


@dataclass(frozen=True)
class Components:
    """The connected components of equal label.

    number: (H, W) component of every pixel; label, area, height, width: (C,) of every component,
    height and width being those of its bounding box.
    """

    number: np.ndarray
    label: np.ndarray
    area: np.ndarray
    height: np.ndarray
    width: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    @staticmethod
    def of(labels: np.ndarray) -> Components:
        """The components of all labels of an (H, W) integer map."""
        runs = Runs.of(labels)
        above, below = runs.touching()
        same = runs.label[above] == runs.label[below]
        above, below, size = above[same], below[same], len(runs.label)
        edges = coo_array((np.ones(len(above), np.int8), (above, below)), shape=(size, size))
        count, of_run = connected_components(edges, directed=False)
        row, column = np.divmod(runs.start, labels.shape[1])
        label = np.empty(count, labels.dtype)
        label[of_run] = runs.label
        return Components(
            runs.paint(of_run),
            label,
            np.bincount(of_run, runs.length, count).astype(np.int64),
            _spread(of_run, row, row + 1, count),
            _spread(of_run, column, column + runs.length, count),
        )

    def give(self, which: np.ndarray, winner: np.ndarray) -> np.ndarray:
        """(H, W) map of labels, each of the components `which` with its `winner`, both (C,)."""
        return np.where(which, winner, self.label).astype(self.label.dtype)[self.number]

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
        at, votes = np.nonzero(noisy[self.number]), np.zeros((len(self), labels), np.int64)
        of = self.number[at]
        for which, beside in neighbours(at, self.number.shape):
            other = self.number[beside]
            trusted = ~noisy[other]
            np.add.at(votes, (of[which][trusted], self.label[other[trusted]]), 1)
        return votes


def _spread(group: np.ndarray, low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
    """(count,) extent max(high) - min(low) of every group."""
    least, most = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(least, group, low)
    np.maximum.at(most, group, high)
    return most - least
