"""A room as triangles: everything placed, in the form the kernels read.

Shape letters: T triangles, V vertices, F faces of a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin

import numpy as np

from helpers.scenes.materials import pack_materials
from helpers.scenes.pieces import GRID
from helpers.scenes.raycast import build_bvh
from helpers.scenes.rooms import Room
from helpers.scenes.shading import Surfaces, World
from helpers.scenes.shapes import corner_normals

AMBIENT = (0.12, 0.12, 0.125)  # what light that leaves the room through no surface amounts to


@dataclass(frozen=True)
class Geometry:
    """A room's triangles. `piece` (T,) int32: 1..n for the furniture in its order, else 0."""

    world: World
    piece: np.ndarray


def assemble(room: Room) -> Geometry:
    """Triangles, hierarchy, materials and lights of a room."""
    things = [(placed, number) for number, placed in enumerate(room.furniture, 1)]
    things += [(placed, 0) for placed in (*room.shell, *room.decor)]
    corners, normals, local, rows = [], [], [], []
    smooth: dict[int, np.ndarray] = {}  # equal chairs share their parts
    for placed, piece in things:
        for part in placed.piece.parts:
            if id(part) not in smooth:
                smooth[id(part)] = corner_normals(part.vertices, part.faces)
            moved = _turned(part.vertices, placed.yaw) + np.array([placed.x, placed.y, placed.z])
            corners.append((np.round(moved / GRID) * GRID)[part.faces])
            normals.append(_turned(smooth[id(part)], placed.yaw))
            local.append(part.vertices[part.faces])
            row = [part.material, len(rows), piece]
            rows.append(np.tile(row, (len(part.faces), 1)))
    bvh, order = build_bvh(np.concatenate(corners))
    material, part_index, piece = np.concatenate(rows)[order].astype(np.int32).T.copy()
    normals, local = (
        np.concatenate(values)[order].reshape(-1, 9).astype(np.float32)
        for values in (normals, local)
    )
    surfaces = Surfaces(normals, local, material, part_index)
    materials = pack_materials(room.materials)
    world = World(bvh, surfaces, materials, room.lights, np.array(AMBIENT))
    return Geometry(world, piece)


def _turned(points: np.ndarray, yaw: float) -> np.ndarray:
    """Points (..., 3) turned about z; no matrix product, whose rounding differs by machine."""
    c, s = cos(yaw), sin(yaw)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y, points[..., 2]], axis=-1)
