"""`python -m helpers check`: files of every layout are found, defects told, the status is right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from datafiles import Document, document, picture, write

from helpers.__main__ import main
from helpers.data.errors import DataError
from helpers.data.layouts import find_dataset

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
}


def build(folder: Path, annotations: str, images: str, *, seed: int = 0) -> None:
    (folder / annotations).parent.mkdir(parents=True, exist_ok=True)
    (folder / images).mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(document()["images"]):
        stored = picture(image["height"], image["width"], seed=seed + number)
        stored.save(folder / images / image["file_name"])
    (folder / annotations).write_text(json.dumps(document()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found(tmp_path: Path, layout: str) -> None:
    annotations, images = LAYOUTS[layout]
    build(tmp_path, annotations, images)
    assert find_dataset(tmp_path) == {"train": (tmp_path / annotations, tmp_path / images)}
    val = [name.replace("train", "val") for name in (annotations, images)]
    build(tmp_path, val[0], val[1], seed=7)
    assert find_dataset(tmp_path)["val"] == (tmp_path / val[0], tmp_path / val[1])
    assert main(["check", str(tmp_path)]) == 0


def test_one_file_alone_and_a_folder_named_valid(tmp_path: Path) -> None:
    build(tmp_path / "a", "labels.json", "images")
    assert find_dataset(tmp_path / "a") == {
        "all": (tmp_path / "a/labels.json", tmp_path / "a/images")
    }
    build(tmp_path / "b", "valid/_annotations.coco.json", "valid")
    assert list(find_dataset(tmp_path / "b")) == ["val"]


def test_a_folder_without_annotations_names_the_layouts(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"holds photos\. Known layouts: GT/"):
        find_dataset(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        find_dataset(tmp_path / "nowhere")


def test_report_of_a_sound_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(write(tmp_path))]) == 0
    text = capsys.readouterr().out
    assert "2 pictures (0 without instances), 3 instances (at most 2 in one picture)" in text
    assert "2 of 2 categories used, in 2 groups" in text
    assert "can be used" in text and "ERROR" not in text and "warning" not in text


def damage(doc: Document, folder: Path) -> None:
    doc["annotations"][0]["area"] = 1
    doc["annotations"][1]["segmentation"] = [[1, 1, float("nan"), 5, 9, 9]]
    file = folder / "two.png"
    file.write_bytes(file.read_bytes()[:300])


def test_report_of_a_damaged_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, damage)
    assert main(["check", str(file)]) == 1
    text = capsys.readouterr().out
    assert "ERROR polygon that can not be drawn (1)" in text and "annotation 12 (image 1)" in text
    assert "ERROR image file can not be read (1)" in text and "two.png" in text
    assert "warning area is off by more than 20 %" in text
    assert text.rstrip().endswith("can NOT be used as it is")
    assert main(["check", str(file), "--headers"]) == 1
    assert "two.png" not in capsys.readouterr().out  # cut short, but its header is sound


def test_report_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(write(tmp_path, damage)), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["usable"] is False
    (split,) = report["splits"]
    totals = {finding["kind"]: finding["total"] for finding in split["findings"]}
    assert totals == {"polygon": 1, "file-unreadable": 1, "area-far": 1}


def test_D3_a_file_that_is_no_json_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.json").write_text('{"images": [')
    assert main(["check", str(tmp_path / "data.json")]) == 1
    assert "cut short" in capsys.readouterr().out


def test_D2_bare_test_split_is_read_to_predict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, "GT/test_set.json", "test/image")
    content = {"images": document()["images"]}
    (tmp_path / "GT/test_set.json").write_text(json.dumps(content))
    assert main(["check", str(tmp_path), "--json"]) == 0
    (split,) = json.loads(capsys.readouterr().out)["splits"]
    assert split["mode"] == "predict" and split["counts"]["pictures"] == 2


def test_D11_the_fixed_list_can_be_demanded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(write(tmp_path)), "--future3d"]) == 1
    assert "category 3 'chair' is there 'Bookcase / jewelry Armoire'" in capsys.readouterr().out


def change_categories(file: Path, change: Callable[[list[Document]], None]) -> None:
    content = json.loads(file.read_text())
    change(content["categories"])
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        (lambda c: None, 0, None),
        (list.reverse, 0, "category 7 stands where the other has 3"),
        (lambda c: c[0].update(name="stool"), 1, "category 3 'stool' is there 'chair'"),
        (lambda c: c.append({"id": 9, "name": "bed"}), 1, "category 9 'bed' is not among them"),
        (lambda c: c.insert(0, {"id": 9, "name": "bed"}), 1, "category 9"),
    ],
)
def test_D8_classes_of_two_splits_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change, status: int, told: str | None
) -> None:
    build(tmp_path, "GT/train_set.json", "train/image")
    build(tmp_path, "GT/val_set.json", "val/image", seed=7)
    change_categories(tmp_path / "GT/val_set.json", change)
    assert main(["check", str(tmp_path)]) == status
    printed = capsys.readouterr().out
    assert told is None or told in printed
    assert ("another order" in printed) == (change is list.reverse)


def test_D59_leaks_between_splits_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, "GT/train_set.json", "train/image")
    build(tmp_path, "GT/val_set.json", "val/image", seed=7)
    assert main(["check", str(tmp_path)]) == 0
    assert "two splits" not in capsys.readouterr().out  # equal names are no leak
    shutil.copy(tmp_path / "train/image/one.png", tmp_path / "val/image/one.png")
    assert main(["check", str(tmp_path)]) == 0
    assert "same picture in two splits (1)" in capsys.readouterr().out


def test_images_of_a_file_may_lie_elsewhere(tmp_path: Path) -> None:
    file = write(tmp_path)
    (tmp_path / "pictures").mkdir()
    for name in ("one.png", "two.png"):
        shutil.move(tmp_path / name, tmp_path / "pictures" / name)
    assert main(["check", str(file)]) == 1
    assert main(["check", str(file), "--images", str(tmp_path / "pictures")]) == 0
