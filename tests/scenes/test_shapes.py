"""Primitives against what geometry says about them: volume, area, extent, closedness."""

import math

import numpy as np
import pytest

from helpers.scenes.shapes import (
    Mesh,
    box,
    cylinder,
    face_vectors,
    lathe,
    length,
    ring,
    sheet,
    shell,
    smoothed,
    sphere,
    tube,
)


def volume(mesh: Mesh) -> float:
    """Signed: positive when the faces look outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def area(mesh: Mesh) -> float:
    return float(length(face_vectors(mesh.vertices, mesh.faces)).sum() / 2)


def extent(mesh: Mesh) -> list[float]:
    return list(np.ptp(mesh.vertices, axis=0))


def is_watertight(mesh: Mesh) -> bool:
    """Every directed edge between welded places is met once by its opposite."""
    places = np.unique(np.round(mesh.vertices, 6), axis=0, return_inverse=True)[1].reshape(-1)
    corners = places[mesh.faces]
    corners = corners[(np.diff(np.sort(corners), axis=1) > 0).all(axis=1)]  # poles collapse faces
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    forward = {tuple(edge) for edge in edges.tolist()}
    return len(forward) == len(edges) and all((b, a) in forward for a, b in forward)


CLOSED = {
    "sharp box": box((1, 2, 3), (1.0, 0.6, 0.4), steps=0),
    "rounded box": box((1, 2, 3), (1.0, 0.6, 0.4), radius=0.1, steps=3, inner=2),
    "cushion": box((0, 0, 0), (1.0, 0.6, 0.4), radius=0.1, steps=2, inner=3, puff=(0, 0.3, 0.2)),
    "cylinder": cylinder(0.5, 0.1, 0.7),
    "sphere": sphere(0.5, (1, 1, 1)),
    "ring profile": lathe([(0.4, 0.1), (0.3, -0.1), (0.5, -0.1), (0.5, 0.1), (0.4, 0.1)]),
    "bar": tube([(0, 0, 0), (0, 0, 1)], (0.1, 0.05)),
    "bent bar": tube([(0, 0, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1)], 0.05, sides=4),
    "hoop": tube(ring((0, 0, 1), 0.5), 0.02, closed=True),
    "shell": shell(lambda a, b: (a, b, 0.2 * np.sin(3 * a)), 0.05, steps=(6, 4)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_solids_are_closed_and_face_outwards(name):
    mesh = CLOSED[name]
    assert is_watertight(mesh)
    assert volume(mesh.moved(5, -3, 2)) == pytest.approx(volume(mesh), rel=1e-6)
    assert volume(mesh) > 0


def test_sharp_box_is_a_box():
    mesh = box((1, 2, 3), (1.0, 0.6, 0.4), steps=0)
    assert len(mesh.faces) == 12
    assert volume(mesh) == pytest.approx(0.24)
    assert area(mesh) == pytest.approx(2 * (0.6 + 0.4 + 0.24))
    assert mesh.vertices.min(axis=0) == pytest.approx([0.5, 1.7, 2.8])


def test_rounding_takes_the_edges_away_but_not_the_size():
    mesh = box((0, 0, 0), (1.0, 0.6, 0.4), radius=0.1, steps=12)
    core = (0.8, 0.4, 0.2)  # Steiner's formula for a box grown by a ball of 0.1
    faces = 2 * (core[0] * core[1] + core[1] * core[2] + core[0] * core[2])
    expected = math.prod(core) + 0.1 * faces + math.pi * 0.01 * sum(core) + 4 / 3 * math.pi * 1e-3
    assert volume(mesh) == pytest.approx(expected, rel=2e-3)
    assert extent(mesh) == pytest.approx([1.0, 0.6, 0.4])


def test_a_face_of_a_box_looks_away_from_its_middle():
    mesh = box((0, 0, 0), (1.0, 0.6, 0.4), radius=0.05, steps=2, inner=2)
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    assert ((face_vectors(mesh.vertices, mesh.faces) * middles).sum(axis=1) > 0).all()


def test_puff_bulges_the_middle_and_leaves_the_edges():
    mesh = box((0, 0, 0), (1, 1, 0.2), radius=0.02, steps=2, inner=3, puff=(0, 0, 0.5))
    assert extent(mesh) == pytest.approx([1, 1, 0.3])


def test_cylinder_is_a_polygonal_prism():
    mesh = cylinder(0.5, 0.1, 0.7, segments=24, stretch=(2.0, 1.0))
    base = 2 * 12 * 0.25 * math.sin(math.tau / 24)
    assert volume(mesh) == pytest.approx(0.6 * base)
    assert extent(mesh) == pytest.approx([2.0, 1.0, 0.6])


def test_disc_area():
    mesh = lathe([(0, 0.2), (0.3, 0.2)], segments=32)
    assert area(mesh) == pytest.approx(16 * 0.09 * math.sin(math.tau / 32))


def test_sphere_is_nearly_round():
    mesh = sphere(0.5, (1, 2, 3), segments=48)
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi / 8, rel=0.01)
    assert length(mesh.vertices - np.array([1, 2, 3])) == pytest.approx(0.5)


def test_straight_tube_is_a_prism():
    mesh = tube([(0, 0, 0), (0.3, 0, 0.4)], 0.1, sides=8)
    assert volume(mesh) == pytest.approx(0.5 * 4 * 0.01 * math.sin(math.tau / 8))


def test_tapered_tube_is_a_frustum():
    mesh = tube([(0, 0, 0), (0, 0, 0.9)], (0.2, 0.1), sides=6)
    base = 3 * math.sin(math.tau / 6)
    assert volume(mesh) == pytest.approx(0.9 / 3 * base * (0.04 + 0.02 + 0.01))


def test_mitred_bends_keep_the_cross_section():
    path = [(0, 0, 0), (0, 0, 1), (0.8, 0, 1), (0.8, 0.6, 1)]
    mesh = tube(path, 0.05, sides=4)
    assert volume(mesh) == pytest.approx(2 * 0.05**2 * (1 + 0.8 + 0.6), rel=1e-6)


def test_hoop_obeys_pappus():
    mesh = tube(ring((0, 0, 0), 0.5, 64), 0.02, sides=12, closed=True)
    section = 6 * 0.02**2 * math.sin(math.tau / 12)
    assert volume(mesh) == pytest.approx(section * math.tau * 0.5, rel=0.01)


def test_sheet_looks_along_u_x_v():
    mesh = sheet((1, 0, 0), (2, 0, 0), (0, 0, 3), steps=(3, 2))
    vectors = face_vectors(mesh.vertices, mesh.faces)
    assert area(mesh) == pytest.approx(6)
    assert (vectors[:, 1] < 0).all() and not vectors[:, [0, 2]].any()


def test_sheet_offset_is_added():
    mesh = sheet((0, 0, 0), (1, 0, 0), (0, 1, 0), steps=(4, 4), offset=lambda a, b: (0, 0, a * b))
    x, y, z = mesh.vertices.T
    assert z == pytest.approx(x * y)


def test_flat_shell_is_a_board():
    mesh = shell(lambda a, b: (2 * a, 3 * b, 1.0), 0.1, steps=(4, 5))
    assert volume(mesh) == pytest.approx(0.6)
    assert extent(mesh) == pytest.approx([2, 3, 0.1])
    assert mesh.vertices[:, 2].max() == pytest.approx(1.0)  # it grows against the normal


@pytest.mark.parametrize(
    ("axis", "start", "end"),
    [
        ("x", (0, 1, 0), (0, 0, 1)),
        ("y", (0, 0, 1), (1, 0, 0)),
        ("z", (1, 0, 0), (0, 1, 0)),
    ],
)
def test_turning_follows_the_right_hand(axis, start, end):
    mesh = Mesh(np.array([start], dtype=float), np.empty((0, 3), dtype=np.int64))
    assert mesh.turned(axis, math.pi / 2).vertices[0] == pytest.approx(end)


def test_shearing_leans_back_and_keeps_the_volume():
    mesh = box((0, 0, 0.5), (0.2, 0.2, 1), steps=0)
    leaned = mesh.sheared(0.3)
    assert volume(leaned) == pytest.approx(volume(mesh))
    assert leaned.vertices[:, 1].max() == pytest.approx(0.4)


def test_smoothed_curve_goes_through_its_points():
    points = np.array([(0, 0), (1, 2), (3, 1), (4, 4)], dtype=float)
    curve = smoothed(points, 5)
    assert curve[::5] == pytest.approx(points)
    straight = smoothed([(0, 0), (1, 1), (2, 2), (3, 3)], 4)
    assert straight[:, 0] == pytest.approx(straight[:, 1])
