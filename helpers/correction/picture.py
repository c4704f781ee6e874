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

from helpers.correction.components import Components, Runs

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
    1200 x 1200.
    """

    colours: np.ndarray
    count: int
    side: float

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


@dataclass(frozen=True)
class Likeness:
    """pixels: (P, K) int32, how many of each label lie in the window around each of P pixels;
    alike: (P, K) float32, their mean likeness to the pixel's colour, 1 for equal colours."""

    pixels: np.ndarray
    alike: np.ndarray


def match_surroundings(
    labels: np.ndarray, view: View, *, area: float, component: float, line: float
) -> np.ndarray:
    """The (H, W) map of labels 0..count-1 with what looks like its surroundings given to them.

    area: components below so many pixels are asked about; component, line: mean likeness (0..1)
    from which on they are given.
    """
    labels = _components(labels, view, area, component)
    return _lines(labels, view, line) if view.side >= SMALLEST else labels


def looks_like(
    labels: np.ndarray,
    view: View,
    *,
    at: tuple[np.ndarray, np.ndarray],
    other: np.ndarray,
    margin: np.ndarray,
) -> np.ndarray:
    """(P,) bool: whether the pixels `at` (rows, columns) are more alike to the label `other` (P,)
    around them than to their own, by more than `margin` (P,)."""
    alike = _likeness(labels, view, at, view.reach).alike
    which = np.arange(len(other))
    return alike[which, other] > alike[which, labels[at]] + margin


def stands_out(
    labels: np.ndarray, view: View, parts: Components, asked: np.ndarray, winner: np.ndarray
) -> np.ndarray:
    """(C,) bool: which of the components `asked` (C,) about look like nothing of the label that
    they would go to, `winner` (C,), while that label looks like itself around them."""
    asked = asked & (parts.area >= SPECK)
    near, alike = _resemblance(labels, view, parts, asked, winner, view.reach)
    apart = asked & (near >= FEWEST) & (alike < UNLIKE * near)
    if not apart.any():
        return apart
    number = parts.paint(np.arange(len(parts)))
    of, ring = _ring(number, apart, winner, labels)
    seen = _likeness(labels, view, ring, view.reach)
    at = np.arange(len(of)), winner[of]
    own = np.bincount(of, (seen.alike * seen.pixels)[at], len(parts))
    return apart & (own >= PLAIN * np.bincount(of, seen.pixels[at], len(parts)))


def _ring(
    number: np.ndarray, which: np.ndarray, winner: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The pixels of its winner around each component: its number, and rows and columns."""
    rows, columns = np.nonzero(which[number])
    found = []
    for dy, dx in _window(1):
        y, x = rows + dy, columns + dx
        inside = (y >= 0) & (y < number.shape[0]) & (x >= 0) & (x < number.shape[1])
        of, y, x = number[rows, columns][inside], y[inside], x[inside]
        kept = labels[y, x] == winner[of]
        found.append((of[kept], y[kept], x[kept]))
    of, y, x = (np.concatenate(part) for part in zip(*found, strict=True))
    return of, (y, x)


def _components(labels: np.ndarray, view: View, area: float, least: float) -> np.ndarray:
    """Small components, but no label's largest, whose pixels look like those around them."""
    parts = Components.of(Runs.of(labels))
    small = (parts.area < area) & (parts.area < parts.largest(view.count)[parts.label])
    if not small.any():
        return labels
    votes = parts.border_votes(small, view.count)
    winner = votes.argmax(1)
    near, alike = _resemblance(labels, view, parts, small, winner, view.wide_reach)
    given = small & votes.any(1) & (near >= FEWEST) & (alike >= least * near)
    return parts.paint(np.where(given, winner, parts.label).astype(labels.dtype))


def _resemblance(
    labels: np.ndarray,
    view: View,
    parts: Components,
    which: np.ndarray,
    winner: np.ndarray,
    reach: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(C,) pairs of a pixel of a component `which` and one of its winner around it, and the sum of
    their likeness; pixels of all such components belong to no label."""
    number = parts.paint(np.arange(len(parts)))
    rows, columns = np.nonzero(which[number])
    of = number[rows, columns]
    trusted = np.where(which[number], view.count, labels)
    seen = _likeness(trusted, view, (rows, columns), reach)
    at = np.arange(len(of)), winner[of]
    near = np.bincount(of, seen.pixels[at], len(parts))
    return near, np.bincount(of, (seen.alike * seen.pixels)[at], len(parts))


def _lines(labels: np.ndarray, view: View, least: float) -> np.ndarray:
    """Pixels of thin lines that look like the one label they lie in."""
    for _ in range(LINE_ROUNDS):
        rows, columns = _thin_pixels(labels, view.reach)
        seen = _likeness(labels, view, (rows, columns), view.reach)
        others = seen.pixels.copy()
        at = np.arange(len(rows))
        others[at, labels[rows, columns]] = 0
        winner = others.argmax(1)
        given = others[at, winner] > SURROUNDING * len(_window(view.reach))
        given &= seen.alike[at, winner] >= least
        if not given.any():
            break
        labels = labels.copy()
        labels[rows[given], columns[given]] = winner[given]
    return labels


def _thin_pixels(labels: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of pixels at a border with few of their label in the window around them."""
    padded = np.pad(labels, reach, mode="edge")
    core = padded[reach - 1 : len(padded) - reach + 1, reach - 1 : padded.shape[1] - reach + 1]
    centre = core[1:-1, 1:-1]
    alone = [
        (centre != side).view(np.int8)
        for side in (core[:-2, 1:-1], core[2:, 1:-1], core[1:-1, :-2], core[1:-1, 2:])
    ]
    rows, columns = np.nonzero(sum(alone) >= 1)
    own, equal = labels[rows, columns], np.zeros(len(rows), np.int32)
    for dy, dx in _window(reach):
        equal += padded[rows + reach + dy, columns + reach + dx] == own
    few = equal < THIN * len(_window(reach))
    return rows[few], columns[few]


def _likeness(
    labels: np.ndarray, view: View, at: tuple[np.ndarray, np.ndarray], reach: int
) -> Likeness:
    """Likeness of the pixels `at` (rows, columns) to those of each label around them, the label
    `count` included, which stands for none."""
    padded = np.pad(labels, reach, mode="edge")
    around = np.pad(view.colours, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    (rows, columns), size, count = at, len(at[0]), view.count + 1
    row = np.arange(size) * count
    pixels, total = np.zeros(size * count, np.int32), np.zeros(size * count, np.float32)
    for dy, dx in _window(reach):
        y, x = rows + reach + dy, columns + reach + dx
        place = row + padded[y, x]
        distance = ((around[y, x] - view.colours[rows, columns]) ** 2).sum(1)
        pixels[place] += 1
        total[place] += np.exp(distance * (-0.5 / view.contrast**2))
    pixels, total = (values.reshape(size, count) for values in (pixels, total))
    return Likeness(pixels, total / np.maximum(pixels, 1))


def _window(reach: int) -> list[tuple[int, int]]:
    side = range(-reach, reach + 1)
    return [(dy, dx) for dy in side for dx in side if dy or dx]
