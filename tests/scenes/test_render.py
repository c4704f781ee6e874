"""Pictures and labels: always the same bytes, well exposed, and in agreement with each other."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from helpers.scenes.cameras import TRIES, find_camera
from helpers.scenes.config import SceneConfig
from helpers.scenes.geometry import assemble
from helpers.scenes.random import stream
from helpers.scenes.render import View, compose_view, render_ids, render_image
from helpers.scenes.rooms import make_room

CONFIG = SceneConfig(name="test", seed=1, size=96)
VIEWS = range(6)


@pytest.fixture(scope="module")
def views() -> list[View]:
    return [compose_view(CONFIG, "train", index) for index in VIEWS]


@pytest.fixture(scope="module")
def pictures(views) -> list[tuple[np.ndarray, np.ndarray]]:
    return [render_image(view, CONFIG.size, "draft") for view in views]


def _digest(seed: int, index: int, size: int = 64) -> str:
    view = compose_view(SceneConfig(seed=seed), "train", index)
    image, labels = render_image(view, size, "draft")
    return hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()


def test_same_seed_same_bytes():
    assert _digest(2, 1) == _digest(2, 1)
    assert len({_digest(2, 0), _digest(2, 1), _digest(3, 0)}) == 3


def test_threads_do_not_disturb_each_other():
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda index: _digest(4, index), (0, 2, 4, 1)))
    assert together == [_digest(4, index) for index in (0, 2, 4, 1)]


@pytest.mark.slow
def test_same_bytes_on_another_processor():
    """Kernels compiled anew, for a processor without vector extensions."""
    script = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
    script += "import test_render; print(test_render._digest(2, 1))"
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == _digest(2, 1)


def test_pictures_are_well_exposed(pictures):
    for image, _ in pictures:
        assert image.shape == (96, 96, 3) and image.dtype == np.uint8
        assert 100 < image.mean() < 215
        assert image.std() > 20
        assert (image.max(axis=2) < 8).mean() < 0.05
        assert (image.min(axis=2) > 252).mean() < 0.20


def test_labels_of_picture_and_label_map_agree(views, pictures):
    for view, (_, labels) in zip(views, pictures, strict=True):
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(labels, render_ids(view, CONFIG.size))
        assert labels.min() >= 0 and labels.max() <= len(view.category_ids)


def test_every_view_shows_furniture(views):
    for view in views:
        areas = np.bincount(render_ids(view, 150).ravel())[1:]
        enough = CONFIG.min_visible_area * (150 / 1200) ** 2
        assert (areas >= enough).sum() >= CONFIG.min_instances
        assert all(1 <= category <= 34 for category in view.category_ids)


def test_views_of_one_room_share_its_pieces(views):
    assert views[0].category_ids == views[1].category_ids
    assert views[0].camera != views[1].camera
    assert compose_view(CONFIG, "train", 2).category_ids == views[2].category_ids


def test_labels_can_look_through_decoration(views):
    for view in views:
        cut, whole = render_ids(view, 120), render_ids(view, 120, decor_cuts=False)
        assert (whole[cut > 0] == cut[cut > 0]).all()
    assert any((render_ids(v, 120) != render_ids(v, 120, decor_cuts=False)).any() for v in views)


def test_a_view_is_found_even_when_too_much_is_asked():
    room = make_room(1, "train", 0)
    draw = stream(1, "camera")
    geometry = assemble(room)
    camera = find_camera(room, geometry, draw, min_instances=99, min_visible_area=1.0)
    assert TRIES < 100 and 20 < camera.fov < 80
