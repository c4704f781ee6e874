"""Polygon rings, checked and cut to what can reach the picture, before they are filled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from helpers.files import UserError

MAX_COORDINATE = 1e9  # pixels; farther out is no position in a picture


def checked_ring(ring: Sequence[float]) -> NDArray[np.float64]:
    """(P, 2) finite points, P >= 3. Raises UserError for a ring that is none."""
    if not isinstance(ring, list | tuple | np.ndarray):
        raise UserError(f"polygon ring must be a list of numbers, found {type(ring).__name__}")
    if len(ring) % 2:
        raise UserError(f"polygon with an odd number of coordinates ({len(ring)})")
    if len(ring) < 6:
        raise UserError(f"polygon with {len(ring) // 2} points: three are the least")
    if any(isinstance(v, bool) or not isinstance(v, int | float | np.number) for v in ring):
        raise UserError("polygon with a coordinate that is not a number")
    if not all(abs(v) <= MAX_COORDINATE for v in ring):  # false for NaN as well
        raise UserError(f"polygon with a coordinate that is not within +-{MAX_COORDINATE:.0e}")
    return np.asarray(ring, dtype=np.float64).reshape(-1, 2)


def inside(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Cut a ring at twice the picture around it, so that far points cost no memory.

    pycocotools itself clips the raster to the picture; edges that this cut adds lie outside.
    """
    for axis, side in ((0, width), (1, height)):
        for sign, limit in ((1.0, 2.0 * side), (-1.0, 1.0 * side)):
            distance = limit - sign * points[:, axis]
            if (distance < 0).any():
                points = _half_plane(points, distance)
    return points


def _half_plane(points: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sutherland-Hodgman: the part of a ring where `distance` >= 0."""
    kept: list[NDArray[np.float64]] = []
    for i in range(len(points)):
        before, here = distance[i - 1], distance[i]
        if (before < 0) != (here < 0):
            kept.append(points[i - 1] + (points[i] - points[i - 1]) * (before / (before - here)))
        if here >= 0:
            kept.append(points[i])
    return np.array(kept).reshape(-1, 2)
