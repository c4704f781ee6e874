"""Annotation noise with known ground truth, of the kinds seen in rendered id-maps.

Two mechanisms. `antialias_colours` and `nearest_labels` imitate how such labels come about: an
anti-aliased colour picture of the objects is decoded pixel by pixel to the nearest object colour,
so that blends fall to a third object. `corrupt` draws statistical defects: displaced and jagged
borders, holes, islands, speckles, streaks and leaks into the neighbour.

H x W pixels of the picture, h x w of the window around one instance. All arithmetic is exact or
correctly rounded (no logarithms, no fused sums), so the same stream gives the same masks anywhere.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.scenes.config import REFERENCE_SIZE
from helpers.scenes.random import Stream

HIT = 0.8  # share of the instances that have any defects
BACKGROUND = (64, 64, 64)  # colour of "no object" in an id-map picture


@dataclass(frozen=True)
class _Window:
    """One instance in its own window, with a margin around it."""

    stream: Stream
    level: float
    scale: float  # pixels per pixel at REFERENCE_SIZE
    truth: np.ndarray  # (h, w) bool
    others: np.ndarray  # (h, w) bool: visible pixels of other instances
    outside: np.ndarray  # (h, w) float64: distance to the instance, 0 on it
    signed: np.ndarray  # (h, w) float64: distance to the border, positive inside

    def point_inside(self) -> tuple[int, int]:
        rows, columns = np.nonzero(self.truth)
        k = self.stream.integers(len(rows))
        return int(rows[k]), int(columns[k])

    def count(self, mean: float) -> int:
        """A number of defects from 1 on, about 1 + mean * level on average."""
        return 1 + int(self.stream.integers(1 + round(2 * mean * self.level)))


def corrupt(
    ids: np.ndarray, stream: Stream, level: float, *, labels: Sequence[int]
) -> dict[int, np.ndarray]:
    """Noisy masks of instances of an exact id-map: {id: (H, W) bool}, which may overlap.

    ids: (H, W) integers, 0 = background; labels: the ids to treat. `level` 0.5 is realistic (mask
    IoU about 0.97), 1 and 2 are stress tests, 0 changes nothing. Each instance is hit with
    probability HIT, and then by each cause with its own rate. A mask that would vanish stays as it
    was.
    """
    masks = {}
    for label in labels:
        masks[label] = ids == label
        if level > 0 and stream.random() < HIT and masks[label].any():
            _corrupt_one(masks[label], ids, stream, level)
    return masks


def _corrupt_one(mask: np.ndarray, ids: np.ndarray, stream: Stream, level: float) -> None:
    """Corrupts the mask in place."""
    scale = ids.shape[0] / REFERENCE_SIZE
    margin = int(40 * scale) + 4
    box = ndimage.find_objects(mask.astype(np.int8))[0]
    window = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
    truth = mask[window].copy()
    inside, outside = (ndimage.distance_transform_edt(m) for m in (truth, ~truth))
    others = (ids[window] > 0) & ~truth
    w = _Window(stream, level, scale, truth, others, outside, inside - outside)
    noisy = truth.copy()
    for rate, defect in CAUSES:
        if stream.random() < rate:
            noisy = defect(w, noisy)
    if noisy.any():
        mask[window] = noisy


# The defects. Each takes the window and a mask it may change, and returns the changed mask.


def _border(w: _Window, mask: np.ndarray) -> np.ndarray:
    """A displaced, jagged contour: smooth drift and pixel jitter, sometimes a coarse staircase."""
    shape, reach = mask.shape, w.level * w.scale
    drift = 2.2 * _smooth_field(w.stream, shape, max(3, int(24 * w.scale)))
    level_set = w.signed + reach * (drift + 1.3 * _bell_field(w.stream, shape))
    step = 1 + int(w.stream.integers(1 + max(1, int(4 * reach))))
    if step > 1 and w.stream.random() < 0.4:
        level_set = level_set[::step, ::step].repeat(step, 0).repeat(step, 1)
        level_set = level_set[: shape[0], : shape[1]]
    band = np.abs(w.signed) < 9 * reach + 2
    mask[band] = (level_set > 0)[band]
    return mask


def _hole(w: _Window, mask: np.ndarray) -> np.ndarray:
    """Blobs missing from the inside, at most 2 % of the instance each."""
    for _ in range(w.count(1.5)):
        area = min(0.02 * w.truth.sum(), _blob_area(w, 160))
        _stamp(mask, _blob(w.stream, area), w.point_inside(), value=False)
    return mask


def _island(w: _Window, mask: np.ndarray) -> np.ndarray:
    """Detached false positives near the object, sometimes on a neighbour."""
    for _ in range(w.count(1.2)):
        centre = tuple(int(w.stream.integers(side)) for side in mask.shape)
        _stamp(mask, _blob(w.stream, _blob_area(w, 120)), centre, value=True)
    return mask


def _speckle(w: _Window, mask: np.ndarray) -> np.ndarray:
    """Single pixels flipped near the border, and missing anywhere inside."""
    density = 0.0015 * w.level
    near = np.abs(w.signed) < 30 * w.scale
    mask ^= (_uniform_field(w.stream, mask.shape) < 2 * density) & near
    mask &= ~((_uniform_field(w.stream, mask.shape) < density) & w.truth)
    return mask


def _streak(w: _Window, mask: np.ndarray) -> np.ndarray:
    """Horizontal or vertical lines, 1-2 px thick, as of fighting depth values."""
    for _ in range(w.count(1)):
        row, column = w.point_inside()
        half = int(w.stream.uniform(15, 90) * w.scale * w.level) + 2
        thick = 1 + int(w.stream.random() < 0.3)
        value, across = w.stream.random() < 0.5, w.stream.random() < 0.5
        line = mask if across else mask.T
        y, x = (row, column) if across else (column, row)
        line[y : y + thick, max(0, x - half) : x + half] = value
    return mask


def _leak(w: _Window, mask: np.ndarray) -> np.ndarray:
    """A strip of the neighbour is taken along a stretch of the common border."""
    border = np.argwhere(w.others & (w.outside < 2.5))
    if len(border) < 8:
        return mask
    row, column = border[int(w.stream.integers(len(border)))]
    radius2 = (w.stream.uniform(15, 70) * w.scale) ** 2 * w.level
    width = w.stream.uniform(2, 7) * w.scale * w.level + 1
    wobble = 1 + 0.3 * _smooth_field(w.stream, mask.shape, max(3, int(9 * w.scale)))
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    stretch = (y - row) ** 2 + (x - column) ** 2 < radius2
    mask[w.others & stretch & (w.outside < width * wobble)] = True
    return mask


Defect = Callable[[_Window, np.ndarray], np.ndarray]
CAUSES: tuple[tuple[float, Defect], ...] = (  # rate, function
    (0.9, _border),
    (0.45, _hole),
    (0.4, _island),
    (0.5, _speckle),
    (0.2, _streak),
    (0.5, _leak),
)


def _blob_area(w: _Window, median: float) -> float:
    """Pixels, between a quarter and four times the median, small ones more often."""
    doublings = int(w.stream.integers(-2, 2))
    return max(2.0, median * w.scale**2 * w.level * 2.0**doublings * w.stream.uniform(1, 2))


def _blob(stream: Stream, area: float) -> np.ndarray:
    """An irregular, turned ellipse of about `area` pixels, as a small bool array."""
    half = max(1, int(1.1 * area**0.5))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    t, squeeze = stream.uniform(-1, 1), stream.uniform(0.5, 1)
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    along, across = (x * cosine + y * sine) * squeeze, (y * cosine - x * sine) / squeeze
    rough = _smooth_field(stream, y.shape, max(2, (2 * half + 1) // 4)).clip(-1.5, 1.5)
    radius = np.sqrt(along * along + across * across) * (1 + 0.45 * rough)
    return radius < (area / 3.141592653589793) ** 0.5


def _stamp(mask: np.ndarray, blob: np.ndarray, centre: tuple[int, int], *, value: bool) -> None:
    """Writes `value` where the blob, centred there, lies on the mask."""
    rows, columns = np.nonzero(blob)
    rows, columns = rows + centre[0] - len(blob) // 2, columns + centre[1] - blob.shape[1] // 2
    inside = (rows >= 0) & (rows < len(mask)) & (columns >= 0) & (columns < mask.shape[1])
    mask[rows[inside], columns[inside]] = value


# Random fields from the raw bits of a counter-based generator.


def _raw_field(stream: Stream, shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.Philox(key=int(stream.integers(2**53)))
    return generator.random_raw(int(np.prod(shape))).reshape(shape)


def _uniform_field(stream: Stream, shape: tuple[int, ...]) -> np.ndarray:
    """float64 in [0, 1)."""
    return (_raw_field(stream, shape) >> np.uint64(11)) * 2.0**-53


def _bell_field(stream: Stream, shape: tuple[int, ...]) -> np.ndarray:
    """float64 of mean 0 and variance 1, nearly normal: each the sum of four 16-bit uniforms."""
    raw, mask = _raw_field(stream, shape), np.uint64(0xFFFF)
    total = sum((raw >> np.uint64(shift)) & mask for shift in (0, 16, 32, 48))
    return (total.astype(np.float64) - 2 * 65535) * (3**0.5 / 65536)


def _smooth_field(stream: Stream, shape: tuple[int, int], wave: int) -> np.ndarray:
    """float64 of mean 0 and variance about 1, with a correlation length of `wave` pixels."""
    field = _bell_field(stream, tuple(side // wave + 2 for side in shape))
    for axis, side in enumerate(shape):
        at = np.arange(side) / wave
        cell = at.astype(np.int64)
        share = np.expand_dims(at - cell, 1 - axis)
        field = field.take(cell, axis) * (1 - share) + field.take(cell + 1, axis) * share
    return field * 1.5  # linear interpolation in both directions shrinks the deviation to 2/3


# Labels as an anti-aliased colour picture gives them.


def object_colours(count: int, stream: Stream) -> np.ndarray:
    """(count + 1, 3) uint8: `BACKGROUND`, then one random bright colour per object, all distinct.

    Hue in [0, 1), lightness in [0.5, 0.8), saturation in [0.6, 1), as the release's renderer draws.
    """
    colours = [BACKGROUND]
    while True:  # one candidate more is drawn than used; what is drawn next depends on it
        hue, light, saturation = stream.random(), stream.uniform(0.5, 0.8), stream.uniform(0.6, 1)
        if len(colours) > count:
            return np.array(colours, np.uint8)
        rgb = colorsys.hls_to_rgb(hue, light, saturation)
        new = tuple(int(255 * channel + 0.5) for channel in rgb)
        if all(sum((a - b) ** 2 for a, b in zip(c, new, strict=True)) > 64 for c in colours):
            colours.append(new)


def antialias_colours(fine: np.ndarray, colours: np.ndarray, factor: int) -> np.ndarray:
    """The anti-aliased colour picture of an id-map.

    fine: (H * factor, W * factor) integer ids; colours: (K + 1, 3) uint8. Returns (H, W, 3) uint8,
    each pixel the mean colour of its factor x factor samples, rounded half up.
    """
    height, width = (side // factor for side in fine.shape)
    total, table = np.zeros((height, width, 3), np.uint32), colours.astype(np.uint32)
    for dy in range(factor):
        for dx in range(factor):
            total += table[fine[dy::factor, dx::factor]]
    samples = factor * factor
    return ((2 * total + samples) // (2 * samples)).astype(np.uint8)


def nearest_labels(picture: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(H, W) int32: the row of the nearest colour for each pixel of an (H, W, 3) uint8 picture.

    Blended pixels between two objects may so get the label of a third. Ties go to the lower row.
    """
    packed = picture.astype(np.int64) @ np.array([65536, 256, 1])
    values, which = np.unique(packed, return_inverse=True)
    seen = np.stack([values >> 16, values >> 8 & 255, values & 255], 1)
    distance = ((seen[:, None] - colours.astype(np.int64)) ** 2).sum(-1)
    return distance.argmin(1).astype(np.int32)[which].reshape(packed.shape)
