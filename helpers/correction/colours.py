"""Labels from a colour id-map whose object borders are blended (anti-aliased).

Decoding such a picture to the nearest object colour gives blends to objects that are not even
there: the mean of a red and a blue may lie nearest to a third object's purple. Here a blended pixel
may only take one of two labels found next to it, whichever has the larger part in its colour.

H x W pixels, K colours of the palette, B blended pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.correction.components import Runs
from helpers.correction.correct import REFERENCE_AREA

PURE = 0.45  # a pixel is pure when its nearest colour is this much nearer than the second
REACH = 3  # px: how far from a blend the two objects are looked for
COVERED = 50  # px of a 1200 x 1200 picture: a colour of the palette covers more
SAME_IOU = 0.5  # an id-map's region and an annotation's mask are the same object from this on


def regions_of(idmap: np.ndarray, masks: Sequence[np.ndarray]) -> tuple[np.ndarray, int] | None:
    """An (H, W, 3) uint8 id-map as (H, W) int32 labels, and the number of its blended pixels.

    The label is n + 1 where masks[n] is, an (H, W) bool; other regions, as walls, are negative, the
    most common of them 0. None when some mask is not found in the id-map, or two in one region.
    """
    palette = exact_palette(idmap, masks)
    rows, blends = decode_colours(idmap, palette)
    lookup = -1 - np.arange(len(palette))
    for n, mask in enumerate(masks, start=1):
        row = int(np.bincount(rows[mask]).argmax())
        region = rows == row
        if lookup[row] > 0 or (region & mask).sum() < SAME_IOU * (region | mask).sum():
            return None
        lookup[row] = n
    area = np.bincount(rows.ravel(), minlength=len(palette))
    other = np.where(lookup < 0, area, -1).argmax()
    if lookup[other] < 0:
        lookup[other] = 0
    return lookup[rows].astype(np.int32), blends


def exact_palette(picture: np.ndarray, masks: Sequence[np.ndarray] = ()) -> np.ndarray:
    """(K, 3) uint8: the colours of objects in an (H, W, 3) uint8 id-map, by packed value.

    These are the most frequent colour of every (H, W) bool mask, and all colours that cover enough
    pixels and fill some 3 x 3 square (blends lie along borders and are one pixel wide).
    """
    runs, colours, inverse = _colours(picture)
    number = runs.paint(inverse)
    enough = np.bincount(inverse, runs.length) > COVERED * number.size / REFERENCE_AREA
    filling = np.zeros(len(colours), bool)
    filling[number[1:-1, 1:-1][_level_squares(number)]] = True
    of_masks = {int(np.bincount(number[mask]).argmax()) for mask in masks}
    found = np.union1d(np.flatnonzero(enough & filling), sorted(of_masks)).astype(np.int64)
    return colours[found]


def decode_colours(picture: np.ndarray, palette: np.ndarray) -> tuple[np.ndarray, int]:
    """(H, W) int32 rows of the (K, 3) palette, and the number of pixels that are blends.

    picture: (H, W, 3) uint8.
    """
    runs, colours, inverse = _colours(picture)
    palette = palette.astype(np.float64)
    distance = np.sqrt(((colours[:, None] - palette) ** 2).sum(-1))
    nearest = distance.argmin(1).astype(np.int32)
    second = np.partition(distance, 1, axis=1)[:, 1] if len(palette) > 1 else np.inf
    pure = distance.min(1) <= PURE * second
    labels = runs.paint(np.where(pure, nearest, -1)[inverse])
    rows, columns = np.nonzero(labels < 0)
    near = _labels_near(labels, rows, columns, len(palette))
    blends = picture[rows, columns].astype(np.float64)
    fallback = runs.paint(nearest[inverse])[rows, columns]
    labels[rows, columns] = _unmixed(blends, near, palette, fallback)
    exact = runs.paint((distance.min(1) == 0)[inverse])
    return labels, int((~exact).sum())


def _colours(picture: np.ndarray) -> tuple[Runs, np.ndarray, np.ndarray]:
    """The runs of equal colour, the distinct colours (n, 3) uint8 in order of their packed values
    R + 256 G + 65536 B, and the number of each run's."""
    runs = Runs.of(picture.astype(np.int64) @ np.array([1, 256, 65536]))
    packed, inverse = np.unique(runs.label, return_inverse=True)
    return runs, np.stack([packed & 255, packed >> 8 & 255, packed >> 16], -1), inverse


def _level_squares(labels: np.ndarray) -> np.ndarray:
    """(H - 2, W - 2) bool: where all of the 3 x 3 pixels around an inner pixel are equal."""
    level = labels[:, 1:] == labels[:, :-1]
    level = level[:, 1:] & level[:, :-1]
    upright = labels[1:, 1:-1] == labels[:-1, 1:-1]
    return level[2:] & level[1:-1] & level[:-2] & upright[1:] & upright[:-1]


def _labels_near(
    labels: np.ndarray, rows: np.ndarray, columns: np.ndarray, count: int
) -> np.ndarray:
    """(B, K) bool: the labels with a pure pixel within REACH of each blend; unlabelled is < 0."""
    padded = np.pad(labels, REACH, constant_values=-1)
    near = np.zeros((len(rows), count + 1), bool)  # the last column takes the unlabelled
    for dy, dx in np.ndindex(2 * REACH + 1, 2 * REACH + 1):
        near[np.arange(len(rows)), padded[rows + dy, columns + dx]] = True
    return near[:, :count]


def _unmixed(
    blends: np.ndarray, near: np.ndarray, palette: np.ndarray, fallback: np.ndarray
) -> np.ndarray:
    """(B,) label of each blend: colour = (1 - w) * one + w * other with the least residual over the
    pairs at hand, then the one with the larger part; the only label at hand, or the fallback."""
    label = np.where(near.sum(1) == 1, near.argmax(1), fallback)
    residual = np.full(len(blends), np.inf)
    together = near.astype(np.int64).T @ near.astype(np.int64)
    for one, other in np.argwhere(np.triu(together, 1)):
        use = np.flatnonzero(near[:, one] & near[:, other])
        step = palette[other] - palette[one]
        offset = blends[use] - palette[one]
        share = np.clip(offset @ step / (step @ step), 0, 1)
        error = ((offset - share[:, None] * step) ** 2).sum(1)
        better = error < residual[use]
        residual[use[better]] = error[better]
        label[use[better]] = np.where(share > 0.5, other, one)[better]
    return label
