"""Which file and which pictures belong together, in the layouts people have; what is not COCO is
recognised, and stray files stop nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datafiles import document, picture

from helpers.__main__ import main
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.layouts import find_dataset, picture_list

# layout -> annotation file of the training split, its image folder
LAYOUTS = {
    "release": ("GT/train_set.json", "train/image"),
    "organisers": ("annotations/train_set.json", "train2020"),
    "winners": ("annotations/train_set.json", "images/train"),
    "coco": ("annotations/instances_train2017.json", "train2017"),
    "coco-images": ("annotations/instances_train2017.json", "images/train2017"),
    "exported": ("train/_annotations.coco.json", "train"),
    "exported-images": ("train/_annotations.coco.json", "train/images"),
    "flat": ("train.json", "images"),
    "flat-coco": ("instances_train.json", "train"),
    "cvat": ("annotations/instances_Train.json", "images/Train"),
    "fiftyone": ("train/labels.json", "train/data"),
}


def build(folder: Path, annotations: str, images: str) -> None:
    (folder / annotations).parent.mkdir(parents=True, exist_ok=True)
    (folder / images).mkdir(parents=True, exist_ok=True)
    for image in document()["images"]:
        stored = picture(image["height"], image["width"], seed=len(annotations) + image["id"])
        stored.save(folder / images / image["file_name"])
    (folder / annotations).write_text(json.dumps(document()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_from_its_folder_and_from_its_file(
    tmp_path: Path, layout: str
) -> None:
    annotations, images = LAYOUTS[layout]
    build(tmp_path, annotations, images)
    pair = (tmp_path / annotations, tmp_path / images)
    assert find_dataset(tmp_path) == {"train": pair}
    assert find_dataset(pair[0]) == {"all": pair}
    assert read_index(pair[0]).paths[0] == pair[1] / "one.png"
    val = [n.replace("train", "valid").replace("Train", "Validation") for n in LAYOUTS[layout]]
    build(tmp_path, *val)
    assert find_dataset(tmp_path)["val"] == (tmp_path / val[0], tmp_path / val[1])
    assert main(["check", str(tmp_path)]) == 0


def test_stray_files_stop_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    build(tmp_path, "annotations/instances_all.json", "images")
    strays = {
        "annotations/captions_all.json": {"images": [], "annotations": [{"caption": "a"}]},
        "annotations/panoptic_all.json": {
            "images": [],
            "annotations": [{"segments_info": [{"bbox": [0, 0, 1, 1]}]}],
        },
        "notes.json": {"by": "me"},
        "results.json": [{"image_id": 1, "segmentation": {}}],
    }
    for name, content in strays.items():
        (tmp_path / name).write_text(json.dumps(content))
    for name in ("annotations/._instances_all.json", "images/._one.png", "empty.json"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7Mac OS X" if "." in name[:14] else b"")
    pair = (tmp_path / "annotations/instances_all.json", tmp_path / "images")
    assert find_dataset(tmp_path) == {"all": pair}
    assert main(["check", str(tmp_path)]) == 0
    build(tmp_path, "annotations/instances_more.json", "images")
    with pytest.raises(DataError, match=r"several .*instances_all\.json, instances_more\.json"):
        find_dataset(tmp_path)
    for year in (2014, 2017):
        build(tmp_path, f"annotations/instances_train{year}.json", f"train{year}")
    assert find_dataset(tmp_path)["train"][0].name == "instances_train2014.json"
    assert "left out: instances_train2017.json" in caplog.text


def test_a_folder_of_pictures_is_listed_and_what_is_left_out_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b.jpg", "a.JPG", "c.gif", "d.jfif"):
        image = picture(16, 24)
        image.save(tmp_path / name, format="JPEG" if name.endswith("jfif") else None)
    (tmp_path / "._a.JPG").write_bytes(b"\0\5\x16\7Mac OS X")
    (tmp_path / "a.json").write_text(json.dumps({"shapes": [], "imagePath": "a.JPG"}))
    (tmp_path / "e.heic").write_bytes(b"x")
    rows = picture_list(tmp_path)["images"]
    assert [(row["id"], row["file_name"]) for row in rows] == [
        *((1, "a.JPG"), (2, "b.jpg"), (3, "c.gif"), (4, "d.jfif"))
    ]
    assert (rows[0]["height"], rows[0]["width"]) == (16, 24)
    assert "left out, as no pictures: a.json, e.heic" in caplog.text
    assert picture_list(tmp_path / "b.jpg")["images"][0]["file_name"] == "b.jpg"
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"b\.jpg"):
        picture_list(tmp_path)
    (tmp_path / "coco.json").write_text(json.dumps(document()))
    assert picture_list(tmp_path)["images"] == []  # a data set, not a bare folder


def test_what_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"holds photos\. Known layouts: GT/"):
        find_dataset(tmp_path)
    picture(4, 4).save(tmp_path / "photos/a.png")
    with pytest.raises(DataError, match="Pictures alone can be predicted"):
        find_dataset(tmp_path / "photos")
    with pytest.raises(DataError, match="no such file or folder"):
        find_dataset(tmp_path / "nowhere")
    for name in ("a.png", "a.gif"):
        picture(4, 4).save(tmp_path / name)
        assert main(["check", str(tmp_path / name)]) == 1
        assert "This is a picture" in capsys.readouterr().out


VIA_REGION = {"shape_attributes": {"name": "polygon"}, "region_attributes": {}}
LABEL_STUDIO = {"from_name": "label", "to_name": "image", "type": "brushlabels"}
# what lies beside a picture (None: another picture), and what the answer names
FORMATS: dict[str, tuple[dict[str, Any], str]] = {
    "labelme": (
        {"p1.json": {"version": "5", "shapes": [], "imagePath": "p1.jpg"}},
        "labelme2coco '",
    ),
    "VIA": (
        {"via_region_data.json": {"p1.jpg1": {"filename": "p1.jpg", "regions": [VIA_REGION]}}},
        "Export Annotations (COCO format)",
    ),
    "Label Studio": (
        {"export.json": [{"annotations": [{"result": [LABEL_STUDIO]}]}]},
        "label-studio-converter export",
    ),
    "CVAT": ({"a.xml": '<annotations>\n<image id="0" name="p1.jpg"/>'}, "datum convert -if cvat"),
    "Pascal VOC": (
        {"Annotations/p1.xml": "<annotation>\n<object>", "SegmentationObject/p1.png": None},
        "datum convert -if voc",
    ),
    "YOLO": (
        {"data.yaml": "names: [chair]\n", "train/labels/p1.txt": "0 0.1 0.1 0.4 0.1 0.4 0.4\n"},
        "DetectionDataset.from_yolo",
    ),
    "PNG": ({"masks/p1.png": None}, "pycocotools.mask.encode"),
    "HEIC": ({"IMG_1.HEIC": "ftypheic"}, "mogrify -format jpg"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_other_formats_are_named_with_what_converts_them(tmp_path: Path, name: str) -> None:
    files, cure = FORMATS[name]
    picture(16, 24).save(tmp_path / "p1.jpg")
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            picture(4, 4).save(tmp_path / file)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / file).write_text(text)
    first = tmp_path if name in ("PNG", "HEIC") else tmp_path / next(iter(files))
    for read in (find_dataset, read_index, lambda path: read_index(first)):
        with pytest.raises(DataError) as raised:
            read(tmp_path)
        assert name in str(raised.value) and cure in str(raised.value)
