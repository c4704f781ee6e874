"""Labels from a colour id-map whose object borders are blended (anti-aliased).

Decoding such a picture to the nearest object colour gives blends to objects that are not even
there: the mean of a red and a blue may lie nearest to a third object's purple. Here a blended pixel
may only take one of two labels found next to it, whichever has the larger part in its colour.

H x W pixels, K colours of the palette, B blended pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.correction.components import Runs, level_squares
from helpers.correction.correct import REFERENCE_AREA

PURE = 0.45  # a pixel is pure when its nearest colour is this much nearer than the second
REACH = 3  # px: how far from a blend the two objects are looked for
COVERED = 50  # px of a 1200 x 1200 picture: a colour of the palette covers more


def exact_palette(picture: np.ndarray, masks: Sequence[np.ndarray] = ()) -> np.ndarray:
    """(K, 3) uint8: the colours of objects in an (H, W, 3) uint8 id-map, by packed value.

    These are the most frequent colour of every (H, W) bool mask, and all colours that cover enough
    pixels and fill some 3 x 3 square (blends lie along borders and are one pixel wide).
    """
    runs = Runs.of(_packed(picture))
    colours, inverse = np.unique(runs.label, return_inverse=True)
    number = runs.paint(inverse)
    enough = np.bincount(inverse, runs.length) > COVERED * number.size / REFERENCE_AREA
    filling = np.zeros(len(colours), bool)
    filling[number[1:-1, 1:-1][level_squares(number)]] = True
    of_masks = {int(np.bincount(number[mask]).argmax()) for mask in masks}
    found = np.union1d(np.flatnonzero(enough & filling), sorted(of_masks)).astype(np.int64)
    return _unpacked(colours[found])


def decode_colours(picture: np.ndarray, palette: np.ndarray) -> tuple[np.ndarray, int]:
    """(H, W) int32 rows of the (K, 3) palette, and the number of pixels that are blends.

    picture: (H, W, 3) uint8. Raises ValueError for other shapes and for an empty palette.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or not len(palette):
        raise ValueError(
            f"an id-map is (H, W, 3) with at least one object colour, not {picture.shape} "
            f"with {len(palette)}"
        )
    runs = Runs.of(_packed(picture))
    colours, inverse = np.unique(runs.label, return_inverse=True)
    palette = palette.astype(np.float64)
    distance = np.sqrt(((_unpacked(colours)[:, None] - palette) ** 2).sum(-1))
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


def _packed(picture: np.ndarray) -> np.ndarray:
    """(H, W) int64: R + 256 G + 65536 B."""
    red, green, blue = (picture[..., channel].astype(np.int64) for channel in range(3))
    return red + 256 * green + 65536 * blue


def _unpacked(packed: np.ndarray) -> np.ndarray:
    return np.stack([packed & 255, packed >> 8 & 255, packed >> 16], -1).astype(np.uint8)


def _labels_near(
    labels: np.ndarray, rows: np.ndarray, columns: np.ndarray, count: int
) -> np.ndarray:
    """(B, K) bool: the labels with a pure pixel within REACH of each blend; unlabelled is < 0."""
    padded = np.pad(labels, REACH, constant_values=-1)
    near = np.zeros((len(rows), count + 1), bool)  # the last column takes the unlabelled
    side = range(2 * REACH + 1)
    for dy in side:
        for dx in side:
            near[np.arange(len(rows)), padded[rows + dy, columns + dx]] = True
    return near[:, :count]


def _unmixed(
    blends: np.ndarray, near: np.ndarray, palette: np.ndarray, fallback: np.ndarray
) -> np.ndarray:
    """(B,) label of each blend: colour = (1 - w) * one + w * other with the least residual over the
    pairs at hand, then the one with the larger part; the only label at hand, or the fallback."""
    candidates = near.sum(1)
    label = np.where(candidates == 1, near.argmax(1), fallback)
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
