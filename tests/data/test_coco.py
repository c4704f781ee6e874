"""Files that must simply work: 3D-FUTURE's dialect and what else is found in the wild."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datafiles import Document, annotation, picture, rectangle, uncompressed, write

from helpers.data import rle as rles
from helpers.data.coco import read_index
from helpers.data.segmentation import read_segmentation
from helpers.data.taxonomy import FUTURE3D, slug


def future3d(doc: Document, folder: Path) -> None:
    """As released: no name, no extension, no iscrowd, runs as lists, pose and model may be null."""
    doc["categories"] = [
        {"id": c.id, "category": c.supercategory, "fine-grained category name": c.name}
        for c in FUTURE3D.categories
    ]
    for image in doc["images"]:
        size = (image["height"], image["width"])
        image["file_name"] = f"{image['id'] - 1:07d}"
        picture(*size, seed=image["id"]).save(folder / f"{image['file_name']}.jpg")
    sizes = {image["id"]: [image["height"], image["width"]] for image in doc["images"]}
    for entry in doc["annotations"]:
        del entry["iscrowd"]
        size = sizes[entry["image_id"]]
        mask = rles.decode(rles.from_polygons(entry["segmentation"], size))
        entry["segmentation"] = {"size": size, "counts": uncompressed(mask)}
        entry.update(model_id=None, texture_id=None, pose={"translation": None}, fov=0.8)
        entry.update(style="Modern", theme=None, material=None)


def test_D1_D9_future3d_dialect(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, future3d))
    plain = read_index(write(tmp_path, name="plain.json"))
    assert index.warnings == ()
    assert index.taxonomy == FUTURE3D
    assert [index.rle(n) for n in range(3)] == [plain.rle(n) for n in range(3)]
    assert index.image_path(0).name == "0000000.jpg" and index.file_names[0] == "0000000"
    assert not index.crowd.any()
    assert index.frame()["category"].tolist() == [FUTURE3D.names[n] for n in (2, 6, 2)]


def test_D1_super_categories_of_future3d(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, future3d), label_space="super")
    assert index.taxonomy.num_classes == 7
    assert {a["category_id"] for a in index.to_coco()["annotations"]} == {1}


def test_D2_test_file_without_categories(tmp_path: Path) -> None:
    def bare(doc: Document, folder: Path) -> None:
        del doc["categories"], doc["annotations"]

    index = read_index(write(tmp_path, bare), mode="predict")
    assert len(index) == 2 and index.num_annotations == 0
    assert index.taxonomy == FUTURE3D
    assert index.frame().empty and index.to_coco()["annotations"] == []
    assert len(index.instances(0)) == 0


def test_D6_ids_with_gaps_and_zero_come_back(tmp_path: Path) -> None:
    def gaps(doc: Document, folder: Path) -> None:
        doc["categories"] = [{"id": n, "name": f"kind {n}"} for n in (90, 0, 13)]
        for entry, number in zip(doc["annotations"], (90, 0, 13), strict=True):
            entry["category_id"] = number

    index = read_index(write(tmp_path, gaps))
    taxonomy = index.taxonomy
    assert index.labels.tolist() == [2, 0, 1]
    assert [taxonomy.category_id_of(label) for label in index.labels] == [90, 0, 13]
    assert type(taxonomy).from_dict(json.loads(json.dumps(taxonomy.to_dict()))) == taxonomy


def test_D10_names_with_slashes_and_umlauts(tmp_path: Path) -> None:
    names = ("Corner/Side Table", "Bookcase / jewelry Armoire", "Stühle 椅子")

    def rename(doc: Document, folder: Path) -> None:
        doc["categories"] = [
            {"id": n, "name": name} for n, name in zip((3, 7, 8), names, strict=True)
        ]

    index = read_index(write(tmp_path, rename))
    assert index.taxonomy.names == names
    assert [slug(name) for name in names] == [
        "corner-side-table",
        "bookcase-jewelry-armoire",
        "stühle-椅子",
    ]
    assert slug("../..") == "unnamed"


def forms(mask: np.ndarray, rings: list[list[float]]) -> dict[str, Any]:
    """The same mask in every form an annotation file may hold."""
    packed = rles.encode(mask)
    return {
        "polygons": rings,
        "text": dict(packed),
        "bytes": {"size": packed["size"], "counts": packed["counts"].encode()},
        "runs": {"size": packed["size"], "counts": uncompressed(mask)},
        "runs with empty ones": {
            "size": packed["size"],
            "counts": [0, 0, *uncompressed(mask), 0],
        },
    }


@pytest.mark.parametrize("form", forms(np.ones((1, 1), bool), []))
def test_D12_every_form_gives_the_same_raster(form: str) -> None:
    mask = np.zeros((16, 24), dtype=bool)
    mask[3:8, 2:10] = True
    mask[10:14, 12:20] = True
    rings = [rectangle(2, 3, 8, 5), rectangle(12, 10, 8, 4)]
    reading = read_segmentation(forms(mask, rings)[form], (16, 24))
    assert reading.rle == rles.encode(mask) and reading.remarks == ()
    assert (reading.area, reading.box) == (72, (2, 3, 18, 11))


def test_D19_ring_that_crosses_itself_is_even_odd() -> None:
    square_twice = [[2, 2, 10, 2, 10, 10, 2, 10, 2, 2, 6, 2, 6, 6, 2, 6]]
    mask = rles.decode(read_segmentation(square_twice, (16, 24)).rle)
    assert not mask[2:6, 2:6].any() and mask[7:10, 7:10].all()


def test_D28_missing_or_null_iscrowd_is_no_crowd(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        del doc["annotations"][0]["iscrowd"]
        doc["annotations"][1]["iscrowd"] = None
        doc["annotations"][2]["iscrowd"] = 1

    index = read_index(write(tmp_path, change))
    assert index.crowd.tolist() == [False, False, True]
    assert [a["iscrowd"] for a in index.to_coco()["annotations"]] == [0, 0, 1]


def test_D31_from_one_pixel_to_the_whole_picture_a_hundred_times(tmp_path: Path) -> None:
    def many(doc: Document, folder: Path) -> None:
        doc["annotations"] = [annotation(n, 1, 3, (n % 24, n // 24, 1, 1)) for n in range(1, 120)]
        doc["annotations"].append(annotation(500, 1, 7, (0, 0, 24, 16)))

    index = read_index(write(tmp_path, many))
    found = index.instances(0)
    assert index.warnings == () and len(found) == 120
    assert sorted(found.areas.tolist()) == [1] * 119 + [384]


@pytest.mark.parametrize("name", ["with space/pic ture.png", "Möbel/椅子.png", "./a/../one.png"])
def test_D39_unusual_paths(tmp_path: Path, name: str) -> None:
    def change(doc: Document, folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "a").mkdir(exist_ok=True)
        picture(16, 24).save(folder / name)
        doc["images"][0]["file_name"] = name

    assert read_index(write(tmp_path, change)).image_path(0).is_file()


def test_D39_pictures_may_be_links_and_lie_beside_the_json(tmp_path: Path) -> None:
    file = write(tmp_path)
    images = tmp_path / "images"
    images.mkdir()
    (images / "one.png").symlink_to(tmp_path / "one.png")
    index = read_index(file, images)
    assert [path.parent for path in index.paths] == [images, tmp_path]


def test_D39_a_wrong_image_folder_is_named(tmp_path: Path) -> None:
    file = write(tmp_path)
    (tmp_path / "one.png").unlink()
    with pytest.raises(ValueError, match=r"nowhere does not exist"):
        read_index(file, tmp_path / "nowhere")


def test_pictures_need_not_be_there_when_not_checked(tmp_path: Path) -> None:
    file = write(tmp_path)
    for name in ("one.png", "two.png"):
        (tmp_path / name).unlink()
    index = read_index(file, check_images=False)
    assert index.image_path(0) == tmp_path / "one.png" and index.num_annotations == 3


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(read_index(file)) == 2
