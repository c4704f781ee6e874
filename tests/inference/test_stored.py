"""A folder of predictions: whole after a kill, nothing lost, nothing doubled."""

import json
import multiprocessing
import os
import signal
import time

import pytest
import torch

from helpers.inference.errors import PredictionError
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
    with pytest.raises(PredictionError, match=r"part-1-of-1\.jsonl, line 2 is damaged: delete"):
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


def test_two_processes_can_not_write_one_part(stored):
    busy = pytest.raises(PredictionError, match="another process is writing")
    with stored.part(1, 2), stored.part(2, 2), busy:
        write(stored, 5, part=(1, 2))
    assert stored.done() == set()


def test_other_predictions_are_not_mixed_in(stored):
    write(stored, 5)
    assert StoredPredictions.open(stored.folder, ABOUT).done() == {5}
    with pytest.raises(PredictionError, match="with other run"):
        StoredPredictions.open(stored.folder, {**ABOUT, "run": "b"})
    assert stored.done() == {5}


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "precious.json").write_text("[]")
    with pytest.raises(PredictionError, match="other files"):
        StoredPredictions.open(tmp_path, ABOUT)
    with pytest.raises(PredictionError, match="no predictions"):
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
    with pytest.raises(PredictionError, match="--soft"):
        list(stored.detections())
