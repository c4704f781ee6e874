"""What furniture is handed over as: parts, pieces, and the normals to light them by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from helpers.scenes.shapes import Floats, Ints, Mesh, dot, face_vectors, length

Support = Literal["floor", "ceiling", "wall"]

GRID = 2.0**-20  # m: vertices lie on multiples of it, so that every machine makes the same bytes
SMALLEST_FACE = 1e-10  # m^2: smaller faces are dropped


@dataclass(frozen=True)
class Part:
    """A mesh of one material: vertices (V, 3) float64, faces (F, 3) int64, a `MaterialTable` index.

    The vertices are the texture coordinates too, before the piece is placed in a room.
    """

    vertices: Floats
    faces: Ints
    material: int


@dataclass(frozen=True)
class Piece:
    """One thing to place in a room: its front looks to -y, the origin is the middle of its base.

    It fills [-w/2, w/2] x [-d/2, d/2] of the `footprint` (w, d) and stands on z = 0 up to `height`
    ("ceiling": hangs from z = 0 down to -height; "wall": its back touches y = 0, z = 0 is its
    middle). `category_id` is 1..34, or 0 for decoration that nobody labels.
    """

    category_id: int
    parts: tuple[Part, ...]
    footprint: tuple[float, float]
    height: float
    support: Support = "floor"


def part(mesh: Mesh, material: int) -> Part:
    """The mesh on the common grid, without faces that have no area."""
    vertices = np.round(mesh.vertices / GRID) * GRID
    keep = length(face_vectors(vertices, mesh.faces)) > 2 * SMALLEST_FACE
    return Part(vertices, mesh.faces[keep], material)


def piece(category_id: int, parts: Sequence[Part], *, support: Support = "floor") -> Piece:
    """The parts as one piece, shifted so that its box is centred on the origin in x and y.

    A "wall" piece is only centred in x. Heights are kept as built: standing is the builder's duty.
    """
    corners = np.concatenate([p.vertices for p in parts])
    low, high = corners.min(axis=0), corners.max(axis=0)
    middle = np.round((low + high) / 2 / GRID) * GRID
    shift = np.array([middle[0], 0.0 if support == "wall" else middle[1], 0.0])
    size = [float(s) for s in high - low]
    height = {"floor": float(high[2]), "ceiling": -float(low[2]), "wall": size[2]}[support]
    placed = tuple(Part(p.vertices - shift, p.faces, p.material) for p in parts)
    return Piece(category_id, placed, (size[0], size[1]), height, support)


def corner_normals(vertices: Floats, faces: Ints, crease_degrees: float = 42.0) -> Floats:
    """Unit normals (F, 3, 3) of the corners: faces that meet below the crease angle are smoothed.

    A corner's normal is the area-weighted mean of the normals of all faces round its vertex which
    lie within the angle of its own; vertices nearer than 2**-14 m count as one.
    """
    vectors = face_vectors(vertices, faces)
    area = length(vectors)
    unit = vectors / np.maximum(area, 1e-14)[:, None]
    corner, other = _corner_pairs(_welded(vertices)[faces.reshape(-1)])
    face = other // 3
    near = dot(unit[corner // 3], unit[face]) > math.cos(math.radians(crease_degrees))
    corner, face = corner[near], face[near]
    count = faces.size
    total = np.stack([np.bincount(corner, vectors[face, k], count) for k in range(3)], axis=1)
    size = length(total)[:, None]
    flat = np.repeat(unit, 3, axis=0)
    return np.where(size > 1e-12, total / np.maximum(size, 1e-12), flat).reshape(-1, 3, 3)


def _welded(vertices: Floats) -> Ints:
    """A number for each vertex, the same for vertices at the same place (within 64 m of 0)."""
    cell = np.round(vertices * 2.0**14).astype(np.int64) + 2**20
    key = (cell[:, 0] << 42) + (cell[:, 1] << 21) + cell[:, 2]
    return np.unique(key, return_inverse=True)[1].reshape(-1)


def _corner_pairs(vertex: Ints) -> tuple[Ints, Ints]:
    """All ordered pairs of corners (themselves included) that sit on the same vertex."""
    order = np.argsort(vertex, kind="stable")
    counts = np.bincount(vertex)
    starts = np.cumsum(counts) - counts
    repeats = counts[vertex]
    corner = np.repeat(np.arange(len(vertex)), repeats)
    step = np.arange(len(corner)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return corner, order[starts[vertex[corner]] + step]
