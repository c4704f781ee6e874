"""Correction of data sets: what is kept, what is counted, overlaps, kills, and the originals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.__main__ import main
from helpers.correction import files
from helpers.correction.correct import CorrectionConfig
from helpers.correction.files import correct_dataset
from helpers.correction.instances import correct_image
from helpers.data import rle
from helpers.files import UserError
from tests.data.datafiles import contents

SIDE, IMAGES = 120, 40
CATEGORIES = [{"id": 1, "name": "desk"}, {"id": 2, "name": "chair"}]


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top:bottom, left:right] = True
    return mask


def runs(mask: np.ndarray) -> dict[str, Any]:
    packed = rle.encode(mask)
    return {"size": packed["size"], "counts": rle.runs(packed).tolist()}


def noisy(index: int) -> np.ndarray:
    """Two boxes and some wrong pixels."""
    rng = np.random.default_rng(index)
    labels = np.where(box(50, 60, 110, 115), 2, box(20, 10, 90, 70).astype(int))
    labels.ravel()[rng.integers(0, labels.size, 25)] = rng.integers(0, 3, 25)
    return labels


def document(images: int = IMAGES) -> dict[str, Any]:
    """3D-FUTURE's dialect, annotations of different pictures mixed, ids from 0."""
    fixed = {"area": 1, "bbox": [0, 0, 1, 1], "pose": None}
    entries = [
        {"id": k * 1000 - 1000 + i, "image_id": i, "category_id": k}
        | {"segmentation": runs(noisy(i) == k), **fixed}
        for k in (2, 1)
        for i in range(images)
    ]
    named = [
        {"id": i, "width": SIDE, "height": SIDE, "file_name": f"{i:07d}"} for i in range(images)
    ]
    return {"info": "ü", "images": named, "categories": CATEGORIES, "annotations": entries}


def write(file: Path, content: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def correct(source: Path, target: Path, **options: Any) -> dict[str, Any]:
    return correct_dataset(source, target, jobs=1, progress=False, **options)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as released, with a test split that has no annotations."""
    folder = tmp_path_factory.mktemp("released")
    content = document()
    write(folder / "GT" / "train_set.json", content)
    write(folder / "GT" / "test_set.json", {"images": content["images"]})
    return folder


@pytest.fixture(scope="module")
def result(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("out") / "corrected"
    correct(source, target)
    return target


def test_masks_change_and_all_else_stays(source: Path, result: Path):
    assert set(contents(result)) == {"GT/train_set.json", "report.json"}
    before, after = (
        json.loads((f / "GT" / "train_set.json").read_text()) for f in (source, result)
    )
    masks = {"segmentation": None, "area": None, "bbox": None}
    stripped = [
        content | {"annotations": [a | masks for a in content["annotations"]]}
        for content in (before, after)
    ]
    assert stripped[0] == stripped[1]
    report = json.loads((result / "report.json").read_text())
    assert report["left_out"] == ["GT/test_set.json"]
    report = report["files"]["GT/train_set.json"]
    assert report["changed_images"]["0"]["instances"].keys() == {"0", "1000"}  # the file's own ids
    for old, new in zip(before["annotations"], after["annotations"], strict=True):
        area, bbox = rle.measure(new["segmentation"])
        assert isinstance(new["segmentation"]["counts"], list)
        assert (new["area"], new["bbox"]) == (area, list(bbox))
        told = report["changed_images"][str(new["image_id"])]["instances"][str(new["id"])]
        assert told == (rle.decode(new["segmentation"]) ^ rle.decode(old["segmentation"])).sum() > 0


def test_what_is_not_changed_is_written_as_it_was(tmp_path: Path):
    """Polygons, crowds, annotations without a usable mask: left alone, and counted."""
    square = {"id": 7, "category_id": 1, "segmentation": [[10, 10, 50, 10, 50, 50, 10, 50]]}
    others = [{"segmentation": []}, {"segmentation": None}, {"score": 0.5}, {"iscrowd": 1}]
    others[-1]["segmentation"] = runs(noisy(0) == 1)
    entries = [square | {"image_id": 0, "area": 1600.0, "note": "mine"}]
    entries += [{"id": n, "image_id": 0, "category_id": 2} | a for n, a in enumerate(others)]
    content = document(1) | {"annotations": entries}
    report = correct(write(tmp_path / "a.json", content), tmp_path / "out")["files"]["a.json"]
    assert json.loads((tmp_path / "out" / "a.json").read_text()) == content
    assert report["passed_on"] == {"total": 4, "first": [0, 1, 2, 3]} and report["changed"] == {}


def test_killed_with_its_workers_at_work_it_goes_on_to_the_same_files(
    source, result, tmp_path, monkeypatch
):
    target = tmp_path / "killed"
    command = [sys.executable, "-m", "helpers", "correct-masks", str(source), str(target)]
    process = subprocess.Popen(
        [*command, "--jobs", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 120
    while not (done := list(target.glob(".work/*/*.json"))) and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)  # of the command alone: its workers have to end themselves
    assert process.wait() == -signal.SIGKILL and done
    assert not (target / "report.json").exists()
    again, one = [], files._correct_one
    monkeypatch.setattr(files, "_correct_one", lambda c, task: (again.append(task), one(c, task)))
    correct(source, target)
    assert again and not {task.result for task in again} & set(done)  # done is done
    assert contents(target) == contents(result)
    next(path for path in target.rglob("*.json") if path.name != "report.json").unlink()
    correct(source, target)
    assert contents(target) == contents(result)


def test_finished_work_is_returned_nothing_overwritten(source, result, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "correct_image", None)  # any use would fail
    before = contents(source), contents(result)
    assert correct(source, result) == json.loads((result / "report.json").read_text())
    with pytest.raises(UserError, match="originals"):
        correct(source, source)
    (tmp_path / "thesis.txt").write_text("mine")
    for target, options in ((tmp_path, {}), (result, {"config": CorrectionConfig(hole=9)})):
        with pytest.raises(UserError, match="not empty"):
            correct(source, target, **options)
    assert before == (contents(source), contents(result))


def test_id_maps_are_used_where_they_lie_and_checked_for_size(tmp_path: Path):
    write(tmp_path / "in" / "GT" / "train_set.json", document(1))
    colours = np.array([(64, 64, 64), (250, 102, 102), (85, 179, 254)], np.uint8)[noisy(0)]
    for folder in ("image", "idmap"):
        (tmp_path / "in" / "train" / folder).mkdir(parents=True)
    Image.fromarray(colours).save(tmp_path / "in" / "train" / "image" / "0000000.jpg")
    png = tmp_path / "in" / "train" / "idmap" / "0000000.png"
    Image.fromarray(colours).save(png)
    report = correct(tmp_path / "in", tmp_path / "out")["files"]["GT/train_set.json"]
    assert report["changed_images"]["0"]["source"] == "id-map"
    Image.fromarray(colours[:50]).save(png)
    with pytest.raises(UserError, match=r"0000000.png.*120x50"):
        correct(tmp_path / "in", tmp_path / "again")


def test_pictures_are_looked_at_when_asked_for_and_have_to_be_there(tmp_path: Path):
    truth = np.zeros((800, 800), bool)
    truth[20:100, 20:100] = True
    leak = truth.copy()
    leak[20:45, 60] = False  # only the picture shows it
    content = document(1)
    content["images"][0] |= {"width": 800, "height": 800}
    content["annotations"] = [content["annotations"][0] | {"segmentation": runs(leak)}]
    file, pictures = write(tmp_path / "a.json", content), tmp_path / "pictures"
    pictures.mkdir()
    with pytest.raises(UserError, match="0000000"):
        correct(file, tmp_path / "missing", images=pictures, pictures=True)
    picture = np.where(truth[..., None], np.uint8(200), np.uint8(60)).repeat(3, 2)
    Image.fromarray(picture).save(pictures / "0000000.jpg", quality=95)
    for look in (False, True):
        correct(file, tmp_path / f"{look}", images=pictures, pictures=look)
        found = json.loads((tmp_path / f"{look}" / "a.json").read_text())["annotations"][0]
        left = (truth ^ rle.decode(found["segmentation"])).sum()
        assert left <= 2 if look else left == 25


# Overlaps.

DESK, DRAWER = box(10, 10, 110, 110), box(20, 16, 104, 104)
ON_PURPOSE = {
    "two that cross": (box(10, 10, 80, 80), box(45, 45, 110, 110)),
    "a drawer in a desk": (DESK, DRAWER),
    "a leg of two pixels before a sofa": (box(10, 10, 110, 60), box(20, 30, 100, 32)),
    "hidden by two others": (DESK, box(10, 10, 110, 60), box(10, 60, 110, 110)),
}


@pytest.mark.parametrize("masks", ON_PURPOSE.values(), ids=ON_PURPOSE)
def test_masks_that_overlap_on_purpose_stay_whole(masks: tuple[np.ndarray, ...]):
    old = dict(enumerate(masks))
    new, report = correct_image(old, {n: n for n in old})
    assert all(np.array_equal(new[n], old[n]) for n in old) and len(new) == len(old)
    assert report.changed == {} and report.instances == {} and report.dropped == set()
    pixels = [(a & b).sum() for n, a in old.items() for k, b in old.items() if n < k]
    assert sorted(p for *_, p in report.kept_overlaps) == sorted(p for p in pixels if p)


def test_noise_on_them_goes_all_the_same():
    desk, drawer = DESK.copy(), DRAWER.copy()
    desk[50, 50] = desk[12, 60] = drawer[60, 60] = False
    drawer[2, 2] = True
    new, report = correct_image({5: desk, 0: drawer}, {5: 1, 0: 2})
    assert np.array_equal(new[5], DESK) and np.array_equal(new[0], DRAWER)
    assert report.changed == {"hole": 3, "speck": 1} and report.instances == {5: 2, 0: 2}


def test_small_overlaps_are_noise_and_on_request_all_are_resolved():
    wide, tall = box(10, 10, 60, 61), box(10, 60, 100, 110)  # one column is claimed twice
    new, report = correct_image({1: wide, 2: tall}, {1: 1, 2: 2})
    assert np.array_equal(new[1], wide) and np.array_equal(new[2], tall & ~wide)
    assert report.changed == {"overlap": 50} and report.instances == {2: 50}
    config = CorrectionConfig(resolve_overlaps=True)
    new, report = correct_image({1: DESK, 2: DRAWER}, {1: 1, 2: 2}, config=config)
    assert np.array_equal(new[1], DESK & ~DRAWER) and np.array_equal(new[2], DRAWER)
    assert report.changed == {"overlap": DRAWER.sum()} and report.review.keys() == {1}
    new, report = correct_image(
        dict(enumerate(ON_PURPOSE["hidden by two others"])), {0: 0, 1: 1, 2: 2}, config=config
    )
    assert report.vanished == [0] and new.keys() == {1, 2}


def test_duplicates_are_dropped_and_large_changes_flagged():
    twins = {1: box(10, 10, 60, 60), 2: box(10, 10, 60, 61), 3: box(70, 0, 90, 30)}
    new, report = correct_image(twins, dict.fromkeys(twins, 1))
    assert new.keys() == {1, 3} and report.duplicates == [(1, 2)]
    assert correct_image(twins, {1: 1, 2: 2, 3: 1})[1].dropped == set()
    holes = box(10, 10, 40, 40)
    holes[12:38:2, 12:38:2] = False  # 169 of 900 pixels
    new, report = correct_image({4: holes}, {4: 1}, config=CorrectionConfig(review=0.2))
    assert report.review == {4: round(169 / 731, 4)} and new[4].sum() == 900


def test_the_command_says_what_it_changed_kept_and_left(tmp_path: Path, capsys):
    entries = [
        {"id": n, "image_id": 0, "category_id": n % 2 + 1, "segmentation": runs(mask)}
        for n, mask in enumerate((DESK, DRAWER))
    ]
    entries.append({"id": 9, "image_id": 0, "category_id": 1, "segmentation": []})
    file = write(tmp_path / "a.json", document(1) | {"annotations": entries})
    assert main(["correct-masks", str(file), str(tmp_path / "out"), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "pixels changed: 0" in printed and "7,392 pixels" in printed and "ids 9" in printed
    resolve = ["--overlaps", "resolve", "--jobs", "1"]
    assert main(["correct-masks", str(file), str(tmp_path / "resolved"), *resolve]) == 0
    assert "overlap 7,392" in capsys.readouterr().out
    report = json.loads((tmp_path / "resolved" / "report.json").read_text())["files"]["a.json"]
    assert report["changed"] == {"overlap": 7392} and report["flagged"] == 1
    assert main(["correct-masks", str(file), str(tmp_path)]) == 2
