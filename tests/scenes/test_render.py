"""Pictures and labels: always the same bytes, well exposed, and in agreement with rays."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

from helpers.scenes.config import Quality, SceneConfig
from helpers.scenes.rasterise import visible_hits, visible_triangles
from helpers.scenes.raycast import STACK, build_bvh, pixel_ray, trace, triple
from helpers.scenes.render import Camera, compose_view, render_ids, render_image

CONFIG = SceneConfig(name="test", seed=1, size=96)
AHEAD = Camera((0.0, 0.0, 0.0), yaw=0.0, pitch=0.0, fov=90.0).frame()
GOLDEN = {
    (2, 0, "draft"): "3c015ca8d7b719f16cc2cbaf3df9f527483cb1a634bb76e8d576cef1319e0c5b",
    (2, 1, "full"): "d8a0304a9948a346f937d96aeb2bcda2c548603dfa127f0b3bcb6762478c954b",
    (4, 4, "draft"): "0ce237a92f2c8bb52624ec9c062e90ad5557160a88b53486024706ba1464a14a",
}


@pytest.fixture(scope="module")
def views():
    return [compose_view(CONFIG, "train", index) for index in range(6)]


def digest(seed: int, index: int, quality: Quality) -> str:
    view = compose_view(SceneConfig(seed=seed), "train", index)
    image, labels = render_image(view, 64, quality)
    return hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()


def test_the_bytes_never_change_on_any_machine_and_in_any_thread():
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda key: digest(*key), GOLDEN))
    assert found == list(GOLDEN.values())


def test_pictures_are_well_exposed_and_labelled_as_the_label_map_says(views):
    for view in views:
        image, labels = render_image(view, CONFIG.size, "draft")
        assert image.shape == (96, 96, 3) and image.dtype == np.uint8
        assert 100 < image.mean() < 215 and image.std() > 20
        assert (image.max(axis=2) < 8).mean() < 0.05
        assert (image.min(axis=2) > 252).mean() < 0.20
        np.testing.assert_array_equal(labels, render_ids(view, CONFIG.size))
        # With three samples per side the middle one is the pixel's centre.
        np.testing.assert_array_equal(labels, render_ids(view, 96, supersample=3)[1::3, 1::3])


def test_every_view_shows_enough_furniture_of_its_room(views):
    for view in views:
        areas = np.bincount(render_ids(view, 150).ravel())[1:]
        enough = CONFIG.min_visible_area * (150 / 1200) ** 2
        assert (areas >= enough).sum() >= CONFIG.min_instances
        assert len(areas) <= len(view.category_ids)
        assert all(1 <= category <= 34 for category in view.category_ids)
    assert views[0].category_ids == views[1].category_ids
    assert views[0].camera != views[1].camera


@numba.njit
def cast_rays(frame, bvh, size):
    hit, distance = np.empty((size, size), np.int32), np.empty((size, size))
    stack = np.empty(STACK, np.int32)
    for y in range(size):
        for x in range(size):
            ray = pixel_ray(frame, x + 0.5, y + 0.5, size)
            distance[y, x], hit[y, x], _, _ = trace(triple(frame, 0), ray, 1e9, bvh, False, stack)
    return hit, distance


@pytest.mark.parametrize("index", [0, 3, 10])
def test_the_z_buffer_sees_what_rays_see(index):
    view = compose_view(SceneConfig(seed=5), "train", index)
    hit, _ = cast_rays(view.camera.frame(), view.world.bvh, 240)
    labels = render_ids(view, 240)
    assert labels.max() > 0
    np.testing.assert_array_equal(labels, np.where(hit >= 0, view.piece[hit], 0))


@pytest.mark.parametrize("pitch", [-0.9, 0.7])
def test_triangles_reaching_behind_the_camera(pitch):
    corners = [[(-1, -9, -1), (1, -9, -1), (0, 20, -1)], [(-1, -9, 2), (0, 20, 2), (1, -9, 2)]]
    bvh, _ = build_bvh(np.array(corners, np.float64))
    frame = Camera((0.2, 0.1, 0.0), yaw=0.4, pitch=pitch, fov=80.0).frame()
    hit, distance = cast_rays(frame, bvh, 128)
    hits = visible_hits(bvh.triangles, frame, 128)
    assert hits.triangle.min() == -1 and hits.triangle.max() >= 0
    np.testing.assert_array_equal(hits.triangle, hit)
    seen = hits.triangle >= 0
    np.testing.assert_allclose(hits.distance[seen], distance[seen], rtol=1e-5)


def _square(distance: float, half: float) -> np.ndarray:
    """An upright square straight ahead as two triangles: a corner and two edges each."""
    corner, right, up = [-half, distance, -half], [2 * half, 0, 0], [0, 0, 2 * half]
    across = [2 * half, 0, 2 * half]
    return np.array([[*corner, *right, *across], [*corner, *across, *up]], np.float64)


def test_squares_have_their_area_and_nearer_ones_hide_farther_ones():
    # 90 degrees across: at 4 m the picture is 8 m wide, so a 2 m square takes 1 / 16 of it.
    seen = visible_triangles(_square(4.0, 1.0), AHEAD, 400)
    assert (seen >= 0).sum() == 100 * 100 and (seen[150:250, 150:250] >= 0).all()
    both = np.concatenate([_square(4.0, 1.0), _square(2.0, 0.25)])
    for triangles, near in ((both, (2, 3)), (both[::-1].copy(), (0, 1))):
        seen = visible_triangles(triangles, AHEAD, 64)
        assert np.isin(seen[28:36, 28:36], near).all()
        assert not np.isin(seen[24:28], near).any()
    assert (visible_triangles(_square(-4.0, 1.0), AHEAD, 8) == -1).all()
