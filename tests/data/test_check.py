"""The commands `check` and `split`, and what two splits share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from datafiles import Document, annotation, contents, document, picture, write
from test_layouts import build

from helpers.__main__ import main
from helpers.config import preset
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.splits import holdout, same_pictures
from helpers.training.data import read_splits


def damage(doc: Document, folder: Path) -> None:
    doc["annotations"][0]["area"] = 1
    doc["annotations"][1]["segmentation"] = [[1, 1, float("nan"), 5, 9, 9]]
    file = folder / "two.png"
    file.write_bytes(file.read_bytes()[:300])


def test_report_of_a_sound_and_a_damaged_file(tmp_path: Path, capsys) -> None:
    assert main(["check", str(write(tmp_path))]) == 0
    text = capsys.readouterr().out
    assert "2 pictures (0 without instances), 3 instances (at most 2 in one picture)" in text
    assert "can be used" in text and "ERROR" not in text and "warning" not in text
    file = write(tmp_path, damage, name="damaged.json")
    assert main(["check", str(file)]) == 1
    text = capsys.readouterr().out
    assert "ERROR" in text and "annotation 12 (image 1)" in text and "two.png" in text
    assert text.rstrip().endswith("can NOT be used as it is")
    assert main(["check", str(file), "--headers"]) == 1
    assert "two.png" not in capsys.readouterr().out  # cut short, but its header is sound
    assert main(["check", str(file), "--json"]) == 1
    (split,) = json.loads(capsys.readouterr().out)["splits"]
    totals = {finding["kind"]: finding["total"] for finding in split["findings"]}
    assert totals == {"mask": 1, "file-unreadable": 1, "mask-differs": 1} and not split["usable"]


def test_D2_D3_D11_what_kind_of_file_it_is(tmp_path: Path, capsys) -> None:
    build(tmp_path, "GT/test_set.json", "test/image")
    file = tmp_path / "GT/test_set.json"
    assert main(["check", str(tmp_path), "--future3d"]) == 1
    assert "category 3 'chair' is there 'Bookcase / jewelry Armoire'" in capsys.readouterr().out
    content = document() | {"annotations": None}  # as COCO's image_info_test2017.json
    file.write_text(json.dumps({key: value for key, value in content.items() if value}))
    assert main(["check", str(tmp_path), "--json"]) == 0  # it can be predicted on
    assert json.loads(capsys.readouterr().out)["splits"][0]["counts"]["pictures"] == 2
    file.write_text('{"images": [')
    assert main(["check", str(file)]) == 1
    assert "cut short" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        (lambda c: None, 0, ""),
        (list.reverse, 0, "another order: 7 stands where the other file has 3"),
        (lambda c: c[0].update(name="stool"), 1, "category 3 'stool' is there 'chair'"),
        (lambda c: c.insert(0, {"id": 9, "name": "bed"}), 1, "category 9 'bed' is not among them"),
    ],
)
def test_D8_classes_of_two_splits_are_compared(
    tmp_path: Path, capsys, change: Callable, status: int, told: str
) -> None:
    build(tmp_path, "GT/train_set.json", "train/image")
    build(tmp_path, "GT/val_set.json", "val/image")
    content = json.loads((tmp_path / "GT/val_set.json").read_text())
    change(content["categories"])
    (tmp_path / "GT/val_set.json").write_text(json.dumps(content))
    assert main(["check", str(tmp_path)]) == status
    assert told in capsys.readouterr().out


def test_D59_same_pictures_in_two_splits_are_told_whatever_their_names(
    tmp_path: Path, capsys
) -> None:
    build(tmp_path, "GT/train_set.json", "train/image")
    build(tmp_path, "GT/val_set.json", "val/image")
    assert main(["check", str(tmp_path)]) == 0
    assert "two splits" not in capsys.readouterr().out  # equal names are no leak
    shutil.copy(tmp_path / "train/image/one.png", tmp_path / "val/image/two.png")
    indexes = [
        read_index(tmp_path / f"GT/{name}_set.json", check_images=False)
        for name in ("train", "val")
    ]
    pairs = same_pictures(*indexes)
    assert [(a.name, b.name) for a, b in pairs] == [("one.png", "two.png")]
    shutil.copy(tmp_path / "train/image/one.png", tmp_path / "val/image/one.png")
    shutil.copy(tmp_path / "train/image/two.png", tmp_path / "val/image/two.png")
    assert main(["check", str(tmp_path)]) == 0
    assert "(2): same picture in two splits" in capsys.readouterr().out


@pytest.fixture
def index(tmp_path: Path) -> InstanceIndex:
    """120 pictures, of which the last ten are listed twice; every fourth shows the rarer class."""

    def change(doc: Document, folder: Path) -> None:
        size = {"width": 24, "height": 16}
        doc["images"] = [{"id": n, "file_name": f"{n}.png", **size} for n in range(120)]
        doc["images"] += [
            {"id": 90 + n, "file_name": f".\\{n}.png", **size} for n in range(110, 120)
        ]
        doc["annotations"] = [annotation(n, n, 3, (0, 0, 4, 4)) for n in range(118)]
        doc["annotations"] += [annotation(500 + n, n, 7, (5, 5, 4, 4)) for n in range(0, 118, 4)]

    return read_index(write(tmp_path, change), check_images=False)


@pytest.mark.parametrize("count", [0, 1, 12, 40, 120])
def test_D59_holdout_is_by_picture_seeded_and_stratified(index: InstanceIndex, count: int) -> None:
    rare = set(index.image_ids[index.image_rows[index.category_ids == 7]].tolist())
    for seed in range(10):
        stay, held = holdout(index, count, seed=seed)
        assert sorted(stay + held) == index.image_ids.tolist()
        assert (stay, held) == holdout(index, count, seed=seed)
        assert len([n for n in held if n < 120]) == count
        assert all((n in held) == (n + 90 in held) for n in range(110, 120))  # the same file
        assert abs(len(rare & set(held)) - count * len(rare) / 120) <= 1
    assert count in (0, 120) or holdout(index, count, seed=1) != holdout(index, count, seed=2)


def released(doc: Document, folder: Path) -> None:
    """Twelve pictures in 3D-FUTURE's dialect, with fields of its own and runs as lists."""
    doc["info"] = {"release": "3D-FUTURE", "größe": [1.5, None]}
    doc["images"] = [
        {"id": n + 1, "file_name": f"{n:07d}", "width": 24, "height": 16} for n in range(12)
    ]
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
        for n in range(30)
    ]
    (folder / "train/image").mkdir(parents=True)
    for n in range(12):
        picture(16, 24, seed=n).save(folder / f"train/image/{n:07d}.jpg")
    (folder / "GT").mkdir()
    (folder / "GT/train_set.json").write_text(json.dumps(doc))


def test_D59_split_writes_two_files_of_the_same_dialect(tmp_path: Path, capsys) -> None:
    write(tmp_path, released)
    before = contents(tmp_path)
    assert main(["split", str(tmp_path), "--images", "3", "--seed", "1"]) == 0
    assert f"stay in {tmp_path / 'train/image'}" in capsys.readouterr().out
    after = contents(tmp_path)
    assert after.keys() - before.keys() == {"holdout/train.json", "holdout/val.json"}
    assert {name: after[name] for name in before} == before
    whole = json.loads(before["GT/train_set.json"])
    train, val = (json.loads(after[f"holdout/{name}.json"]) for name in ("train", "val"))
    assert (len(train["images"]), len(val["images"])) == (9, 3)
    for key in ("images", "annotations"):
        assert sorted(train[key] + val[key], key=lambda entry: entry["id"]) == whole[key]
    for part in (train, val):
        assert list(part) == list(whole)
        assert (part["info"], part["categories"]) == (whole["info"], whole["categories"])
        ids = {image["id"] for image in part["images"]}
        assert {entry["image_id"] for entry in part["annotations"]} <= ids
    held = holdout(read_index(tmp_path / "GT/train_set.json", check_images=False), 3, seed=1)[1]
    assert [image["id"] for image in val["images"]] == held
    assert len(read_index(tmp_path / "holdout/val.json")) == 3  # its pictures are found


def test_split_repeats_and_never_overwrites(tmp_path: Path, capsys) -> None:
    write(tmp_path, released)
    file = str(tmp_path / "GT/train_set.json")
    assert main(["split", file, "--images", "3"]) == 0
    made = contents(tmp_path / "GT/holdout")
    assert main(["split", file, "--images", "3"]) == 0
    assert main(["split", file, "--images", "4"]) == 2
    assert "--out" in capsys.readouterr().err and contents(tmp_path / "GT/holdout") == made
    for count in ("0", "12", "-1"):
        assert main(["split", file, "--images", count, "--out", str(tmp_path / "none")]) == 2
        told = capsys.readouterr().err
        assert f"cannot hold out {count} of 12" in told and "from 1 to 11" in told
    assert not (tmp_path / "none").exists()


def test_paper_preset_names_the_files_that_split_makes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    data = preset("paper").data
    with pytest.raises(DataError, match=r"python -m helpers split .*3D-FUTURE`"):
        read_splits(data)
    (tmp_path / "3D-FUTURE").mkdir()
    write(tmp_path / "3D-FUTURE", released)
    assert main(["split", str(tmp_path / "3D-FUTURE"), "--images", "3"]) == 0
    train, val = read_splits(data)
    assert (len(train), len(val)) == (9, 3) and not same_pictures(train, val)
