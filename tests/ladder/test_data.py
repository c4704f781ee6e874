"""The data of a ladder: asked for where they are not there, and shown without being on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from helpers.files import UserError
from helpers.ladder import data
from helpers.ladder.scales import scale
from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes


def test_real_data_that_are_not_there_are_asked_for_by_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    with pytest.raises(UserError, match="python -m helpers split data/3D-FUTURE"):
        data.prepare("paper")
    with pytest.raises(UserError, match="put the data set under data/3D-FUTURE"):
        data.validation_picture("paper", "0000000.jpg")
    assert data.held_out("paper") is None


def test_a_scene_that_is_not_on_disk_is_rendered_as_it_would_be_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    config = SceneConfig(name="ladder", size=64, train=0, val=2, noise="statistical")
    monkeypatch.setattr(data, "scenes", lambda preset: config)
    rendered = data.validation_picture("bench", "0000001.jpg")
    folder = make_scenes(config, jobs=1, progress=False)
    assert (folder / "val" / "image") == tmp_path / "scenes" / "ladder" / "val" / "image"
    stored = data.validation_picture("bench", "0000001.jpg")
    with Image.open(folder / "val" / "image" / "0000001.jpg") as picture:
        np.testing.assert_array_equal(stored, np.asarray(picture))
    assert np.abs(rendered.astype(int) - stored).mean() < 6  # what JPEG takes away
    assert scale("bench").masks.val_images == "outputs/scenes/ladder/val/image"


def test_one_picture_in_so_many_has_the_other_masks(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    images = [{"id": n} for n in range(1, 6)]
    for name in ("exact", "noisy"):
        rows = [{"image_id": n, "id": 10 * n + k, "of": name} for n in range(1, 6) for k in (1, 2)]
        coco = {"images": images, "categories": [], "annotations": rows}
        (tmp_path / f"{name}.json").write_text(json.dumps(coco))
    files = [f"outputs/{name}.json" for name in ("exact", "noisy", "mixed/noisy")]
    data.mix(*files, one_in=2)
    mixed = json.loads((tmp_path / "mixed/noisy.json").read_text())
    assert mixed["images"] == images
    assert [a["of"] for a in mixed["annotations"]][::2] == [
        "noisy", "exact", "noisy", "exact", "noisy",
    ]  # fmt: skip
    assert [a["id"] for a in mixed["annotations"]] == [11, 12, 21, 22, 31, 32, 41, 42, 51, 52]
