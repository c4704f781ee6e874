"""Rays against triangles: a bounding volume hierarchy, built and traversed in numba.

Shape letters: T triangles, B nodes. Lengths are metres, coordinates are world coordinates.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numba
import numpy as np

#: Options of every kernel: cached on disk, free of the interpreter lock, and without the
#: reordering of sums that would make pictures depend on the processor.
KERNEL = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": False}

STACK = 96  # deeper than any hierarchy that the builder makes
LEAF = 4  # triangles in a leaf
BINS = 12  # candidate splits per axis
PADDING = 1e-5  # metres around a node, above the rounding of float32 coordinates
NEAREST_HIT = 1e-4  # metres; nearer hits are the surface that the ray starts from


class Bvh(NamedTuple):
    """A hierarchy over T triangles, which are stored in the order of its leaves.

    nodes: (B, 8) float32, lower corner, upper corner, first, count. Inner nodes have count 0 and
        their children at first and first + 1; leaves hold triangles first .. first + count - 1.
    triangles: (T, 9) float64, a corner and the two edges that leave it.
    """

    nodes: np.ndarray
    triangles: np.ndarray


def build_bvh(corners: np.ndarray) -> tuple[Bvh, np.ndarray]:
    """Hierarchy over `corners` (T, 3, 3) float64, and the (T,) order its triangles are kept in."""
    lower, upper = corners.min(axis=1), corners.max(axis=1)
    nodes, order = _build(lower, upper, (lower + upper) * 0.5)
    ordered = corners[order]
    first = ordered[:, 0]
    triangles = np.concatenate([first, ordered[:, 1] - first, ordered[:, 2] - first], axis=1)
    return Bvh(nodes, np.ascontiguousarray(triangles)), order


@numba.njit(**KERNEL)
def _build(lower, upper, centre):
    count = len(lower)
    order = np.arange(count)
    nodes = np.zeros((2 * count + 1, 8), np.float32)
    bounds, middle = np.empty((2, 3)), np.empty((2, 3))
    todo = [(0, 0, count)]
    used = 1
    while len(todo) > 0:
        node, begin, end = todo.pop()
        _enclose(order, begin, end, lower, upper, bounds)
        _enclose(order, begin, end, centre, centre, middle)
        for k in range(3):
            nodes[node, k] = bounds[0, k] - PADDING
            nodes[node, 3 + k] = bounds[1, k] + PADDING
        if end - begin <= LEAF:
            nodes[node, 6], nodes[node, 7] = begin, end - begin
            continue
        axis, last = _best_split(order, begin, end, lower, upper, centre, middle)
        split = (begin + end) // 2
        if axis >= 0:
            split = _partition(order, begin, end, centre[:, axis], middle[:, axis], last)
        nodes[node, 6] = used
        todo.append((used, begin, split))
        todo.append((used + 1, split, end))
        used += 2
    return nodes[:used].copy(), order


@numba.njit(**KERNEL)
def _enclose(order, begin, end, lower, upper, out):
    out[0], out[1] = 1e30, -1e30
    for i in range(begin, end):
        for k in range(3):
            out[0, k] = min(out[0, k], lower[order[i], k])
            out[1, k] = max(out[1, k], upper[order[i], k])


@numba.njit(**KERNEL)
def _bin(value, low, high):
    return min(BINS - 1, int((value - low) / (high - low) * BINS))


@numba.njit(**KERNEL)
def _half_area(box):
    a, b, c = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    return a * b + b * c + c * a


@numba.njit(**KERNEL)
def _grow(box, other):
    for k in range(3):
        box[k] = min(box[k], other[k])
        box[3 + k] = max(box[3 + k], other[3 + k])


@numba.njit(**KERNEL)
def _best_split(order, begin, end, lower, upper, centre, middle):
    """Axis and last bin of the left half that cost least by the surface area heuristic; or -1."""
    best, best_axis, best_bin = 1e30, -1, 0
    boxes, counts = np.empty((BINS, 6)), np.empty(BINS, np.int64)
    area_right, count_right, box = np.empty(BINS), np.empty(BINS, np.int64), np.empty(6)
    for axis in range(3):
        low, high = middle[0, axis], middle[1, axis]
        if high - low < 1e-9:
            continue
        boxes[:, :3], boxes[:, 3:], counts[:] = 1e30, -1e30, 0
        for i in range(begin, end):
            p = order[i]
            q = _bin(centre[p, axis], low, high)
            counts[q] += 1
            for k in range(3):
                boxes[q, k] = min(boxes[q, k], lower[p, k])
                boxes[q, 3 + k] = max(boxes[q, 3 + k], upper[p, k])
        box[:3], box[3:], total = 1e30, -1e30, 0
        for q in range(BINS - 1, 0, -1):
            _grow(box, boxes[q])
            total += counts[q]
            area_right[q], count_right[q] = _half_area(box), total
        box[:3], box[3:], total = 1e30, -1e30, 0
        for q in range(BINS - 1):
            _grow(box, boxes[q])
            total += counts[q]
            if total == 0 or count_right[q + 1] == 0:
                continue
            cost = total * _half_area(box) + count_right[q + 1] * area_right[q + 1]
            if cost < best:
                best, best_axis, best_bin = cost, axis, q
    return best_axis, best_bin


@numba.njit(**KERNEL)
def _partition(order, begin, end, centre, middle, last):
    i, j = begin, end - 1
    while i <= j:
        p = order[i]
        if _bin(centre[p], middle[0], middle[1]) <= last:
            i += 1
        else:
            order[i], order[j] = order[j], p
            j -= 1
    return i


@numba.njit(**KERNEL)
def _slab(nodes, k, ox, oy, oz, ix, iy, iz):
    """Distances at which a ray enters and leaves node k's box; a miss enters after it leaves."""
    a, b = (nodes[k, 0] - ox) * ix, (nodes[k, 3] - ox) * ix
    enter, leave = min(a, b), max(a, b)
    a, b = (nodes[k, 1] - oy) * iy, (nodes[k, 4] - oy) * iy
    enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    a, b = (nodes[k, 2] - oz) * iz, (nodes[k, 5] - oz) * iz
    return max(enter, min(a, b)), min(leave, max(a, b))


@numba.njit(**KERNEL)
def _hit(rows, k, ox, oy, oz, dx, dy, dz):
    """Distance and barycentric u, v of a ray on triangle k (Moeller-Trumbore); -1: no hit."""
    e0, e1, e2 = rows[k, 3], rows[k, 4], rows[k, 5]
    f0, f1, f2 = rows[k, 6], rows[k, 7], rows[k, 8]
    px, py, pz = dy * f2 - dz * f1, dz * f0 - dx * f2, dx * f1 - dy * f0
    determinant = e0 * px + e1 * py + e2 * pz
    if determinant == 0.0:
        return -1.0, 0.0, 0.0
    inverse = 1.0 / determinant
    tx, ty, tz = ox - rows[k, 0], oy - rows[k, 1], oz - rows[k, 2]
    u = (tx * px + ty * py + tz * pz) * inverse
    if u < 0.0 or u > 1.0:
        return -1.0, 0.0, 0.0
    qx, qy, qz = ty * e2 - tz * e1, tz * e0 - tx * e2, tx * e1 - ty * e0
    v = (dx * qx + dy * qy + dz * qz) * inverse
    if v < 0.0 or u + v > 1.0:
        return -1.0, 0.0, 0.0
    return (f0 * qx + f1 * qy + f2 * qz) * inverse, u, v


@numba.njit(**KERNEL)
def trace(ox, oy, oz, dx, dy, dz, reach, bvh, any_hit, stack):
    """First hit of a ray within `reach`: distance, triangle (-1: none), barycentric u and v.

    The direction has to have length 1. `any_hit` stops at the first triangle found (shadows);
    `stack` is scratch memory, (STACK,) int32.
    """
    nodes, triangles = bvh.nodes, bvh.triangles
    ix = 1.0 / dx if abs(dx) > 1e-12 else 1e12
    iy = 1.0 / dy if abs(dy) > 1e-12 else 1e12
    iz = 1.0 / dz if abs(dz) > 1e-12 else 1e12
    best, hit, best_u, best_v = reach, -1, 0.0, 0.0
    depth, node = 0, 0
    while True:
        first, count = int(nodes[node, 6]), int(nodes[node, 7])
        near = far = -1
        if count > 0:
            for i in range(first, first + count):
                t, u, v = _hit(triangles, i, ox, oy, oz, dx, dy, dz)
                if NEAREST_HIT < t < best:
                    best, hit, best_u, best_v = t, i, u, v
                    if any_hit:
                        return best, hit, best_u, best_v
        else:
            a, b = _slab(nodes, first, ox, oy, oz, ix, iy, iz)
            c, d = _slab(nodes, first + 1, ox, oy, oz, ix, iy, iz)
            if b >= max(a, 0.0) and a < best:
                near = first
            if d >= max(c, 0.0) and c < best:
                far = first + 1
            if near < 0 or (far >= 0 and c < a):
                near, far = far, near
        if far >= 0:
            stack[depth] = far
            depth += 1
        if near >= 0:
            node = near
        elif depth == 0:
            return best, hit, best_u, best_v
        else:
            depth -= 1
            node = stack[depth]


@numba.njit(**KERNEL)
def pixel_ray(frame, x, y, size):
    """Unit direction through image point (x, y), in pixels from the top left corner.

    `frame` (4, 3): camera position, forward, and half the image plane to the right and upward.
    """
    a, b = x / size * 2.0 - 1.0, 1.0 - y / size * 2.0
    dx = frame[1, 0] + a * frame[2, 0] + b * frame[3, 0]
    dy = frame[1, 1] + a * frame[2, 1] + b * frame[3, 1]
    dz = frame[1, 2] + a * frame[2, 2] + b * frame[3, 2]
    length = sqrt(dx * dx + dy * dy + dz * dz)
    return dx / length, dy / length, dz / length
