"""A folder of predictions: whole after a kill, nothing lost, nothing doubled."""

import json
import multiprocessing
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from helpers.files import UserError
from helpers.inference.stored import StoredPredictions
from helpers.structures import Detections

ABOUT = {
    "run": "a",
    "images": [{"id": n, "height": 20, "width": 30, "file_name": f"{n}.png"} for n in (5, 3, 9)],
    "categories": [{"id": 1, "name": "chair", "supercategory": "seat"}],
}


def result(image_id):
    return {"image_id": image_id, "category_id": 1, "score": 0.5}


@pytest.fixture
def stored(tmp_path):
    return StoredPredictions.open(tmp_path / "p", ABOUT)


def write(stored, *image_ids, part=(1, 1)):
    with stored.part(*part) as file:
        for image_id in image_ids:
            file.append(image_id, [result(image_id)])


def test_results_of_all_parts_in_the_order_of_the_pictures(stored):
    write(stored, 9, part=(1, 2))
    assert stored.assemble() is None
    assert not stored.results_file.exists()
    write(stored, 3, 5, part=(2, 2))
    assert stored.done() == {3, 5, 9}
    assert json.loads(stored.assemble().read_text()) == [result(5), result(3), result(9)]


def test_a_picture_without_instances_is_done_too(stored):
    with stored.part(1, 1) as file:
        file.append(5, [])
    assert stored.done() == {5}


@pytest.mark.parametrize("torn", [b'{"image_id":3,"res', b'{"image_id":3,"results":[]}'])
def test_a_torn_line_is_written_anew(stored, torn):
    write(stored, 5)
    path = stored.folder / "part-1-of-1.jsonl"
    with path.open("ab") as file:
        file.write(torn)
    assert stored.done() == {5}
    write(stored, 3)
    assert stored.done() == {3, 5}
    assert [json.loads(line)["image_id"] for line in path.read_text().splitlines()] == [5, 3]


@pytest.mark.parametrize(
    "damaged", [b'{"image_id":3,"res', b"\xff\x00{}", b"null", b'{"image_id":3}']
)
def test_a_damaged_line_is_named_and_can_be_deleted(stored, damaged):
    write(stored, 5)
    path = stored.folder / "part-1-of-1.jsonl"
    with path.open("ab") as file:
        file.write(damaged + b"\n")
    write(stored, 9)
    with pytest.raises(UserError, match=r"part-1-of-1\.jsonl, line 2 is damaged: delete"):
        stored.done()
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(whole[0] + whole[2])
    assert stored.done() == {5, 9}


def test_a_picture_in_two_parts_counts_once(stored):
    write(stored, 5, 3, 9, part=(1, 1))
    write(stored, 3, part=(1, 2))
    assert [line["image_id"] for line in stored.lines()] == [5, 3, 9]
    assert len(json.loads(stored.assemble().read_text())) == 3


def _write_for_ever(stored):
    with stored.part(1, 1) as file:
        for image_id in range(10**6):
            file.append(image_id, [result(image_id)] * 50)


def test_a_killed_process_leaves_whole_pictures_and_no_lock(stored):
    writer = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(stored,))
    writer.start()
    path = stored.folder / "part-1-of-1.jsonl"
    while not path.exists() or path.stat().st_size < 100_000:
        time.sleep(0.005)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    survived = sorted(stored.done())
    assert survived == list(range(len(survived)))
    assert len(survived) > 10
    write(stored, len(survived))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["image_id"] for line in lines] == [*survived, len(survived)]
    assert all(len(line["results"]) == 50 for line in lines[:-1])


def test_two_processes_can_not_write_one_part(stored, monkeypatch):
    monkeypatch.setattr("helpers.inference.stored.LOCK_SECONDS", 0.1)
    busy = pytest.raises(UserError, match="another process is writing")
    with stored.part(1, 2), stored.part(2, 2), busy:
        write(stored, 5, part=(1, 2))
    assert stored.done() == set()


def test_a_lock_that_a_killed_process_leaves_is_waited_for(stored):
    """Its loader workers live on for a few seconds and keep it."""
    with stored.part(1, 1) as file, ThreadPoolExecutor(1) as other:
        copy = os.dup(file.file.fileno())
        file.file.close()
        waiting = other.submit(write, stored, 5)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        os.close(copy)
        waiting.result(timeout=5)
    assert stored.done() == {5}


def test_other_predictions_are_not_mixed_in(stored):
    write(stored, 5)
    assert StoredPredictions.open(stored.folder, ABOUT).done() == {5}
    with pytest.raises(UserError, match=r'with run "a", asked "b": .* --output'):
        StoredPredictions.open(stored.folder, {**ABOUT, "run": "b"})
    with pytest.raises(UserError, match="with other images: "):
        StoredPredictions.open(stored.folder, {**ABOUT, "images": ABOUT["images"][:1]})
    assert stored.done() == {5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"short_side": 200}, "with test.short_side 160, asked 200: "),
        ({"tta": {"flip": True}}, 'with test.tta null, asked {"flip": true}: '),
        (
            {"short_side": 200, "max_side": 400},
            "with test.short_side 160, asked 200; test.max_side 320, asked 400: ",
        ),
    ],
)
def test_fields_that_differ_are_told_with_both_values(tmp_path, change, message):
    test = {"short_side": 160, "max_side": 320, "tta": None}
    about = {**ABOUT, "test": test, "weights": "0" * 64}
    StoredPredictions.open(tmp_path / "p", about)
    with pytest.raises(UserError, match=re.escape(message)):
        StoredPredictions.open(tmp_path / "p", {**about, "test": test | change})
    with pytest.raises(UserError, match="with other weights: "):
        StoredPredictions.open(tmp_path / "p", {**about, "weights": "1" * 64})


@pytest.mark.parametrize("damaged", [b"", b'{"run": "a", "ima', b"\xff\x00", b"[]", b"{}"])
def test_a_damaged_about_is_named(stored, damaged):
    write(stored, 5)
    (stored.folder / "about.json").write_bytes(damaged)
    for use in (lambda: stored.about, lambda: StoredPredictions.open(stored.folder, ABOUT)):
        with pytest.raises(UserError, match=r"p/about\.json is damaged: move its folder"):
            use()
    assert stored.done() == {5}


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_folder(tmp_path, below):
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(UserError, match=r"is a file, .* --output"):
        StoredPredictions.open(tmp_path / "precious" / below, ABOUT)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "precious.json").write_text("[]")
    with pytest.raises(UserError, match="other files"):
        StoredPredictions.open(tmp_path, ABOUT)
    with pytest.raises(UserError, match="no predictions"):
        StoredPredictions(tmp_path).about  # noqa: B018


def test_soft_masks_come_back_within_a_five_hundredth(stored):
    torch.manual_seed(0)
    found = Detections(
        torch.rand(3, 4) * 20, torch.rand(3), torch.tensor([2, 0, 1]), (20, 30), torch.rand(3, 9, 9)
    )
    with stored.part(1, 1) as file:
        file.append(3, [], soft=found)
        file.append(5, [], soft=found[:0])
    (_, back), (image_id, none) = stored.detections()
    assert torch.equal(back.boxes, found.boxes)
    assert torch.equal(back.scores, found.scores)
    assert back.labels.tolist() == [2, 0, 1]
    assert back.image_size == (20, 30)
    assert (back.masks - found.masks).abs().max() <= 0.5 / 255 + 1e-6
    assert torch.equal(back.masks >= 0.5, found.masks >= 0.5)
    assert (image_id, len(none), none.masks.shape) == (5, 0, (0, 9, 9))


def test_soft_masks_that_were_not_kept(stored):
    write(stored, 5)
    with pytest.raises(UserError, match="--soft"):
        list(stored.detections())
