"""The files of a set: dialects, masks, noise."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from helpers.data.coco import read_index
from helpers.scenes import write
from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes

CONFIG = SceneConfig(name="tiny", size=96, train=4, val=2, test=1, min_visible_area=100**2)

GOLDEN = {  # of coco/train.json
    "none": "effe2adccd865ade1f0b9970edd59b0519a92d9f0226a65a88193f3a09913cbd",
    "antialias": "c8f1b96e680208e13ada5df06cb7c20122f6ed5c807c37af0dd5f18e3e222901",
    "statistical": "927822a1011222e3e06973f26c5ac5a81c9f474d452092bc4ee9a3e8ce65f778",
}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One set without and one with each kind of noise."""
    made = {}
    for kind in ("none", "antialias", "statistical"):
        config = dataclasses.replace(CONFIG, noise=kind)
        made[kind] = make_scenes(config, folder=tmp_path_factory.mktemp(kind), progress=False)
    return made


def load(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def masks(coco: dict) -> dict[int, np.ndarray]:
    return {a["id"]: coco_mask.decode(a["segmentation"]) == 1 for a in coco["annotations"]}


def test_both_dialects_say_the_same_and_are_read_and_the_releases_has_its_quirks(sets):
    for kind, split in (("none", "train"), ("none", "val"), ("statistical", "train")):
        release = load(sets[kind], f"GT/{split}_set.json")
        plain = load(sets[kind], f"coco/{split}.json")["annotations"]
        assert release["images"][0]["file_name"] == "0000000"
        assert release["categories"][4] == {
            "id": 5,
            "fine-grained category name": "Tea Table",
            "category": "Cabinet/Shelf/Desk",
        }
        for a, b in zip(release["annotations"], plain, strict=True):
            assert all(a[k] == b[k] for k in ("id", "image_id", "category_id", "area", "bbox"))
            assert "iscrowd" not in a and a["pose"] is None and a["model_id"] is None
            assert sum(a["segmentation"]["counts"]) == CONFIG.size**2
            runs = coco_mask.frPyObjects(a["segmentation"], CONFIG.size, CONFIG.size)
            assert runs["counts"].decode() == b["segmentation"]["counts"]
        for name in (f"GT/{split}_set.json", f"coco/{split}.json"):
            index = read_index(sets[kind] / name, sets[kind] / split / "image")
            assert len(index) == getattr(CONFIG, split)
            assert len(index.frame()) == len(plain) > 0
    assert load(sets["none"], "GT/test_set.json").keys() == {"images"}


@pytest.mark.parametrize("kind", ["antialias", "statistical"])
def test_noise_changes_masks_alone_and_the_truth_stands_beside(sets, kind):
    clean, noisy = sets["none"], sets[kind]
    for picture in clean.glob("*/image/*.jpg"):
        assert (noisy / picture.relative_to(clean)).read_bytes() == picture.read_bytes()
    for split in ("train", "val", "test"):
        assert load(noisy, f"true/{split}.json") == load(clean, f"coco/{split}.json")
        true, changed = (masks(load(noisy, f"{d}/{split}.json")) for d in ("true", "coco"))
        assert true.keys() == changed.keys()
        assert any((mask ^ changed[number]).any() for number, mask in true.items())


def test_annotations_never_change(sets):
    for kind, folder in sets.items():
        content = (folder / "coco" / "train.json").read_bytes()
        assert hashlib.sha256(content).hexdigest() == GOLDEN[kind]
        assert not (folder / write.WORK).exists()
