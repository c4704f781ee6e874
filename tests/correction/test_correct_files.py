"""Correction of data sets: dialects, reports, resumption, and the originals untouched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.__main__ import main
from helpers.correction import files as correct_files
from helpers.correction.correct import CorrectionConfig
from helpers.correction.files import correct_dataset
from helpers.correction.instances import correct_image
from helpers.data import rle
from helpers.files import UserError

SIDE = 120
IMAGES = 40


def drawn(index: int) -> np.ndarray:
    """Two boxes and some wrong pixels."""
    rng = np.random.default_rng(index)
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[20:90, 10:70] = 1
    labels[50:110, 60:115] = 2
    at = rng.integers(0, labels.size, 25)
    labels.ravel()[at] = rng.integers(0, 3, 25)
    return labels


def annotation(number: int, image: int, mask: np.ndarray, **more: object) -> dict:
    packed = rle.encode(mask)
    runs = {"size": packed["size"], "counts": rle.runs(packed).tolist()}
    return (
        {"id": number, "image_id": image, "category_id": number % 2 + 1}
        | {
            "segmentation": runs,
            "area": 1,
            "bbox": [0, 0, 1, 1],
            "pose": None,
        }
        | more
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as released, annotations of different pictures mixed."""
    folder = tmp_path_factory.mktemp("released")
    (folder / "GT").mkdir()
    images = [
        {"id": i, "width": SIDE, "height": SIDE, "file_name": f"{i:07d}"} for i in range(IMAGES)
    ]
    annotations = [
        annotation(1000 * k + i, i, drawn(i) == k) for k in (2, 1) for i in range(IMAGES)
    ]
    data = {"images": images, "categories": [{"id": 1}, {"id": 2}], "annotations": annotations}
    (folder / "GT" / "train_set.json").write_text(json.dumps(data))
    (folder / "GT" / "test_set.json").write_text(json.dumps({"images": images}))
    return folder


@pytest.fixture(scope="module")
def result(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("out") / "corrected"
    correct_dataset(source, target, jobs=1, progress=False)
    return target


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_annotations_keep_their_order_fields_and_encoding(source, result):
    before = json.loads((source / "GT" / "train_set.json").read_text())
    after = json.loads((result / "GT" / "train_set.json").read_text())
    assert {k: v for k, v in before.items() if k != "annotations"} == {
        k: v for k, v in after.items() if k != "annotations"
    }
    assert [a["id"] for a in after["annotations"]] == [a["id"] for a in before["annotations"]]
    for old, new in zip(before["annotations"], after["annotations"], strict=True):
        assert new["pose"] is None and new["category_id"] == old["category_id"]
        assert isinstance(new["segmentation"]["counts"], list)
        mask = rle.decode(new["segmentation"])
        assert new["area"] == mask.sum() and new["bbox"] != [0, 0, 1, 1]
        assert (mask ^ rle.decode(old["segmentation"])).any()


def test_the_report_counts_what_changed(source, result):
    report = json.loads((result / "report.json").read_text())["files"]["GT/train_set.json"]
    assert (report["images"], report["annotations"], report["dropped"]) == (IMAGES, 80, 0)
    assert len(report["changed_images"]) == IMAGES
    total = sum(sum(image["changed"].values()) for image in report["changed_images"].values())
    assert sum(report["changed"].values()) == total > IMAGES * 10


def test_any_number_of_processes_gives_the_same_files(source, result, tmp_path):
    correct_dataset(source, tmp_path / "two", jobs=2, progress=False)
    assert contents(tmp_path / "two") == contents(result)


def test_killed_in_the_middle_it_goes_on_to_the_same_files(source, result, tmp_path):
    target = tmp_path / "killed"
    code = (
        "import sys, time; from pathlib import Path; from helpers.correction import files as c;"
        "write = c._write; c._write = lambda *a: (write(*a), time.sleep(0.5));"
        "c.correct_dataset(Path(sys.argv[1]), Path(sys.argv[2]), jobs=1, progress=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(source), str(target)])
    end = time.monotonic() + 60
    while not (done := list(target.glob(".work/*/000000.json"))) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(done) == 1 and not (target / "report.json").exists()
    os.utime(done[0], (1, 1))
    made = correct_files._tasks(
        json.loads((source / "GT" / "train_set.json").read_text()),
        source / "GT" / "train_set.json",
        source,
        done[0].parent,
    )
    assert [task.result.is_file() for task in made] == [True, False, False]
    correct_dataset(source, target, jobs=1, progress=False)
    assert contents(target) == contents(result)


def test_the_command_killed_with_its_workers_at_work_goes_on_to_the_same_files(
    source, result, tmp_path
):
    target = tmp_path / "killed"
    command = [sys.executable, "-m", "helpers", "correct-masks", str(source), str(target)]
    process = subprocess.Popen(
        [*command, "--jobs", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 60
    while not list(target.glob(".work/*/*.json")) and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)  # of the command alone: its workers have to end themselves
    assert process.wait() == -signal.SIGKILL
    assert not (target / "report.json").exists()
    assert subprocess.run([*command, "--jobs", "1"], capture_output=True).returncode == 0
    assert contents(target) == contents(result)


def test_a_finished_correction_is_returned_at_once(source, result, monkeypatch):
    monkeypatch.setattr(correct_files, "correct_image", None)  # any use would fail
    report = correct_dataset(source, result, progress=False)
    assert report == json.loads((result / "report.json").read_text())


def test_the_originals_and_foreign_files_are_never_overwritten(source, result, tmp_path):
    before = contents(source)
    with pytest.raises(UserError, match="originals"):
        correct_dataset(source, source, progress=False)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        correct_dataset(source, tmp_path, progress=False)
    with pytest.raises(UserError, match="other files"):
        correct_dataset(source / "GT" / "train_set.json", result, progress=False)
    assert contents(source) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no lists"),
        ('{"images": [], "annotations": {}}', "no lists"),
        ('{"images": [], "annotations": [{"id": 1}, {"id": 1}]}', "used twice"),
        ('{"images": [], "annotations": [{"id": 1, "image_id": 5}]}', "undeclared"),
    ],
)
def test_broken_files_are_named(tmp_path, text, message):
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        correct_dataset(file, tmp_path / "out", progress=False)


def test_a_broken_mask_is_named(tmp_path):
    bad = annotation(7, 1, np.eye(9, dtype=bool)) | {
        "segmentation": {"size": [9, 9], "counts": [80]}
    }
    images = [{"id": 1, "width": 9, "height": 9, "file_name": "a.jpg"}]
    file = tmp_path / "bad.json"
    file.write_text(json.dumps({"images": images, "annotations": [bad]}))
    with pytest.raises(UserError, match=r"image 1: annotation 7: .*sum to 80"):
        correct_dataset(file, tmp_path / "out", jobs=1, progress=False)


def test_a_folder_without_annotations_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no annotation file"):
        correct_dataset(tmp_path, tmp_path / "out", progress=False)


def test_id_maps_are_used_where_they_lie_and_checked_for_size(tmp_path):
    source = tmp_path / "in"
    (source / "GT").mkdir(parents=True)
    (source / "train" / "idmap").mkdir(parents=True)
    labels = drawn(0)
    colours = np.array([(64, 64, 64), (250, 102, 102), (85, 179, 254)], np.uint8)
    images = [{"id": 1, "width": SIDE, "height": SIDE, "file_name": "0000000"}]
    annotations = [annotation(k, 1, labels == k) for k in (1, 2)]
    data = {"images": images, "annotations": annotations}
    (source / "GT" / "train_set.json").write_text(json.dumps(data))
    png = source / "train" / "idmap" / "0000000.png"
    Image.fromarray(colours[labels]).save(png)
    report = correct_dataset(source, tmp_path / "out", jobs=1, progress=False)
    assert report["files"]["GT/train_set.json"]["changed_images"]["1"]["source"] == "id-map"
    Image.fromarray(colours[labels[:50]]).save(png)
    with pytest.raises(UserError, match=r"0000000.png is \(120, 50\) pixels"):
        correct_dataset(source, tmp_path / "again", jobs=1, progress=False)


def test_the_command_prints_where_the_result_is(source, tmp_path, capsys):
    assert main(["correct-masks", str(source), str(tmp_path / "out"), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "40 images, 80 annotations, 0 dropped, 0 to review" in printed
    assert str(tmp_path / "out" / "report.json") in printed
    assert main(["correct-masks", str(source), str(source)]) == 2


def image(*masks: np.ndarray, **more: object) -> list[dict]:
    return [
        {"id": n, "category_id": 1, "segmentation": rle.encode(mask)} | more
        for n, mask in enumerate(masks, start=1)
    ]


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_duplicates_are_dropped_and_reported():
    twin = box(10, 10, 60, 61)
    result, report = correct_image(image(box(10, 10, 60, 60), twin, box(70, 0, 90, 30)), twin.shape)
    assert [a["id"] for a in result] == [1, 3]
    assert report.duplicates == [(1, 2)]
    other_class = image(box(10, 10, 60, 60), twin)
    other_class[1]["category_id"] = 2
    assert correct_image(other_class, twin.shape)[1].duplicates == []


def test_an_instance_hidden_by_others_is_dropped_and_reported():
    hidden = [box(10, 10, 40, 40), box(10, 10, 40, 25), box(10, 25, 40, 40)]
    annotations = image(*hidden)
    for number, a in enumerate(annotations):
        a["category_id"] = number
    result, report = correct_image(annotations, (SIDE, SIDE))
    assert [a["id"] for a in result] == [2, 3] and report.vanished == [1]


def test_large_changes_are_flagged_and_kept():
    holes = box(10, 10, 40, 40)
    holes[12:38:2, 12:38:2] = False  # 169 of 900 pixels
    config = CorrectionConfig(review=0.2)
    result, report = correct_image(image(holes), (SIDE, SIDE), config=config)
    assert report.review == {1: round(169 / 731, 4)}
    assert rle.area(result[0]["segmentation"]) == 900
    assert correct_image(image(holes), (SIDE, SIDE))[1].review == {}


def test_crowds_pass_and_polygons_become_rle():
    square = [[10, 10, 50, 10, 50, 50, 10, 50]]
    crowd = {"id": 2, "category_id": 1, "iscrowd": 1, "segmentation": rle.encode(box(0, 0, 9, 9))}
    polygon = {"id": 1, "category_id": 1, "segmentation": square}
    result, _ = correct_image([polygon, crowd], (SIDE, SIDE))
    assert result[1] == crowd
    assert rle.area(result[0]["segmentation"]) == result[0]["area"] == 1600


def test_pictures_are_looked_at_when_asked_for_and_have_to_be_there(tmp_path):
    source = tmp_path / "in"
    (source / "GT").mkdir(parents=True)
    side = 800
    labels = np.zeros((side, side), np.int32)
    labels[20:100, 20:100] = 1
    noisy = labels.copy()
    noisy[20:45, 60] = 0  # a leak that only the picture shows
    images = [{"id": 1, "width": side, "height": side, "file_name": "0000000"}]
    data = {"images": images, "annotations": [annotation(1, 1, noisy == 1)]}
    (source / "GT" / "train_set.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match="correct without them"):
        correct_dataset(source, tmp_path / "none", pictures=True, jobs=1, progress=False)
    (source / "train" / "image").mkdir(parents=True)
    with pytest.raises(UserError, match=r"0000000.jpg is missing"):
        correct_dataset(source, tmp_path / "missing", pictures=True, jobs=1, progress=False)
    picture = np.where(labels[..., None] == 1, np.uint8(200), np.uint8(60)).repeat(3, 2)
    Image.fromarray(picture).save(source / "train" / "image" / "0000000.jpg", quality=95)
    correct_dataset(source, tmp_path / "out", pictures=True, jobs=1, progress=False)
    found = json.loads((tmp_path / "out" / "GT" / "train_set.json").read_text())["annotations"]
    assert found[0]["area"] >= (labels == 1).sum() - 2
    correct_dataset(source, tmp_path / "plain", jobs=1, progress=False)
    left = json.loads((tmp_path / "plain" / "GT" / "train_set.json").read_text())["annotations"]
    assert left[0]["area"] == (noisy == 1).sum() <= (labels == 1).sum() - 20
