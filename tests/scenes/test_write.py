"""The files of a set: dialects, masks, noise."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from helpers.data.coco import read_index
from helpers.scenes import noise, write
from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes
from helpers.scenes.random import stream
from helpers.scenes.render import compose_view, render_ids

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


def test_plain_coco_loads_in_pycocotools(sets):
    coco = COCO(str(sets["none"] / "coco" / "train.json"))
    assert coco.getImgIds() == [1, 2, 3, 4]
    assert sorted(coco.getAnnIds()) == list(range(1, len(coco.anns) + 1))
    assert coco.cats[33] == {"id": 33, "name": "Pendant Lamp", "supercategory": "Lighting"}
    for annotation in coco.anns.values():
        mask = np.asfortranarray(coco.annToMask(annotation))
        assert annotation["area"] == mask.sum()
        assert annotation["bbox"] == coco_mask.toBbox(coco_mask.encode(mask)).tolist()


def test_masks_are_the_renderers_small_pieces_are_left_out_and_blends_are_decoded(sets):
    exact = masks(load(sets["none"], "coco/train.json"))
    noisy = masks(load(sets["antialias"], "coco/train.json"))
    owner = {a["id"]: a["image_id"] for a in load(sets["none"], "coco/train.json")["annotations"]}
    left_out = third = 0
    for index in range(4):
        view = compose_view(CONFIG, "train", index)
        ids = render_ids(view, CONFIG.size)
        area = np.bincount(ids.ravel(), minlength=2)
        smallest = CONFIG.min_visible_area * (CONFIG.size / 1200) ** 2
        labels = [k for k in range(1, len(area)) if area[k] >= smallest]
        left_out += np.count_nonzero(area[1:]) - len(labels)
        name = f"train/idmap/{index:07d}.png"
        colours = np.asarray(Image.open(sets["none"] / name)).reshape(-1, 3)
        assert len(np.unique(colours, axis=0)) == len(np.unique(ids))
        palette = noise.object_colours(
            len(view.category_ids), stream(CONFIG.seed, "annotation", "train", index)
        )
        decoded = noise.nearest_labels(np.asarray(Image.open(sets["antialias"] / name)), palette)
        own = [number for number, image in owner.items() if image == index + 1]
        for number, label in zip(own, labels, strict=True):
            assert np.array_equal(exact[number], ids == label)
            assert np.array_equal(noisy[number], decoded == label)
        fine = render_ids(view, CONFIG.size, supersample=4)
        samples = fine.reshape(CONFIG.size, 4, CONFIG.size, 4).swapaxes(1, 2)
        third += int((decoded[..., None, None] != samples).all((-1, -2)).sum())
    assert left_out > 0 and third > 0


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


def test_annotations_never_change_and_the_pictures_hashes_are_right(sets):
    for kind, folder in sets.items():
        content = (folder / "coco" / "train.json").read_bytes()
        assert hashlib.sha256(content).hexdigest() == GOLDEN[kind]
        meta = load(folder, "meta.json")
        assert not (folder / write.WORK).exists()
        files = sorted(str(p.relative_to(folder)) for p in folder.glob("*/i*/*.*"))
        assert sorted(meta["sha256"]) == files and len(files) == 14
        for name, digest in meta["sha256"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
