"""Leaks between splits, and holding pictures out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from datafiles import Document, annotation, picture, write

from helpers.__main__ import main
from helpers.config import preset
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.splits import holdout, same_pictures
from helpers.training.data import read_splits


def test_D59_same_files_are_found_under_any_name(tmp_path: Path) -> None:
    indexes = []
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
        indexes.append(read_index(write(tmp_path / name)))
    pairs = same_pictures(*indexes)  # both splits hold the same two pictures
    assert [(a.name, b.name) for a, b in pairs] == [("one.png", "one.png"), ("two.png", "two.png")]
    picture(16, 24, seed=9).save(tmp_path / "val/one.png")
    shutil.copy(tmp_path / "train/one.png", tmp_path / "val/two.png")
    assert [(a.name, b.name) for a, b in same_pictures(*indexes)] == [("one.png", "two.png")]


@pytest.fixture
def index(tmp_path: Path) -> InstanceIndex:
    """120 pictures; every fourth one shows the rare category besides the common one."""

    def change(doc: Document, folder: Path) -> None:
        size = {"width": 24, "height": 16, "file_name": "one.png"}
        doc["images"] = [{"id": n, **size} for n in range(120)]
        doc["annotations"] = [annotation(n + 1, n, 3, (0, 0, 4, 4)) for n in range(118)]
        doc["annotations"] += [annotation(500 + n, n, 7, (5, 5, 4, 4)) for n in range(0, 118, 4)]

    return read_index(write(tmp_path, change))


@pytest.mark.parametrize("count", [0, 1, 12, 40, 120])
def test_D59_holdout_is_seeded_and_stratified(index: InstanceIndex, count: int) -> None:
    rare = set(index.image_ids[index.image_rows[index.category_ids == 7]].tolist())
    for seed in range(10):
        stay, held = holdout(index, count, seed=seed)
        assert len(held) == count and sorted(stay + held) == list(range(120))
        assert (stay, held) == holdout(index, count, seed=seed)
        assert abs(len(rare & set(held)) - count * len(rare) / 120) <= 1


def test_D59_holdout_differs_with_the_seed(index: InstanceIndex) -> None:
    first, second = (holdout(index, 30, seed=seed)[1] for seed in (0, 1))
    assert first != second
    often = np.bincount(np.concatenate([holdout(index, 30, seed=s)[1] for s in range(60)]))
    assert often.max() < 60  # nobody is always held out


def test_holding_out_too_many_is_refused(index: InstanceIndex) -> None:
    with pytest.raises(ValueError, match="can not hold out 121"):
        holdout(index, 121)


def released(doc: Document, folder: Path) -> None:
    """Twelve pictures in 3D-FUTURE's dialect, with fields of its own and runs as lists."""
    size = {"width": 24, "height": 16}
    doc["info"] = {"release": "3D-FUTURE", "größe": [1.5, None]}
    doc["images"] = [{"id": n + 1, "file_name": f"{n:07d}", **size} for n in range(12)]
    doc["categories"] = [
        {"id": n, "category": "Bed", "fine-grained category name": f"{n}/Ü"} for n in (5, 2, 9)
    ]
    doc["annotations"] = [
        {
            "id": n,
            "image_id": n % 12 + 1,
            "category_id": (5, 2, 9)[n % 3],
            "segmentation": {"size": [16, 24], "counts": [n, 5, 384 - 5 - n]},
            "area": 5,
            "pose": None,
            "fov": 0.1 + n,
        }
        for n in range(1, 31)
    ]
    (folder / "train/image").mkdir(parents=True)
    for n in range(12):
        picture(16, 24, seed=n).save(folder / f"train/image/{n:07d}.jpg")
    (folder / "GT").mkdir()
    (folder / "GT/train_set.json").write_text(json.dumps(doc))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_D59_split_writes_two_files_of_the_same_dialect(tmp_path: Path) -> None:
    write(tmp_path, released)
    before = contents(tmp_path)
    assert main(["split", str(tmp_path), "--images", "3", "--seed", "1"]) == 0
    after = contents(tmp_path)
    assert after.keys() - before.keys() == {"holdout/train.json", "holdout/val.json"}
    assert {name: after[name] for name in before} == before
    whole = json.loads(before["GT/train_set.json"])
    train, val = (json.loads(after[f"holdout/{name}.json"]) for name in ("train", "val"))
    assert (len(train["images"]), len(val["images"])) == (9, 3)
    for key in ("images", "annotations"):
        joined = sorted(train[key] + val[key], key=lambda entry: entry["id"])
        assert joined == whole[key]
        assert all(part[key] == [e for e in whole[key] if e in part[key]] for part in (train, val))
    for part in (train, val):
        assert list(part) == list(whole)
        assert (part["info"], part["categories"]) == (whole["info"], whole["categories"])
        ids = {image["id"] for image in part["images"]}
        assert {entry["image_id"] for entry in part["annotations"]} <= ids
    held = holdout(read_index(tmp_path / "GT/train_set.json", check_images=False), 3, seed=1)[1]
    assert [image["id"] for image in val["images"]] == held
    for name in ("train", "val"):
        index = read_index(tmp_path / f"holdout/{name}.json", tmp_path / "train/image")
        assert not index.warnings


def test_split_repeats_and_never_overwrites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, released)
    file = str(tmp_path / "GT/train_set.json")
    assert main(["split", file, "--images", "3"]) == 0
    made = contents(tmp_path / "GT/holdout")
    assert main(["split", file, "--images", "3"]) == 0
    assert main(["split", file, "--images", "4"]) == 2
    assert "holds another split. Give --out" in capsys.readouterr().err
    assert contents(tmp_path / "GT/holdout") == made
    assert main(["split", file, "--images", "4", "--out", str(tmp_path / "other")]) == 0
    assert len(contents(tmp_path / "other")) == 2


@pytest.mark.parametrize("count", ["0", "12", "-1"])
def test_split_needs_pictures_on_both_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: str
) -> None:
    write(tmp_path, released)
    assert main(["split", str(tmp_path), "--images", count]) == 2
    assert f"can not hold out {count} of 12" in capsys.readouterr().err
    assert not (tmp_path / "holdout").exists()


def test_paper_preset_names_the_files_that_split_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    data = preset("paper").data
    with pytest.raises(DataError, match=r"python -m helpers split .*3D-FUTURE`"):
        read_splits(data)
    (tmp_path / "3D-FUTURE").mkdir()
    write(tmp_path / "3D-FUTURE", released)
    assert main(["split", str(tmp_path / "3D-FUTURE"), "--images", "3"]) == 0
    train, val = read_splits(data)
    assert (len(train), len(val)) == (9, 3)
    assert not same_pictures(train, val)
