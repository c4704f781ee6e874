"""The z-buffer against rays, against areas known by geometry, and in the cases that break it."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from helpers.scenes.cameras import Camera
from helpers.scenes.config import SceneConfig
from helpers.scenes.rasterise import visible_hits, visible_triangles
from helpers.scenes.raycast import STACK, build_bvh, pixel_ray, trace
from helpers.scenes.render import compose_view, render_ids

AHEAD = Camera((0.0, 0.0, 0.0), yaw=0.0, pitch=0.0, fov=90.0).frame()


@numba.njit
def _cast_rays(frame, bvh, out, distance):
    stack = np.empty(STACK, np.int32)
    for y in range(len(out)):
        for x in range(len(out)):
            dx, dy, dz = pixel_ray(frame, x + 0.5, y + 0.5, len(out))
            ox, oy, oz = frame[0]
            t, hit, _, _ = trace(ox, oy, oz, dx, dy, dz, 1e9, bvh, False, stack)
            out[y, x], distance[y, x] = hit, t


def _ray_ids(view, size: int) -> np.ndarray:
    hit, distance = np.empty((size, size), np.int32), np.empty((size, size))
    _cast_rays(view.frame, view.geometry.world.bvh, hit, distance)
    return np.where(hit >= 0, view.geometry.piece[hit], 0)


def _triangles(*corners) -> np.ndarray:
    points = np.array(corners, dtype=np.float64).reshape(-1, 3, 3)
    first = points[:, 0]
    return np.concatenate([first, points[:, 1] - first, points[:, 2] - first], axis=1)


def _square(distance: float, half: float) -> np.ndarray:
    """An upright square straight ahead as two triangles."""
    a, b = (-half, distance, -half), (half, distance, -half)
    c, d = (half, distance, half), (-half, distance, half)
    return _triangles(a, b, c, a, c, d)


@pytest.mark.parametrize("index", [0, 3, 10])
def test_z_buffer_sees_what_rays_see(index):
    view = compose_view(SceneConfig(seed=5), "train", index)
    labels = render_ids(view, 240)
    assert labels.max() > 0
    np.testing.assert_array_equal(labels, _ray_ids(view, 240))


@pytest.mark.parametrize("pitch", [-0.9, 0.7])
def test_triangles_reaching_behind_the_camera(pitch):
    floor, ceiling = [(-1, -9, -1), (1, -9, -1), (0, 20, -1)], [(-1, -9, 2), (0, 20, 2), (1, -9, 2)]
    floor = _triangles(*floor, *ceiling)
    bvh, order = build_bvh(
        np.stack([floor[:, :3], floor[:, :3] + floor[:, 3:6], floor[:, :3] + floor[:, 6:]], axis=1)
    )
    frame = Camera((0.2, 0.1, 0.0), yaw=0.4, pitch=pitch, fov=80.0).frame()
    hit, distance = np.empty((128, 128), np.int32), np.empty((128, 128))
    _cast_rays(frame, bvh, hit, distance)
    hits = visible_hits(floor, frame, 128)
    assert hits.triangle.min() == -1 and hits.triangle.max() >= 0
    np.testing.assert_array_equal(hits.triangle, np.where(hit >= 0, order[hit], -1))
    seen = hits.triangle >= 0
    np.testing.assert_allclose(hits.distance[seen], distance[seen], rtol=1e-5)


def test_area_of_a_square():
    # 90 degrees across: at 4 m the picture is 8 m wide, so a 2 m square takes 1 / 16 of it.
    seen = visible_triangles(_square(4.0, 1.0), AHEAD, 400)
    assert (seen >= 0).sum() == 100 * 100
    assert (seen[150:250, 150:250] >= 0).all()


def test_nearer_surfaces_hide_farther_ones():
    both = np.concatenate([_square(4.0, 1.0), _square(2.0, 0.25)])
    for triangles, near in ((both, (2, 3)), (both[::-1].copy(), (0, 1))):
        seen = visible_triangles(triangles, AHEAD, 64)
        assert np.isin(seen[28:36, 28:36], near).all()
        assert not np.isin(seen[24:28], near).any()


def test_left_out_triangles_are_looked_through():
    both = np.concatenate([_square(4.0, 1.0), _square(2.0, 0.25)])
    seen = visible_triangles(both, AHEAD, 64, shown=np.array([True, True, False, False]))
    assert (seen >= 2).sum() == 0
    assert (seen >= 0).sum() == 16 * 16


def test_nothing_to_see():
    assert (visible_triangles(np.empty((0, 9)), AHEAD, 8) == -1).all()
    assert (visible_triangles(_square(-4.0, 1.0), AHEAD, 8) == -1).all()


def test_supersampled_labels_contain_the_plain_ones():
    view = compose_view(SceneConfig(seed=5), "train", 0)
    # With three samples per side the middle one is the pixel's centre.
    np.testing.assert_array_equal(
        render_ids(view, 80), render_ids(view, 80, supersample=3)[1::3, 1::3]
    )
