"""What the picture says of wrong labels that the label map alone cannot show.

A small hole in a seat and a gap between slats, a line of wrong pixels and a chair's leg before a
sofa are the same on a label map. In the picture they are not: what is really there has another
colour than what surrounds it. So small components and lines that look just like their surroundings
are given to them, and components and bumps that look like something else stay, whatever their
shape. Where the picture is no help, because the surroundings are of many colours, shape decides.

H x W pixels of the picture, K labels, numbered 0..K-1, P pixels asked about, C components.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from helpers.correction.components import At, Components, neighbours, support, window

WINDOW = 3  # px at 1200 x 1200: how far around a pixel of a line or border is looked
ROOM = 4  # px: and so much farther around one of a component
GRAIN = 2.5  # or so many times the usual step from pixel to pixel, if that is more
THIN = 0.25  # of a line's window has its label, at most (one pixel wide: 6 of 48)
SURROUNDING = 0.6  # of the window has the other label, more than that
COLOUR = 10.0  # levels of 0..255: colours this far apart are 0.61 alike
SMALLEST = 0.6  # of the side of 1200: below, lines of one pixel are legs and not asked about
LINE_ROUNDS = 4  # the ends of a line go first
FEWEST = 3  # pixels of the other label at hand
UNLIKE = 0.15  # a component less alike to its surroundings than this is something else
PLAIN = 0.1  # if they are alike to themselves at least so much
SPECK = 2  # px: a single pixel that looks like nothing around it is noise all the same


@dataclass(frozen=True)
class View:
    """The picture of a label map.

    colours: (H, W, 3) float32 in 0..255; count: labels are 0..count-1; side: pixels per pixel at
    1200 x 1200; largest: components from so many pixels on are not asked about; component, line:
    mean likeness (0..1) from which on they, or lines, are given to what is around them.
    """

    colours: np.ndarray
    count: int
    side: float
    largest: float
    component: float
    line: float

    @cached_property
    def contrast(self) -> float:
        """Levels of 0..255 that make a difference in this picture, in view of its grain."""
        steps = np.abs(np.diff(self.colours[::4], axis=1))
        return max(COLOUR, GRAIN * float(np.median(steps)))

    @property
    def reach(self) -> int:
        """px: how far around a pixel of a line or border is looked."""
        return max(2, round(WINDOW * self.side))

    @property
    def wide_reach(self) -> int:
        """px: how far around a pixel of a component is looked."""
        return self.reach + max(1, round(ROOM * self.side))

    def match_surroundings(self, labels: np.ndarray) -> np.ndarray:
        """The (H, W) map of labels with what looks like its surroundings given to them."""
        labels = self._match_components(labels)
        return self._match_lines(labels) if self.side >= SMALLEST else labels

    def looks_like(
        self, labels: np.ndarray, *, at: At, other: np.ndarray, margin: np.ndarray
    ) -> np.ndarray:
        """(P,) bool: whether the pixels `at` are more alike to the label `other` (P,) around them
        than to their own, by more than `margin` (P,)."""
        _, alike = self._likeness(labels, at, self.reach)
        which = np.arange(len(other))
        return alike[which, other] > alike[which, labels[at]] + margin

    def stands_out(
        self, labels: np.ndarray, parts: Components, asked: np.ndarray, winner: np.ndarray
    ) -> np.ndarray:
        """(C,) bool: which of the components `asked` (C,) about look like nothing of the label that
        they would go to, `winner` (C,), while that label looks like itself around them."""
        asked = asked & (parts.area >= SPECK)
        near, alike = self._resemblance(labels, parts, asked, winner, self.reach)
        apart = asked & (near >= FEWEST) & (alike < UNLIKE * near)
        if not apart.any():
            return apart
        of, ring = _ring(labels, parts, apart, winner)
        near, alike = self._sums(labels, of, ring, winner, self.reach)
        return apart & (alike >= PLAIN * near)

    def _match_components(self, labels: np.ndarray) -> np.ndarray:
        """Small components, but no label's largest, whose pixels look like those around them."""
        parts = Components.of(labels)
        small = (parts.area < self.largest) & (parts.area < parts.largest(self.count)[parts.label])
        if not small.any():
            return labels
        votes = parts.border_votes(small, self.count)
        winner = votes.argmax(1)
        near, alike = self._resemblance(labels, parts, small, winner, self.wide_reach)
        given = small & votes.any(1) & (near >= FEWEST) & (alike >= self.component * near)
        return parts.give(given, winner)

    def _match_lines(self, labels: np.ndarray) -> np.ndarray:
        """Pixels of thin lines that look like the one label they lie in."""
        for _ in range(LINE_ROUNDS):
            rows, columns = _thin_pixels(labels, self.reach)
            others, alike = self._likeness(labels, (rows, columns), self.reach)
            at = np.arange(len(rows))
            others[at, labels[rows, columns]] = 0
            winner = others.argmax(1)
            given = others[at, winner] > SURROUNDING * len(window(self.reach))
            given &= alike[at, winner] >= self.line
            if not given.any():
                break
            labels = labels.copy()
            labels[rows[given], columns[given]] = winner[given]
        return labels

    def _resemblance(
        self,
        labels: np.ndarray,
        parts: Components,
        which: np.ndarray,
        winner: np.ndarray,
        reach: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """`_sums` of the pixels of the components `which`, which count for no label themselves."""
        asked = which[parts.number]
        at, trusted = np.nonzero(asked), np.where(asked, self.count, labels)
        return self._sums(trusted, parts.number[at], at, winner, reach)

    def _sums(
        self, labels: np.ndarray, of: np.ndarray, at: At, winner: np.ndarray, reach: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(C,) pairs of a pixel of a component and one of its winner around it, and the sum of
        their likeness; of: (P,) the component of each pixel."""
        pixels, alike = self._likeness(labels, at, reach)
        mine = np.arange(len(of)), winner[of]
        near = np.bincount(of, pixels[mine], len(winner))
        return near, np.bincount(of, (alike * pixels)[mine], len(winner))

    def _likeness(self, labels: np.ndarray, at: At, reach: int) -> tuple[np.ndarray, np.ndarray]:
        """(P, K + 1) int32, how many pixels of each label lie in the window around each of the
        pixels `at`, and float32, their mean likeness to its colour, 1 for equal ones. The label K
        stands for none."""
        padded = np.pad(labels, reach, mode="edge")
        around = np.pad(self.colours, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
        (rows, columns), size, count = at, len(at[0]), self.count + 1
        row = np.arange(size) * count
        pixels, total = np.zeros(size * count, np.int32), np.zeros(size * count, np.float32)
        for dy, dx in window(reach):
            y, x = rows + reach + dy, columns + reach + dx
            place = row + padded[y, x]
            distance = ((around[y, x] - self.colours[rows, columns]) ** 2).sum(1)
            pixels[place] += 1
            total[place] += np.exp(distance * (-0.5 / self.contrast**2))
        pixels, total = (values.reshape(size, count) for values in (pixels, total))
        return pixels, total / np.maximum(pixels, 1)


def _ring(
    labels: np.ndarray, parts: Components, which: np.ndarray, winner: np.ndarray
) -> tuple[np.ndarray, At]:
    """The pixels of its winner around each of the components: its number, and where they are."""
    at = np.nonzero(which[parts.number])
    number, found = parts.number[at], []
    for beside, (y, x) in neighbours(at, labels.shape):
        of = number[beside]
        kept = labels[y, x] == winner[of]
        found.append((of[kept], y[kept], x[kept]))
    of, y, x = (np.concatenate(part) for part in zip(*found, strict=True))
    return of, (y, x)


def _thin_pixels(labels: np.ndarray, reach: int) -> At:
    """The pixels at a border with few of their label in the window around them."""
    padded = np.pad(labels, reach, mode="edge")
    rows, columns = np.nonzero(support(np.pad(labels, 1, mode="edge")) < 4)
    own, equal = labels[rows, columns], np.zeros(len(rows), np.int32)
    for dy, dx in window(reach):
        equal += padded[rows + reach + dy, columns + reach + dx] == own
    few = equal < THIN * len(window(reach))
    return rows[few], columns[few]
