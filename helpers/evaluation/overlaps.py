"""How much detections and truths overlap, where they can match at all.

A detection and a truth can match if they are of one image and one class and their boxes meet: that
leaves few pairs, and only of those the masks are compared. P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from helpers.data import rle
from helpers.data.boundary import boundary_band
from helpers.inference.packed import PackedMasks

Rows = NDArray[np.int64]

_LEAST_IOU = 0.5  # the lowest threshold of AP: below it, boundaries change no match


@dataclass(frozen=True)
class Overlaps:
    """IoU of the P pairs that overlap: rows of detections and truths, sorted by both."""

    found: Rows
    true: Rows
    iou: NDArray[np.float64]


@dataclass(frozen=True)
class Keys:
    """Image and class of N detections and of the truths, as one number each; truths sorted by it.

    crowd: bool for each truth: overlaps with such a region are shares of the detection.
    """

    found: NDArray[np.int64]
    true: NDArray[np.int64]
    crowd: NDArray[np.bool_]


def box_overlaps(keys: Keys, found: NDArray[np.float64], true: NDArray[np.float64]) -> Overlaps:
    """IoU of boxes (N, 4) [x, y, w, h]."""
    rows, partners, common = _meeting(keys, found, true)
    areas = found[rows, 2] * found[rows, 3], true[partners, 2] * true[partners, 3]
    return Overlaps(rows, partners, _iou(common, *areas, keys.crowd[partners]))


def mask_overlaps(keys: Keys, found: PackedMasks, true: PackedMasks) -> Overlaps:
    """IoU of masks."""
    rows, partners, _ = _meeting(keys, found.boxes, true.boxes)
    iou = _masks_iou(found, rows, true, partners, keys.crowd[partners])
    return Overlaps(rows, partners, iou)


def boundary_overlaps(
    keys: Keys, found: PackedMasks, true: PackedMasks, masks: Overlaps
) -> Overlaps:
    """The lesser of the IoU of masks, in `masks`, and that of the bands along the outlines.

    Crowd regions have no outline. Bands are made only where the masks overlap by 0.5: less than
    that would match nothing anyway.
    """
    asked = np.flatnonzero((masks.iou >= _LEAST_IOU) & ~keys.crowd[masks.true])
    band, rows = _bands(found, masks.found[asked])
    other, partners = _bands(true, masks.true[asked])
    of_bands = _masks_iou(band, rows, other, partners, np.zeros(len(asked), dtype=bool))
    iou = masks.iou.copy()
    iou[asked] = np.minimum(iou[asked], of_bands)
    return replace(masks, iou=iou)


def _meeting(
    keys: Keys, found: NDArray[np.float64], true: NDArray[np.float64]
) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """Rows of the pairs of equal key whose boxes share an area, and that area."""
    first = np.searchsorted(keys.true, keys.found)
    count = np.searchsorted(keys.true, keys.found, side="right") - first
    rows = np.repeat(np.arange(len(count)), count)
    partners = np.arange(len(rows)) + np.repeat(first - np.cumsum(count) + count, count)
    one, two = found[rows], true[partners]
    corner = np.minimum(one[:, :2] + one[:, 2:], two[:, :2] + two[:, 2:])
    sides = (corner - np.maximum(one[:, :2], two[:, :2])).clip(min=0)
    common = sides[:, 0] * sides[:, 1]
    meet = np.flatnonzero(common > 0)
    return rows[meet], partners[meet], common[meet]


def _masks_iou(
    found: PackedMasks, rows: Rows, true: PackedMasks, partners: Rows, crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    common = found.common(rows, true, partners)
    return _iou(common, found.areas[rows], true.areas[partners], crowd)


def _iou(common, area, other_area, crowd) -> NDArray[np.float64]:
    whole = np.where(crowd, area, area + other_area - common)
    return np.divide(common, whole, out=np.zeros(len(whole)), where=common > 0)


def _bands(masks: PackedMasks, rows: Rows) -> tuple[PackedMasks, Rows]:
    """The bands of some masks, each once, and where among them those of `rows` are."""
    wanted, places = np.unique(rows, return_inverse=True)
    decoded = (rle.decode(masks.rle(row)) for row in wanted.tolist())
    return PackedMasks.of([rle.encode(boundary_band(mask)) for mask in decoded]), places
