"""Which triangle every pixel sees: a z-buffer without clipping (homogeneous edge functions).

With the camera in the origin, the barycentric coordinates of a ray on a triangle are ratios of
functions that are linear in the image position, even for triangles that reach behind the camera.
It takes a fraction of the time of a ray per pixel, and sees exactly what the rays see.

Shape letters: T triangles, S image side in pixels.
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

import numpy as np

from helpers.scenes.raycast import cross, dot, image_direction, kernel, minus, scaled, triple

NEAR = 1e-3  # metres: triangles that come nearer to the camera's plane may touch any row


class Hits(NamedTuple):
    """What the pixel centres of an S x S image see.

    triangle: (S, S) int32, -1 for nothing. u, v: (S, S) float32 barycentric coordinates.
    distance: (S, S) float32 metres along the ray.
    """

    triangle: np.ndarray
    u: np.ndarray
    v: np.ndarray
    distance: np.ndarray


@kernel
def visible_triangles(triangles, frame, size):
    """Index of the triangle at every pixel centre, (S, S) int32, -1 for none.

    `triangles` (T, 9) and `frame` (4, 3) as in raycast.
    """
    seen, nearness = np.full((size, size), -1, np.int32), np.zeros((size, size))
    for i in range(len(triangles)):
        first, last = _rows(triangles, i, frame, size)
        if last < first:
            continue
        edges, constant = _edge_functions(triangles, i, frame)
        # A hit lies before the camera where det has the sign of the constant.
        if constant < 0.0:
            edges = (scaled(edges[0], -1.0), scaled(edges[1], -1.0), scaled(edges[2], -1.0))
            constant = -constant
        if constant > 0.0:
            for y in range(first, last + 1):
                _draw_row(i, y, edges, constant, seen, nearness)
    return seen


def visible_hits(triangles: np.ndarray, frame: np.ndarray, size: int) -> Hits:
    """The triangle at every pixel centre and where on it the ray arrives."""
    seen = visible_triangles(triangles, frame, size)
    return Hits(seen, *_locate(triangles, frame, seen))


@kernel
def _on_axes(frame, p):
    """How far p reaches forward, to the right and upward.

    As the coefficients of a function of image position: its constant, per column, per row.
    """
    return dot(triple(frame, 1), p), dot(triple(frame, 2), p), dot(triple(frame, 3), p)


@kernel
def _edge_functions(triangles, i, frame):
    """Functions of the image position in [-1, 1]: u * det, v * det and det (coefficients).

    And t * det, which is constant, since all rays start in the camera.
    """
    e, f = triple(triangles, i, 3), triple(triangles, i, 6)
    t = minus(triple(frame, 0), triple(triangles, i))
    q = cross(t, e)
    edges = _on_axes(frame, cross(f, t)), _on_axes(frame, q), _on_axes(frame, cross(f, e))
    return edges, dot(f, q)


@kernel
def _rows(triangles, i, frame, size):
    """First and last pixel row that a triangle can touch."""
    squared = frame[3, 0] ** 2 + frame[3, 1] ** 2 + frame[3, 2] ** 2
    low, high, before = 1e30, -1e30, 0
    for corner in range(3):
        x, y, z = minus(triple(triangles, i), triple(frame, 0))
        if corner > 0:
            x += triangles[i, 3 * corner]
            y += triangles[i, 3 * corner + 1]
            z += triangles[i, 3 * corner + 2]
        depth, _, height = _on_axes(frame, (x, y, z))
        if depth >= NEAR:
            before += 1
            low, high = min(low, height / depth), max(high, height / depth)
    if before == 0:
        return 0, -1
    if before < 3:
        return 0, size - 1
    top, bottom = (1.0 - high / squared) * 0.5 * size, (1.0 - low / squared) * 0.5 * size
    return int(max(0.0, floor(top - 1.0))), int(min(size - 1.0, ceil(bottom + 1.0)))


@kernel
def _draw_row(index, y, edges, constant, seen, nearness):
    size = len(seen)
    b = 1.0 - (y + 0.5) / size * 2.0
    (u0, u1, u2), (v0, v1, v2), (d0, d1, d2) = edges
    u0, v0, d0 = u0 + b * u2, v0 + b * v2, d0 + b * d2
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


@kernel
def _locate(triangles, frame, seen):
    """(S, S) float32 barycentric u and v and distance of what was seen."""
    size = len(seen)
    u, v = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    distance = np.zeros((size, size), np.float32)
    for y in range(size):
        b = 1.0 - (y + 0.5) / size * 2.0
        for x in range(size):
            if seen[y, x] < 0:
                continue
            (f, g, h), constant = _edge_functions(triangles, seen[y, x], frame)
            a = (x + 0.5) / size * 2.0 - 1.0
            det = h[0] + a * h[1] + b * h[2]
            u[y, x] = (f[0] + a * f[1] + b * f[2]) / det
            v[y, x] = (g[0] + a * g[1] + b * g[2]) / det
            direction = image_direction(frame, a, b)
            distance[y, x] = constant / det * dot(direction, direction) ** 0.5
    return u, v, distance
