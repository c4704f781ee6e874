"""Parts on the grid, pieces round their origin, corner normals against a slow reference."""

import math

import numpy as np
import pytest

from helpers.scenes.pieces import GRID, corner_normals, part, piece
from helpers.scenes.random import stream
from helpers.scenes.shapes import Mesh, box, cylinder, sphere


def test_part_rounds_to_the_grid_and_drops_faces_without_area():
    mesh = cylinder(1 / 3, 0.1, 0.9, segments=12)
    made = part(mesh, 7)
    assert made.material == 7
    assert ((made.vertices / GRID) % 1 == 0).all()
    assert np.abs(made.vertices - mesh.vertices).max() <= GRID / 2
    assert len(mesh.faces) - len(made.faces) == 24  # one of each pole's two triangles


def test_piece_is_centred_in_plan_only():
    made = piece(5, [part(box((3, 2, 1), (0.4, 0.6, 0.8), steps=0), 0)])
    vertices = made.parts[0].vertices
    assert made.footprint == pytest.approx((0.4, 0.6))
    assert made.height == pytest.approx(1.4, abs=1e-5)
    assert vertices.min(axis=0) == pytest.approx([-0.2, -0.3, 0.6], abs=1e-5)


def test_hanging_and_wall_pieces_measure_their_height_their_own_way():
    low = part(box((0, 1, -0.5), (0.4, 0.2, 0.6), steps=0), 0)
    assert piece(33, [low], support="ceiling").height == pytest.approx(0.8, abs=1e-5)
    wall = piece(0, [low], support="wall")
    assert wall.height == pytest.approx(0.6, abs=1e-5)
    assert wall.parts[0].vertices[:, 1].max() == pytest.approx(1.1, abs=1e-5)


def test_hard_edges_keep_the_face_normals():
    mesh = box((0, 0, 0), (1, 1, 1), steps=0)
    normals = corner_normals(mesh.vertices, mesh.faces)
    assert normals.shape == (12, 3, 3)
    assert (np.sort(np.abs(normals), axis=-1) == [0, 0, 1]).all()
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    assert ((normals * middles[:, None]).sum(axis=-1) > 0).all()


def test_smooth_surfaces_get_radial_normals():
    made = part(sphere(0.5, (0, 0, 0), segments=40), 0)
    normals = corner_normals(made.vertices, made.faces)
    cosine = (normals * made.vertices[made.faces]).sum(axis=-1) / 0.5
    assert cosine.min() > math.cos(math.radians(2))


def test_crease_angle_decides():
    made = part(cylinder(0.5, 0, 1, segments=12), 0)  # neighbours meet at 30 degrees
    side = np.abs(made.vertices[made.faces][..., :2]).sum(axis=-1).min(axis=1) > 0.1
    smooth = corner_normals(made.vertices, made.faces, 42.0)[side]
    hard = corner_normals(made.vertices, made.faces, 20.0)[side]
    assert np.ptp(smooth, axis=1).max() > 0.4
    assert np.ptp(hard, axis=1).max() < 1e-5


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
    source = stream(1, "rough")
    mesh = box((0, 0, 0), (1, 0.7, 0.4), radius=0.15)
    shake = {}
    rough = np.array(
        [
            np.array([shake.setdefault((p, k), source.normal(0, 0.01)) for k in range(3)])
            for p in map(tuple, np.round(mesh.vertices, 6))
        ]
    )
    made = part(Mesh(mesh.vertices + rough, mesh.faces), 0)
    expected = slow_normals(made.vertices, made.faces, crease)
    assert corner_normals(made.vertices, made.faces, crease) == pytest.approx(expected, abs=1e-9)
