"""Which triangle every pixel sees: a z-buffer without clipping (homogeneous edge functions).

With the camera in the origin, the barycentric coordinates of a ray on a triangle are ratios of
functions that are linear in the image position, even for triangles that reach behind the camera.
It takes a fraction of the time of a ray per pixel, and sees exactly what the rays see.

Shape letters: T triangles, S image side in pixels.
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

import numba
import numpy as np

from helpers.scenes.raycast import KERNEL

NEAR = 1e-3  # metres before the camera, where triangles end for the purpose of finding their rows


class Hits(NamedTuple):
    """What the pixel centres of an S x S image see.

    triangle: (S, S) int32, -1 for nothing. u, v: (S, S) float32 barycentric coordinates.
    distance: (S, S) float32 metres along the ray.
    """

    triangle: np.ndarray
    u: np.ndarray
    v: np.ndarray
    distance: np.ndarray


def visible_triangles(triangles: np.ndarray, frame: np.ndarray, size: int) -> np.ndarray:
    """Index of the triangle at every pixel centre, (S, S) int32, -1 for none.

    `triangles` (T, 9) and `frame` (4, 3) as in raycast.
    """
    seen = np.full((size, size), -1, np.int32)
    nearness = np.zeros((size, size))
    _draw_all(triangles, frame, seen, nearness)
    return seen


def visible_hits(triangles: np.ndarray, frame: np.ndarray, size: int) -> Hits:
    """The triangle at every pixel centre and where on it the ray arrives."""
    seen = visible_triangles(triangles, frame, size)
    u, v, distance = (np.zeros((size, size), np.float32) for _ in range(3))
    _locate(triangles, frame, seen, u, v, distance)
    return Hits(seen, u, v, distance)


@numba.njit(**KERNEL)
def _plane(frame, x, y, z):
    """The linear function d . (x, y, z) of image position: constant, per column, per row.

    d is the ray through a pixel centre, not normalised.
    """
    forward = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z
    right = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z
    up = frame[3, 0] * x + frame[3, 1] * y + frame[3, 2] * z
    return forward, right, up


@numba.njit(**KERNEL)
def _edge_functions(triangle, frame, out):
    """Rows of `out` (3, 3): u * det, v * det and det as functions of the image position in [-1, 1].

    Returns t * det: constant, since all rays start in the camera.
    """
    e0, e1, e2, f0, f1, f2 = (
        triangle[3], triangle[4], triangle[5], triangle[6], triangle[7], triangle[8],
    )  # fmt: skip
    tx = frame[0, 0] - triangle[0]
    ty = frame[0, 1] - triangle[1]
    tz = frame[0, 2] - triangle[2]
    qx, qy, qz = ty * e2 - tz * e1, tz * e0 - tx * e2, tx * e1 - ty * e0
    out[0] = _plane(frame, f1 * tz - f2 * ty, f2 * tx - f0 * tz, f0 * ty - f1 * tx)
    out[1] = _plane(frame, qx, qy, qz)
    out[2] = _plane(frame, f1 * e2 - f2 * e1, f2 * e0 - f0 * e2, f0 * e1 - f1 * e0)
    return f0 * qx + f1 * qy + f2 * qz


@numba.njit(**KERNEL)
def _rows(triangle, frame, size):
    """First and last pixel row that the part of a triangle before the camera can touch."""
    depth, height = np.empty(3), np.empty(3)
    squared = frame[3, 0] ** 2 + frame[3, 1] ** 2 + frame[3, 2] ** 2
    for corner in range(3):
        x, y, z = triangle[0] - frame[0, 0], triangle[1] - frame[0, 1], triangle[2] - frame[0, 2]
        if corner > 0:
            x += triangle[3 * corner]
            y += triangle[3 * corner + 1]
            z += triangle[3 * corner + 2]
        depth[corner], _, height[corner] = _plane(frame, x, y, z)
    low, high = 1e30, -1e30
    for i in range(3):
        j = (i + 1) % 3
        if depth[i] >= NEAR:
            low, high = min(low, height[i] / depth[i]), max(high, height[i] / depth[i])
        if (depth[i] >= NEAR) != (depth[j] >= NEAR):
            cut = height[i] + (height[j] - height[i]) * (NEAR - depth[i]) / (depth[j] - depth[i])
            low, high = min(low, cut / NEAR), max(high, cut / NEAR)
    if low > high:
        return 0, -1
    top, bottom = (1.0 - high / squared) * 0.5 * size, (1.0 - low / squared) * 0.5 * size
    return int(max(0.0, floor(top - 1.0))), int(min(size - 1.0, ceil(bottom + 1.0)))


@numba.njit(**KERNEL)
def _draw_all(triangles, frame, seen, nearness):
    size = len(seen)
    edges = np.empty((3, 3))
    for i in range(len(triangles)):
        first, last = _rows(triangles[i], frame, size)
        if last < first:
            continue
        constant = _edge_functions(triangles[i], frame, edges)
        # A hit lies before the camera where det has the sign of the constant.
        if constant < 0.0:
            edges[:] = -edges
            constant = -constant
        if constant > 0.0:
            for y in range(first, last + 1):
                _draw_row(i, y, edges, constant, seen, nearness)


@numba.njit(**KERNEL)
def _draw_row(index, y, edges, constant, seen, nearness):
    size = len(seen)
    b = 1.0 - (y + 0.5) / size * 2.0
    u0, v0, d0 = (
        edges[0, 0] + b * edges[0, 2],
        edges[1, 0] + b * edges[1, 2],
        edges[2, 0] + b * edges[2, 2],
    )
    u1, v1, d1 = edges[0, 1], edges[1, 1], edges[2, 1]
    low, high = -1.0, 1.0
    for value, slope in ((u0, u1), (v0, v1), (d0 - u0 - v0, d1 - u1 - v1)):
        if slope > 0.0:
            low = max(low, -value / slope)
        elif slope < 0.0:
            high = min(high, -value / slope)
        elif value < 0.0:
            return
    if low > high + 4.0 / size:
        return
    first = int(max(0.0, floor((low + 1.0) * 0.5 * size - 1.5)))
    last = int(min(size - 1.0, ceil((high + 1.0) * 0.5 * size + 0.5)))
    for x in range(first, last + 1):
        a = (x + 0.5) / size * 2.0 - 1.0
        u, v, det = u0 + a * u1, v0 + a * v1, d0 + a * d1
        inside = det > 0.0 and u >= 0.0 and v >= 0.0 and u + v <= det
        if inside and det > nearness[y, x] * constant:
            nearness[y, x] = det / constant
            seen[y, x] = index


@numba.njit(**KERNEL)
def _locate(triangles, frame, seen, u, v, distance):
    size = len(seen)
    edges = np.empty((3, 3))
    for y in range(size):
        b = 1.0 - (y + 0.5) / size * 2.0
        for x in range(size):
            if seen[y, x] < 0:
                continue
            constant = _edge_functions(triangles[seen[y, x]], frame, edges)
            a = (x + 0.5) / size * 2.0 - 1.0
            det = edges[2, 0] + a * edges[2, 1] + b * edges[2, 2]
            u[y, x] = (edges[0, 0] + a * edges[0, 1] + b * edges[0, 2]) / det
            v[y, x] = (edges[1, 0] + a * edges[1, 1] + b * edges[1, 2]) / det
            length = 0.0
            for k in range(3):
                length += (frame[1, k] + a * frame[2, k] + b * frame[3, k]) ** 2
            distance[y, x] = constant / det * length**0.5
