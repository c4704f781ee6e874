"""Triangle meshes: the few solids all furniture is made of.

Lengths are metres, z points up. V vertices, F faces. Faces turn anticlockwise seen from outside.
Only elementwise arithmetic is used, no matrix products, whose last bits differ between machines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Axis = Literal["x", "y", "z"]
Vector = Sequence[float]  # three coordinates or lengths
Point = tuple[ArrayLike, ArrayLike, ArrayLike]
SurfaceFunction = Callable[[Floats, Floats], Point]


@dataclass(frozen=True)
class Mesh:
    """vertices (V, 3) float64, faces (F, 3) int64."""

    vertices: Floats
    faces: Ints

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        return Mesh(self.vertices + np.array([x, y, z]), self.faces)

    def turned(self, axis: Axis, angle: float) -> Mesh:
        return Mesh(turned(self.vertices, axis, angle), self.faces)

    def sheared(self, by_z: float) -> Mesh:
        """Leaned back: y grows by `by_z` for every metre of height."""
        leaned = self.vertices.copy()
        leaned[:, 1] += by_z * leaned[:, 2]
        return Mesh(leaned, self.faces)

    def facing_front(self) -> Mesh:
        """What was built along z, laid over so that its top looks to -y."""
        return self.turned("x", math.pi / 2)


def turned(points: Floats, axis: Axis, angle: float) -> Floats:
    """Points (..., 3) turned about a coordinate axis by the right-hand rule, radians."""
    u, v = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    cos, sin, out = math.cos(angle), math.sin(angle), points.copy()
    out[..., u] = cos * points[..., u] - sin * points[..., v]
    out[..., v] = sin * points[..., u] + cos * points[..., v]
    return out


def dot(a: Floats, b: Floats) -> Floats:
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def length(a: Floats) -> Floats:
    return np.sqrt(dot(a, a))


def face_vectors(vertices: Floats, faces: Ints) -> Floats:
    """(F, 3) outward vectors, twice the area long."""
    first, second, third = (vertices[faces[:, k]] for k in range(3))
    return np.cross(second - first, third - first)


def box(
    centre: Vector,
    size: Vector,
    *,
    radius: float = 0.004,
    steps: int = 1,
    inner: int = 0,
    puff: Vector = (0, 0, 0),
) -> Mesh:
    """A closed box with rounded edges; with `inner` grid lines its sides can bulge like a cushion.

    size: full lengths (x, y, z); radius: of the edges, in `steps` steps (0: sharp, 12 triangles);
    puff: how much further, as a share of the half size, the middle of the two sides facing
    x, y, z stands out.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    radius = min(radius, 0.999 * float(half.min())) if steps else 0.0
    lines, vertices, faces, count = [], [], [], 0
    for h in half:  # close together in the rounded edges
        edge = h - radius + radius * np.arange(steps + 1) / max(steps, 1)
        middle = (h - radius) * (2 * np.arange(1, inner + 1) / (inner + 1) - 1)
        lines.append(np.concatenate([-edge[::-1], middle, edge]))
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        grid = np.meshgrid(lines[u], lines[v], indexing="ij")
        quads = _grid_faces(*grid[0].shape)
        for sign in (-1.0, 1.0):
            side = np.empty((grid[0].size, 3))
            side[:, u], side[:, v], side[:, axis] = grid[0].flat, grid[1].flat, sign * half[axis]
            vertices.append(side)
            faces.append((quads if sign > 0 else quads[:, ::-1]) + count)
            count += len(side)
    sharp = np.concatenate(vertices)
    core = np.clip(sharp, radius - half, half - radius)
    away = sharp - core
    points = core + radius * away / np.maximum(length(away), 1e-9)[..., None]
    for axis in range(3):
        if puff[axis]:
            u, v = (axis + 1) % 3, (axis + 2) % 3
            hill = np.clip(1 - (points[:, u] / half[u]) ** 2, 0, 1)
            hill = hill * np.clip(1 - (points[:, v] / half[v]) ** 2, 0, 1)
            points[:, axis] *= 1 + puff[axis] * hill
    return Mesh(points + np.asarray(centre, float), np.concatenate(faces))


def cushion(
    centre: Vector,
    size: Vector,
    *,
    radius: float = 0.05,
    puff: Vector = (0, 0, 0.2),
    inner: int = 2,
) -> Mesh:
    """A soft box: well-rounded edges, bulging sides."""
    return box(centre, size, radius=radius, steps=2, inner=inner, puff=puff)


def pillow(size: float, thickness: float = 0.11) -> Mesh:
    """A square throw pillow standing upright round the origin, its face to -y."""
    return cushion((0, 0, 0), (size, thickness, size), puff=(0, 0.9, 0), inner=3)


def lathe(
    profile: ArrayLike, *, segments: int = 32, centre: Vector = (0, 0, 0), stretch: Vector = (1, 1)
) -> Mesh:
    """A solid of revolution about z. profile: (K, 2) of (radius, height), bottom to top outside.

    Closed when the profile begins and ends at radius 0. stretch: makes it elliptic.
    """
    profile = np.asarray(profile, dtype=np.float64)
    angle = np.arange(segments) / segments * math.tau
    x, y = (r * profile[:, :1] for r in (stretch[0] * np.cos(angle), stretch[1] * np.sin(angle)))
    z = np.broadcast_to(profile[:, 1:], x.shape)
    index = np.arange(x.size).reshape(x.shape)
    index = np.concatenate([index, index[:, :1]], axis=1)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3) + np.asarray(centre, float)
    return Mesh(vertices, _quads(index.T))


def cylinder(
    radius: float, bottom: float, top: float, *, segments: int = 32, stretch: Vector = (1, 1)
) -> Mesh:
    """A closed upright cylinder between two heights: table tops, feet, seats."""
    profile = [(0, bottom), (radius, bottom), (radius, top), (0, top)]
    return lathe(profile, segments=segments, stretch=stretch)


def sphere(radius: float, centre: Vector, *, segments: int = 20) -> Mesh:
    """A ball: a lathe with segments / 2 steps from pole to pole."""
    angle = np.linspace(0, math.pi, segments // 2 + 1)
    profile = np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)
    profile[[0, -1], 0] = 0.0
    return lathe(profile, segments=segments, centre=centre)


def tube(path: ArrayLike, radius: float | Vector, *, sides: int = 10, closed: bool = False) -> Mesh:
    """A bar along a polyline, capped at both ends, mitred at the bends: legs, rails, wires.

    path: (K, 3); radius: of the circle round the cross-section, one number or one for each point
    (tapered legs); sides: 4 makes a square bar; closed: joins the end to the beginning.
    """
    points = np.asarray(path, dtype=np.float64)
    tangent, bend, widen = _tangents(points, closed)
    first, second = _frames(points, tangent)
    angle = np.arange(sides) / sides * math.tau + math.tau / 8
    offset = np.cos(angle)[:, None] * first[:, None] + np.sin(angle)[:, None] * second[:, None]
    offset = offset + (dot(offset, bend[:, None]) * (widen - 1)[:, None])[..., None] * bend[:, None]
    rings = points[:, None] + np.broadcast_to(radius, (len(points),))[:, None, None] * offset
    index = np.arange(len(points) * sides).reshape(-1, sides)
    looped = np.concatenate([index, index[:1]]) if closed else index
    faces = [_quads(np.concatenate([looped, looped[:, :1]], axis=1).T)]
    if not closed:
        faces += [_fan(index[0])[:, ::-1], _fan(index[-1])]
    return Mesh(rings.reshape(-1, 3), np.concatenate(faces))


def sheet(origin: Vector, u: Vector, v: Vector) -> Mesh:
    """The open parallelogram origin + a u + b v, a and b in 0..1. Its face looks to u x v."""
    corner, u, v = (np.asarray(vector, float) for vector in (origin, u, v))
    return Mesh(np.stack([corner, corner + v, corner + u, corner + u + v]), _grid_faces(2, 2))


def surface(function: SurfaceFunction, *, steps: tuple[int, int]) -> Mesh:
    """The open surface (a, b) -> (x, y, z), a and b in 0..1. Its face looks to d/da x d/db."""
    a, b = np.meshgrid(*(np.linspace(0, 1, n + 1) for n in steps), indexing="ij")
    points = np.stack([np.broadcast_to(c, a.shape) for c in function(a, b)], axis=-1)
    return Mesh(points.reshape(-1, 3), _grid_faces(*a.shape))


def shell(function: SurfaceFunction, thickness: float, *, steps: tuple[int, int]) -> Mesh:
    """A closed curved board: a surface grown against its normal. Chair backs, bowls, blankets."""
    front = surface(function, steps=steps)
    index = np.arange(len(front.vertices)).reshape(steps[0] + 1, steps[1] + 1)
    points = front.vertices[index]
    normal = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    back = points - thickness * normal / np.maximum(length(normal), 1e-12)[..., None]
    rim = np.concatenate([index[:-1, 0], index[-1, :-1], index[:0:-1, -1], index[0, :0:-1]])
    rim = np.append(rim, rim[0])
    edge = _quads(np.stack([rim + index.size, rim], axis=1))
    faces = np.concatenate([front.faces, front.faces[:, ::-1] + index.size, edge])
    return Mesh(np.concatenate([front.vertices, back.reshape(-1, 3)]), faces)


def ring(radius: float, z: float, count: int) -> Floats:
    """(count, 3) points of a level circle about the z axis, a path for a closed `tube`."""
    angle = np.arange(count) / count * math.tau
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, z)], axis=1)


def smoothed(points: ArrayLike, steps: int = 4) -> Floats:
    """A curve through the points (K, D), `steps` pieces between neighbours (Catmull-Rom)."""
    points = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = (padded[k : k + len(points) - 1, None] for k in range(4))
    t = (np.arange(steps) / steps)[None, :, None]
    curve = (3 * (start - end) + after - before) * t + 2 * before - 5 * start + 4 * end - after
    curve = 0.5 * ((curve * t + end - before) * t) + start
    return np.concatenate([curve.reshape(-1, points.shape[1]), points[-1:]])


def corner_normals(vertices: Floats, faces: Ints, crease_degrees: float = 42.0) -> Floats:
    """Unit normals (F, 3, 3) of the corners: faces that meet below the crease angle are smoothed.

    A corner's normal is the area-weighted mean of the normals of all faces round its vertex which
    lie within the angle of its own; vertices nearer than 2**-14 m count as one.
    """
    vectors = face_vectors(vertices, faces)
    area = length(vectors)
    unit = vectors / np.maximum(area, 1e-14)[:, None]
    cell = np.round(vertices * 2.0**14).astype(np.int64) + 2**20
    place = np.unique(cell @ (2**42, 2**21, 1), return_inverse=True)[1][faces.reshape(-1)]
    order, counts = np.argsort(place, kind="stable"), np.bincount(place)
    repeats = counts[place]
    corner = np.repeat(np.arange(faces.size), repeats)  # each with all that sit on its vertex
    first = np.cumsum(counts)[place] - np.cumsum(repeats)
    other = order[np.arange(len(corner)) + first[corner]]
    face = other // 3
    near = dot(unit[corner // 3], unit[face]) > math.cos(math.radians(crease_degrees))
    corner, face = corner[near], face[near]
    count = faces.size
    total = np.stack([np.bincount(corner, vectors[face, k], count) for k in range(3)], axis=1)
    size = length(total)[:, None]
    flat = np.repeat(unit, 3, axis=0)
    return np.where(size > 1e-12, total / np.maximum(size, 1e-12), flat).reshape(-1, 3, 3)


def _quads(index: Ints) -> Ints:
    """Two triangles for each cell of a (rows, columns) grid of vertex numbers."""
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def _grid_faces(rows: int, columns: int) -> Ints:
    return _quads(np.arange(rows * columns).reshape(rows, columns))


def _fan(loop: Ints) -> Ints:
    first = np.full(len(loop) - 2, loop[0])
    return np.stack([first, loop[1:-1], loop[2:]], axis=1)


def _tangents(points: Floats, closed: bool) -> tuple[Floats, Floats, Floats]:
    """Direction at each point, the unit vector into its bend, and how much wider a mitre is."""
    ahead = np.roll(points, -1, axis=0) - points
    ahead = ahead / np.maximum(length(ahead), 1e-12)[:, None]
    behind = np.roll(ahead, 1, axis=0)
    if not closed:
        ahead[-1], behind[0] = behind[-1], ahead[0]
    tangent, bend = ahead + behind, ahead - behind
    half_cosine = np.maximum(length(tangent) / 2, 0.5)
    tangent = tangent / np.maximum(length(tangent), 1e-12)[:, None]
    return tangent, bend / np.maximum(length(bend), 1e-12)[:, None], 1 / half_cosine


def _frames(points: Floats, tangent: Floats) -> tuple[Floats, Floats]:
    """Two unit vectors across the path at each point, carried along it without twisting."""
    side = np.array([0.0, 0.0, 1.0] if abs(tangent[0, 2]) < 0.9 else [1.0, 0.0, 0.0])
    first = np.empty_like(tangent)
    for k in range(len(points)):
        if k:  # by way of the piece in between: one projection over both half turns would twist
            side = _across(side, points[k] - points[k - 1])
        side = first[k] = _across(side, tangent[k])
    return first, np.cross(tangent, first)


def _across(side: Floats, direction: Floats) -> Floats:
    side = side - direction * (dot(side, direction) / dot(direction, direction))
    return side / length(side)
