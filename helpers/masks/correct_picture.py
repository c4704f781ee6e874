"""What the picture says of wrong labels that the label map alone cannot show.

A small hole in a seat and a gap between slats, a line of wrong pixels and a chair's leg before a
sofa are the same on a label map. In the picture they are not: what is really there has another
colour than what surrounds it. So small components and lines that look just like their surroundings
are given to them; where there is any contrast, nothing is done.

H x W pixels of the picture, K labels, numbered 0..K-1, P pixels asked about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.masks.components import Components, Runs

WINDOW = 3  # px at 1200 x 1200: how far around a pixel of a line is looked
ROOM = 4  # px: and so much farther around one of a component
THIN = 0.25  # of a line's window has its label, at most (one pixel wide: 6 of 48)
SURROUNDING = 0.6  # of the window has the other label, more than that
COLOUR = 10.0  # levels of 0..255: colours this far apart are 0.61 alike
SMALLEST = 0.6  # of the side of 1200: below, lines of one pixel are legs and not asked about
LINE_ROUNDS = 4  # the ends of a line go first
FEWEST = 3  # pixels of the other label at hand


@dataclass(frozen=True)
class Likeness:
    """pixels: (P, K) int32, how many of each label lie in the window around each of P pixels;
    alike: (P, K) float32, their mean likeness to the pixel's colour, 1 for equal colours."""

    pixels: np.ndarray
    alike: np.ndarray


def match_surroundings(
    labels: np.ndarray,
    picture: np.ndarray,
    *,
    count: int,
    area: float,
    side: float,
    component: float,
    line: float,
) -> np.ndarray:
    """The (H, W) map of labels 0..count-1 with what looks like its surroundings given to them.

    picture: (H, W, 3) uint8; area: components below so many pixels are asked about; side: pixels
    per pixel at 1200 x 1200; component, line: mean likeness (0..1) from which on they are given.
    """
    reach = max(2, round(WINDOW * side))
    colours = picture.astype(np.float32)
    labels = _components(
        labels, colours, count, area, reach + max(1, round(ROOM * side)), component
    )
    return _lines(labels, colours, count, reach, line) if side >= SMALLEST else labels


def _components(
    labels: np.ndarray, colours: np.ndarray, count: int, area: float, reach: int, least: float
) -> np.ndarray:
    """Small components, but no label's largest, whose pixels look like those around them."""
    parts = Components.of(Runs.of(labels))
    small = (parts.area < area) & (parts.area < parts.largest(count)[parts.label])
    if not small.any():
        return labels
    votes = parts.border_votes(small, count)
    winner = votes.argmax(1)
    number = parts.paint(np.arange(len(parts)))
    rows, columns = np.nonzero(small[number])
    of = number[rows, columns]
    trusted = np.where(small[number], count, labels)  # the last label is that of all small ones
    seen = _likeness(trusted, colours, (rows, columns), count + 1, reach)
    at = np.arange(len(of)), winner[of]
    near = np.bincount(of, seen.pixels[at], len(parts))
    alike = np.bincount(of, (seen.alike * seen.pixels)[at], len(parts))
    given = small & votes.any(1) & (near >= FEWEST) & (alike >= least * near)
    return parts.paint(np.where(given, winner, parts.label).astype(labels.dtype))


def _lines(
    labels: np.ndarray, colours: np.ndarray, count: int, reach: int, least: float
) -> np.ndarray:
    """Pixels of thin lines that look like the one label they lie in."""
    for _ in range(LINE_ROUNDS):
        rows, columns = _thin_pixels(labels, reach)
        seen = _likeness(labels, colours, (rows, columns), count, reach)
        others = seen.pixels.copy()
        at = np.arange(len(rows))
        others[at, labels[rows, columns]] = 0
        winner = others.argmax(1)
        given = others[at, winner] > SURROUNDING * len(_window(reach))
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
    labels: np.ndarray,
    colours: np.ndarray,
    at: tuple[np.ndarray, np.ndarray],
    count: int,
    reach: int,
) -> Likeness:
    """Likeness of the pixels `at` (rows, columns) to those of each label around them."""
    padded = np.pad(labels, reach, mode="edge")
    around = np.pad(colours, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    (rows, columns), size = at, len(at[0])
    row = np.arange(size) * count
    pixels, total = np.zeros(size * count, np.int32), np.zeros(size * count, np.float32)
    for dy, dx in _window(reach):
        y, x = rows + reach + dy, columns + reach + dx
        place = row + padded[y, x]
        distance = ((around[y, x] - colours[rows, columns]) ** 2).sum(1)
        pixels[place] += 1
        total[place] += np.exp(distance * (-0.5 / COLOUR**2))
    pixels, total = (values.reshape(size, count) for values in (pixels, total))
    return Likeness(pixels, total / np.maximum(pixels, 1))


def _window(reach: int) -> list[tuple[int, int]]:
    side = range(-reach, reach + 1)
    return [(dy, dx) for dy in side for dx in side if dy or dx]
