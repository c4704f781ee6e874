"""One annotation's `segmentation`, in any form found in the wild, as one compressed RLE.

Accepted: a list of polygons, compressed RLE (text or bytes), uncompressed RLE (a list of runs).
All give the same raster for the same mask. What can not be read is named by kind, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.data import rle as rles
from helpers.data.rle import Rle
from helpers.files import UserError


@dataclass(frozen=True)
class Reading:
    """The mask, or None, and remarks (kind of defect, detail); area and box (x, y, w, h) of it."""

    rle: Rle | None
    remarks: tuple[tuple[str, str], ...] = ()
    area: int = 0
    box: tuple[int, int, int, int] = (0, 0, 0, 0)


def read_segmentation(segmentation: Any, size: tuple[int, int]) -> Reading:
    """Read one mask of a picture of `size` (height, width); never raises for bad input."""
    if not segmentation or segmentation == [[]]:
        return Reading(None, (("mask-missing", "field segmentation is empty or missing"),))
    if isinstance(segmentation, dict):
        return _read_rle(segmentation, size)
    if isinstance(segmentation, list | tuple):
        return _read_polygons(segmentation, size)
    found = type(segmentation).__name__
    return _refused("polygon", f"{found}, neither RLE nor a list of polygons")


def _read_rle(segmentation: dict[str, Any], size: tuple[int, int]) -> Reading:
    declared = segmentation.get("size")
    if declared is not None and list(_numbers(declared)) != list(size):
        swapped = " (swapped)" if list(_numbers(declared)) == [size[1], size[0]] else ""
        return _refused("rle-size", f"{_short(declared)}{swapped}, picture {list(size)}")
    try:
        return _measured(segmentation, ())
    except UserError as error:
        return _refused("rle", str(error))


def _read_polygons(rings: Sequence[Any], size: tuple[int, int]) -> Reading:
    if any(not isinstance(ring, list | tuple) for ring in rings):
        flat = isinstance(rings[0], int | float)
        detail = "a flat list of numbers: wrap it as [[x1, y1, ...]]" if flat else "not lists"
        return _refused("polygon", detail)
    remarks: list[tuple[str, str]] = []
    usable = [ring for ring in rings if len(ring) % 2 or len(ring) >= 6]
    if len(usable) < len(rings):
        points = min(len(ring) // 2 for ring in rings)
        remarks.append(("polygon-short", f"field segmentation: a ring of {points} points"))
    if not usable:
        return Reading(None, (*remarks, ("mask-missing", "no ring of 3 points or more")))
    try:
        rle = rles.from_polygons(usable, size)
    except UserError as error:
        return _refused("polygon", str(error))
    if _leaves(usable, size):
        remarks.append(("polygon-outside", f"field segmentation, picture {size[1]}x{size[0]}"))
    return _measured(rle, tuple(remarks))


def _measured(given: Mapping[str, Any], remarks: tuple[tuple[str, str], ...]) -> Reading:
    rle, area, box = rles.examine(given)
    if not area:
        return Reading(None, (*remarks, ("mask-empty", "field segmentation covers no pixel")))
    return Reading(rle, remarks, area, box)


def _refused(kind: str, detail: str) -> Reading:
    return Reading(None, ((kind, f"field segmentation: {detail}"),))


def _leaves(rings: Sequence[Sequence[float]], size: tuple[int, int]) -> bool:
    height, width = size
    low = min(min(ring) for ring in rings)
    right = max(max(ring[0::2]) for ring in rings)
    bottom = max(max(ring[1::2]) for ring in rings)
    return low < 0 or right > width or bottom > height


def _numbers(declared: Any) -> Sequence[Any]:
    return declared if isinstance(declared, list | tuple) else (math.nan,)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
