"""The files of a set: dialects, masks, noise with its log. The renderer is a stand-in here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from helpers.__main__ import main
from helpers.data.coco import read_index
from helpers.scenes import noise, write
from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes
from helpers.scenes.random import stream
from helpers.scenes.statistics import scene_statistics

CONFIG = SceneConfig(name="drawn", size=160, train=4, val=2, test=1)


@dataclass(frozen=True)
class View:
    category_ids: tuple[int, ...]
    key: tuple[int, str, int]


class DrawnScenes:
    """Ellipses, boxes and a thin rod instead of rooms; quick, and like the renderer in kind."""

    View = View

    @staticmethod
    def compose_view(config: SceneConfig, split: str, index: int) -> View:
        draw = stream(config.seed, split, index)
        ids = tuple(draw.integers(1, 35) for _ in range(draw.integers(4, 8)))
        return View(ids, (config.seed, split, index))

    @staticmethod
    def render_ids(view: View, size: int, supersample: int = 1) -> np.ndarray:
        draw, side = stream(*view.key, "shapes"), size * supersample
        y, x = (np.mgrid[:side, :side] + 0.5) / side
        ids = np.zeros((side, side), np.int32)
        for label in range(1, len(view.category_ids)):
            dx, dy = (x - draw.random()) / draw.uniform(0.05, 0.3), y - draw.random()
            dy = dy / draw.uniform(0.05, 0.3)
            ids[(dx * dx + dy * dy < 1) if label % 2 else (np.maximum(abs(dx), abs(dy)) < 1)] = (
                label
            )
        ids[(y < 4 / 160) & (x < 3 / 160)] = len(view.category_ids)  # 12 px: too small to annotate
        return ids

    @classmethod
    def render_image(cls, view: View, size: int, quality: str) -> tuple[np.ndarray, np.ndarray]:
        ids = cls.render_ids(view, size)
        return (ids[..., None] * np.array([20, 30, 7])).astype(np.uint8), ids


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One set without and one with each kind of noise."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "render", DrawnScenes)
        for kind in ("none", "antialias", "statistical"):
            config = SceneConfig(**{**vars(CONFIG), "noise": kind})
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = make_scenes(config, folder=folder, jobs=1, progress=False)
    return made


def load(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def masks(coco: dict) -> dict[int, np.ndarray]:
    return {a["id"]: coco_mask.decode(a["segmentation"]) == 1 for a in coco["annotations"]}


def exact_ids(split: str, index: int) -> np.ndarray:
    view = DrawnScenes.compose_view(CONFIG, split, index)
    return DrawnScenes.render_ids(view, CONFIG.size)


def test_the_release_dialect_has_its_quirks(sets):
    data = load(sets["none"], "GT/train_set.json")
    assert [image["file_name"] for image in data["images"]] == [f"{i:07d}" for i in range(4)]
    assert data["categories"][4] == {
        "id": 5,
        "fine-grained category name": "Tea Table",
        "category": "Cabinet/Shelf/Desk",
    }
    for annotation in data["annotations"]:
        assert "iscrowd" not in annotation
        assert annotation["pose"] is None and annotation["model_id"] is None
        assert isinstance(annotation["segmentation"]["counts"], list)
        assert sum(annotation["segmentation"]["counts"]) == CONFIG.size**2
    assert load(sets["none"], "GT/test_set.json").keys() == {"images"}


def test_file_names_repeat_across_splits(sets):
    for split in ("train", "val", "test"):
        assert (sets["none"] / split / "image" / "0000000.jpg").is_file()
        assert (sets["none"] / split / "idmap" / "0000000.png").is_file()


def test_both_dialects_say_the_same(sets):
    for kind, split in (("none", "train"), ("none", "val"), ("statistical", "train")):
        release = load(sets[kind], f"GT/{split}_set.json")["annotations"]
        plain = load(sets[kind], f"coco/{split}.json")["annotations"]
        assert len(release) == len(plain) > 0
        for a, b in zip(release, plain, strict=True):
            assert all(
                a[key] == b[key] for key in ("id", "image_id", "category_id", "area", "bbox")
            )
            runs = coco_mask.frPyObjects(a["segmentation"], CONFIG.size, CONFIG.size)
            assert runs["counts"].decode() == b["segmentation"]["counts"]


def test_plain_coco_loads_in_pycocotools(sets, capsys):
    coco = COCO(str(sets["none"] / "coco" / "train.json"))
    capsys.readouterr()
    assert coco.getImgIds() == [1, 2, 3, 4]
    assert sorted(coco.getAnnIds()) == list(range(1, len(coco.anns) + 1))
    assert len(coco.cats) == 34
    assert coco.cats[33] == {"id": 33, "name": "Pendant Lamp", "supercategory": "Lighting"}
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert annotation["area"] == mask.sum()
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width - 1, y + height - 1) == (columns.max(), rows.max())


def test_masks_are_the_renderers_and_small_pieces_are_left_out(sets):
    data = load(sets["none"], "coco/train.json")
    found = masks(data)
    smallest = CONFIG.min_visible_area * (CONFIG.size / 1200) ** 2
    for index in range(4):
        ids = exact_ids("train", index)
        area = np.bincount(ids.ravel())
        labels = [k for k in range(1, len(area)) if area[k] >= smallest]
        assert area[-1] == 12 and len(area) - 1 not in labels
        own = [a["id"] for a in data["annotations"] if a["image_id"] == index + 1]
        assert len(own) == len(labels)
        for number, label in zip(own, labels, strict=True):
            assert np.array_equal(found[number], ids == label)


def test_an_id_map_without_noise_has_one_colour_per_piece(sets):
    picture = np.asarray(Image.open(sets["none"] / "train" / "idmap" / "0000001.png"))
    ids = exact_ids("train", 1)
    for label in np.unique(ids):
        assert len(np.unique(picture[ids == label], axis=0)) == 1
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == len(np.unique(ids))


@pytest.mark.parametrize("kind", ["antialias", "statistical"])
def test_noise_changes_annotations_alone_and_the_truth_stands_beside(sets, kind):
    clean, noisy = sets["none"], sets[kind]
    for picture in clean.glob("*/image/*.jpg"):
        assert (noisy / picture.relative_to(clean)).read_bytes() == picture.read_bytes()
    for split in ("train", "val", "test"):
        assert load(noisy, f"true/{split}.json") == load(clean, f"coco/{split}.json")
        assert load(noisy, f"coco/{split}.json") != load(clean, f"coco/{split}.json")


@pytest.mark.parametrize("kind", ["antialias", "statistical"])
def test_the_noise_log_is_the_xor_with_the_truth(sets, kind):
    log = load(sets[kind], "noise_log.json")
    for split in ("train", "val", "test"):
        true, noisy = (masks(load(sets[kind], f"{d}/{split}.json")) for d in ("true", "coco"))
        assert log[split].keys() == {str(number) for number in true}
        for number, mask in true.items():
            changed = int((mask ^ noisy[number]).sum())
            assert sum(log[split][str(number)].values()) == changed


def test_an_antialiased_id_map_decodes_to_the_annotations_third_labels_included(sets):
    data, third = load(sets["antialias"], "coco/train.json"), 0
    found = masks(data)
    for index in range(4):
        view = DrawnScenes.compose_view(CONFIG, "train", index)
        draw = stream(CONFIG.seed, "annotation", "train", index)
        colours = noise.object_colours(len(view.category_ids), draw)
        file = sets["antialias"] / "train" / "idmap" / f"{index:07d}.png"
        decoded = noise.nearest_labels(np.asarray(Image.open(file)), colours)
        labels = write.visible_labels(exact_ids("train", index), CONFIG)
        own = [a["id"] for a in data["annotations"] if a["image_id"] == index + 1]
        for number, label in zip(own, labels, strict=True):
            assert np.array_equal(found[number], decoded == label)
        fine = DrawnScenes.render_ids(view, CONFIG.size, write.ANTIALIAS_FACTOR)
        samples = fine.reshape(CONFIG.size, 4, CONFIG.size, 4).transpose(0, 2, 1, 3)
        samples = samples.reshape(CONFIG.size, CONFIG.size, 16)
        third += int((decoded[..., None] != samples).all(-1).sum())
    assert third > 0


def test_no_work_folder_is_left_and_the_pictures_hashes_are_right(sets):
    import hashlib

    for folder in sets.values():
        meta = load(folder, "meta.json")
        assert not (folder / write.WORK).exists()
        files = sorted(str(p.relative_to(folder)) for p in folder.glob("*/i*/*.*"))
        assert sorted(meta["sha256"]) == files and len(files) == 14
        for name, digest in meta["sha256"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_describe_mask_on_drawn_masks():
    mask = np.array([[1, 0, 0], [1, 0, 1]], bool)
    description = write.describe_mask(mask)
    assert description["segmentation"] == {"counts": [0, 2, 3, 1], "size": [2, 3]}
    assert description["area"] == 3 and description["bbox"] == [0, 0, 3, 2]
    assert write.describe_mask(~mask)["segmentation"]["counts"] == [2, 3, 1]
    full = write.describe_mask(np.ones((2, 2), bool))
    assert full["segmentation"]["counts"] == [0, 4] and full["bbox"] == [0, 0, 2, 2]


def test_commands_print_statistics_and_draw_a_sheet(sets, tmp_path, capsys):
    folder, out = str(sets["statistical"]), tmp_path / "sheet.png"
    assert main(["scenes", "stats", "--folder", folder, "--categories"]) == 0
    printed = capsys.readouterr().out
    assert "instances per image" in printed and "Pendant Lamp" in printed
    assert main(["scenes", "show", "--folder", folder, "--count", "3", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (CONFIG.size, 4 * CONFIG.size, 3)
    assert (sheet[:, -CONFIG.size :] == 255).all()  # the fourth place is empty
    assert (sheet[:, : CONFIG.size] == [0xE6, 0x9F, 0x00]).all(-1).sum() > 20  # first contour
    assert main(["scenes", "stats", "--folder", str(tmp_path)]) == 2


def test_the_reader_of_this_project_takes_both_dialects(sets):
    for name in ("GT/train_set.json", "coco/train.json"):
        index = read_index(sets["antialias"] / name, sets["antialias"] / "train" / "image")
        assert len(index) == CONFIG.train
        assert scene_statistics(index).instances == len(
            load(sets["antialias"], name)["annotations"]
        )
