"""Rays against triangles: a bounding volume hierarchy, built and traversed in numba.

Points, directions and colours are triples (tuples of three) in all kernels; lengths are metres in
world coordinates. Shape letters: T triangles, B nodes.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numba
import numpy as np

#: The decorator of every kernel: cached on disk, free of the interpreter lock, and without the
#: reordering of sums that would make pictures depend on the processor.
kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=False)

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


@kernel
def triple(rows, i, k=0):
    """Three numbers of row i, from column k on."""
    return rows[i, k], rows[i, k + 1], rows[i, k + 2]


@kernel
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@kernel
def cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@kernel
def minus(a, b):
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@kernel
def scaled(a, factor):
    return a[0] * factor, a[1] * factor, a[2] * factor


@kernel
def ahead(point, direction, distance):
    """The point so far from another in a direction."""
    return (
        point[0] + direction[0] * distance,
        point[1] + direction[1] * distance,
        point[2] + direction[2] * distance,
    )


@kernel
def unit(a, least=0.0):
    """`a` at length 1; least: what its squared length is raised by, so that 0 stays 0."""
    return scaled(a, 1.0 / sqrt(dot(a, a) + least))


def build_bvh(corners: np.ndarray) -> tuple[Bvh, np.ndarray]:
    """Hierarchy over `corners` (T, 3, 3) float64, and the (T,) order its triangles are kept in."""
    lower, upper = corners.min(axis=1), corners.max(axis=1)
    centre = (lower + upper) * 0.5
    boxes, points = np.concatenate([lower, upper], axis=1), np.concatenate([centre] * 2, axis=1)
    nodes, order = _build(boxes, points)
    first, second, third = (corners[order, k] for k in range(3))
    return Bvh(nodes, np.concatenate([first, second - first, third - first], axis=1)), order


@kernel
def _build(boxes, centres):
    """Nodes and order over boxes (T, 6), lower and upper corner; centres (T, 6): each twice."""
    count = len(boxes)
    order = np.arange(count)
    nodes = np.zeros((2 * count + 1, 8), np.float32)
    todo = [(0, 0, count)]
    used = 1
    while len(todo) > 0:
        node, begin, end = todo.pop()
        around, middle = _enclose(order[begin:end], boxes), _enclose(order[begin:end], centres)
        for k in range(3):
            nodes[node, k] = around[0, k] - PADDING
            nodes[node, 3 + k] = around[0, 3 + k] + PADDING
        if end - begin <= LEAF:
            nodes[node, 6], nodes[node, 7] = begin, end - begin
            continue
        axis, last = _best_split(order[begin:end], boxes, centres, middle)
        split = (begin + end) // 2
        if axis >= 0:
            split = begin + _partition(order[begin:end], centres, axis, middle, last)
        nodes[node, 6] = used
        todo.append((used, begin, split))
        todo.append((used + 1, split, end))
        used += 2
    return nodes[:used].copy(), order


@kernel
def _no_boxes(count):
    boxes = np.empty((count, 6))
    boxes[:, :3], boxes[:, 3:] = 1e30, -1e30
    return boxes


@kernel
def _grow(boxes, i, others, j):
    """Box i grows until it holds box j of the others."""
    for k in range(3):
        boxes[i, k] = min(boxes[i, k], others[j, k])
        boxes[i, 3 + k] = max(boxes[i, 3 + k], others[j, 3 + k])


@kernel
def _enclose(chosen, boxes):
    """(1, 6): the box around the chosen ones."""
    around = _no_boxes(1)
    for i in chosen:
        _grow(around, 0, boxes, i)
    return around


@kernel
def _bin(value, low, high):
    return min(BINS - 1, int((value - low) / (high - low) * BINS))


@kernel
def _half_area(boxes, i):
    a, b, c = minus(triple(boxes, i, 3), triple(boxes, i))
    return a * b + b * c + c * a


@kernel
def _best_split(chosen, boxes, centres, middle):
    """Axis and last bin of the left half that cost least by the surface area heuristic; or -1."""
    best, best_axis, best_bin = 1e30, -1, 0
    area_right, count_right = np.empty(BINS), np.empty(BINS, np.int64)
    for axis in range(3):
        low, high = middle[0, axis], middle[0, 3 + axis]
        if high - low < 1e-9:
            continue
        bins, counts = _no_boxes(BINS), np.zeros(BINS, np.int64)
        for i in chosen:
            q = _bin(centres[i, axis], low, high)
            counts[q] += 1
            _grow(bins, q, boxes, i)
        right, total = _no_boxes(1), 0
        for q in range(BINS - 1, 0, -1):
            _grow(right, 0, bins, q)
            total += counts[q]
            area_right[q], count_right[q] = _half_area(right, 0), total
        left, total = _no_boxes(1), 0
        for q in range(BINS - 1):
            _grow(left, 0, bins, q)
            total += counts[q]
            if total == 0 or count_right[q + 1] == 0:
                continue
            cost = total * _half_area(left, 0) + count_right[q + 1] * area_right[q + 1]
            if cost < best:
                best, best_axis, best_bin = cost, axis, q
    return best_axis, best_bin


@kernel
def _partition(chosen, centres, axis, middle, last):
    """Puts those of the bins up to `last` first; returns how many they are."""
    i, j = 0, len(chosen) - 1
    while i <= j:
        p = chosen[i]
        if _bin(centres[p, axis], middle[0, axis], middle[0, 3 + axis]) <= last:
            i += 1
        else:
            chosen[i], chosen[j] = chosen[j], p
            j -= 1
    return i


@kernel
def _slab(nodes, k, origin, inverse):
    """Distances at which a ray enters and leaves node k's box; a miss enters after it leaves."""
    a, b = (nodes[k, 0] - origin[0]) * inverse[0], (nodes[k, 3] - origin[0]) * inverse[0]
    enter, leave = min(a, b), max(a, b)
    a, b = (nodes[k, 1] - origin[1]) * inverse[1], (nodes[k, 4] - origin[1]) * inverse[1]
    enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    a, b = (nodes[k, 2] - origin[2]) * inverse[2], (nodes[k, 5] - origin[2]) * inverse[2]
    return max(enter, min(a, b)), min(leave, max(a, b))


@kernel
def _hit(triangles, i, origin, direction):
    """Distance and barycentric u, v of a ray on triangle i (Moeller-Trumbore); -1: no hit."""
    e, f = triple(triangles, i, 3), triple(triangles, i, 6)
    p = cross(direction, f)
    determinant = dot(e, p)
    if determinant == 0.0:
        return -1.0, 0.0, 0.0
    inverse = 1.0 / determinant
    t = minus(origin, triple(triangles, i))
    u = dot(t, p) * inverse
    if u < 0.0 or u > 1.0:
        return -1.0, 0.0, 0.0
    q = cross(t, e)
    v = dot(direction, q) * inverse
    if v < 0.0 or u + v > 1.0:
        return -1.0, 0.0, 0.0
    return dot(f, q) * inverse, u, v


@kernel
def trace(origin, direction, reach, bvh, any_hit, stack):
    """First hit of a ray within `reach`: distance, triangle (-1: none), barycentric u and v.

    The direction has to have length 1. `any_hit` stops at the first triangle found (shadows);
    `stack` is scratch memory, (STACK,) int32.
    """
    nodes, triangles = bvh.nodes, bvh.triangles
    x, y, z = direction
    ix, iy = 1.0 / x if abs(x) > 1e-12 else 1e12, 1.0 / y if abs(y) > 1e-12 else 1e12
    inverse = (ix, iy, 1.0 / z if abs(z) > 1e-12 else 1e12)
    best, hit, best_u, best_v = reach, -1, 0.0, 0.0
    depth, node = 0, 0
    while True:
        first, count = int(nodes[node, 6]), int(nodes[node, 7])
        near = far = -1
        if count > 0:
            for i in range(first, first + count):
                t, u, v = _hit(triangles, i, origin, direction)
                if NEAREST_HIT < t < best:
                    best, hit, best_u, best_v = t, i, u, v
                    if any_hit:
                        return best, hit, best_u, best_v
        else:
            a, b = _slab(nodes, first, origin, inverse)
            c, d = _slab(nodes, first + 1, origin, inverse)
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


@kernel
def image_direction(frame, a, b):
    """Direction, not of length 1, through image position a (to the right), b (upward) in [-1, 1].

    `frame` (4, 3): camera position, forward, and half the image plane to the right and upward.
    """
    return (
        frame[1, 0] + a * frame[2, 0] + b * frame[3, 0],
        frame[1, 1] + a * frame[2, 1] + b * frame[3, 1],
        frame[1, 2] + a * frame[2, 2] + b * frame[3, 2],
    )


@kernel
def pixel_ray(frame, x, y, size):
    """Unit direction through image point (x, y), in pixels from the top left corner."""
    d = image_direction(frame, x / size * 2.0 - 1.0, 1.0 - y / size * 2.0)
    length = sqrt(dot(d, d))
    return d[0] / length, d[1] / length, d[2] / length
