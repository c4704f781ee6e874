"""Primitives against what geometry says about them: closedness, volume, extent, normals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.scenes.pieces import Part
from helpers.scenes.random import stream
from helpers.scenes.shapes import (
    Mesh,
    box,
    corner_normals,
    cushion,
    cylinder,
    lathe,
    ring,
    shell,
    sphere,
    tube,
)


def volume(mesh: Mesh) -> float:
    """Signed: positive when the faces look outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def is_watertight(mesh: Mesh) -> bool:
    """Every directed edge between welded places is met once by its opposite."""
    places = np.unique(np.round(mesh.vertices, 6), axis=0, return_inverse=True)[1].reshape(-1)
    corners = places[mesh.faces]
    corners = corners[(np.diff(np.sort(corners), axis=1) > 0).all(axis=1)]  # poles collapse faces
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    forward = {tuple(edge) for edge in edges.tolist()}
    return len(forward) == len(edges) and all((b, a) in forward for a, b in forward)


# Steiner's formula for a box of 0.8 x 0.4 x 0.2 grown by a ball of 0.1.
ROUNDED = 0.8 * 0.4 * 0.2 + 0.1 * 2 * (0.32 + 0.08 + 0.16) + math.pi * 0.01 * 1.4
ROUNDED += 4 / 3 * math.pi * 1e-3
HEXAGON, OCTAGON = 3 * math.sin(math.tau / 6), 4 * math.sin(math.tau / 8)
BENT = [(0, 0, 0), (0, 0, 1), (0.8, 0, 1), (0.8, 0.6, 1)]

CLOSED = {  # mesh, volume where it is known
    "sharp box": (box((1, 2, 3), (1.0, 0.6, 0.4), steps=0), 0.24),
    "rounded box": (box((1, 2, 3), (1.0, 0.6, 0.4), radius=0.1, steps=12), ROUNDED),
    "cushion": (cushion((0, 0, 0), (1.0, 0.6, 0.4), radius=0.1, puff=(0, 0.3, 0.2)), None),
    "cylinder": (cylinder(0.5, 0.1, 0.7, segments=6, stretch=(2, 1)), 0.6 * 0.5 * HEXAGON),
    "sphere": (sphere(0.5, (1, 1, 1), segments=48), 4 / 3 * math.pi / 8),
    "ring": (lathe([(0.4, 0.1), (0.3, -0.1), (0.5, -0.1), (0.5, 0.1), (0.4, 0.1)]), None),
    "bar": (tube([(0, 0, 0), (0.3, 0, 0.4)], 0.1, sides=8), 0.5 * 0.01 * OCTAGON),
    "tapered": (tube([(0, 0, 0), (0, 0, 0.9)], (0.2, 0.1), sides=6), 0.3 * HEXAGON * 0.07),
    "mitred": (tube(BENT, 0.05, sides=4), 2 * 0.05**2 * 2.4),
    "hoop": (tube(ring(0.5, 1.0, 64), 0.02, sides=8, closed=True), OCTAGON * 4e-4 * math.pi),
    "shell": (shell(lambda a, b: (a, b, 0.2 * np.sin(3 * a)), 0.05, steps=(6, 4)), None),
}


@pytest.mark.parametrize("name", CLOSED)
def test_solids_are_closed_face_outwards_and_have_their_volume(name):
    mesh, expected = CLOSED[name]
    assert is_watertight(mesh)
    assert volume(mesh) > 0
    assert volume(mesh.moved(5, -3, 2)) == pytest.approx(volume(mesh), rel=1e-6)
    if expected is not None:
        assert volume(mesh) == pytest.approx(expected, rel=1e-2)


def slow_normals(vertices, faces, crease_degrees):
    vectors = [np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a]) for a, b, c in faces]
    units = [v / np.linalg.norm(v) for v in vectors]
    normals = np.empty((len(faces), 3, 3))
    for f, face in enumerate(faces):
        for k, corner in enumerate(face):
            total = np.zeros(3)
            for g, other in enumerate(faces):
                touches = any(np.abs(vertices[corner] - vertices[v]).max() < 1e-5 for v in other)
                if touches and units[f] @ units[g] > math.cos(math.radians(crease_degrees)):
                    total += vectors[g]
            normals[f, k] = total / np.linalg.norm(total)
    return normals


@pytest.mark.parametrize("crease", [15.0, 42.0, 100.0])
def test_corner_normals_equal_the_slow_reference(crease):
    source, shake = stream(1, "rough"), {}
    mesh = box((0, 0, 0), (1, 0.7, 0.4), radius=0.15)
    rough = np.array(
        [
            np.array([shake.setdefault((p, k), source.normal(0, 0.01)) for k in range(3)])
            for p in map(tuple, np.round(mesh.vertices, 6))
        ]
    )
    made = Part.of(Mesh(mesh.vertices + rough, mesh.faces), 0)
    expected = slow_normals(made.vertices, made.faces, crease)
    assert corner_normals(made.vertices, made.faces, crease) == pytest.approx(expected, abs=1e-9)
