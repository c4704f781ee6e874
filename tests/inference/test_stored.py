"""A folder of predictions: whole after a kill, nothing lost, nothing doubled."""

import json
import multiprocessing
import os
import signal
import time
from itertools import count

import pytest
import torch

from helpers.files import RunBusyError, UserError
from helpers.inference.stored import StoredPredictions
from helpers.structures import Detections

ABOUT = {
    "run": "a",
    "weights": "0" * 64,
    "test": {"short_side": 160, "tta": None},
    "images": [{"id": n, "height": 20, "width": 30, "file_name": f"{n}.png"} for n in (5, 3, 9)],
    "categories": [{"id": 1, "name": "chair", "supercategory": "seat"}],
}


def result(image_id):
    return {"image_id": image_id, "category_id": 1, "score": 0.5}


@pytest.fixture
def stored(tmp_path):
    return StoredPredictions.open(tmp_path / "p", ABOUT)


def test_results_come_in_the_order_of_the_pictures(stored):
    stored.add(9, [result(9)])
    stored.add(3, [])  # a picture without instances is done, too
    assert stored.assemble() is None
    assert not stored.results_file.exists()
    assert (stored.done(), stored.missing()) == ({3, 9}, [5])
    stored.add(5, [result(5)])
    assert json.loads(stored.assemble().read_text()) == [result(5), result(9)]


def _write_for_ever(stored):
    with stored.share(1, 1):
        for image_id in count():
            stored.add(image_id, [result(image_id)] * 500)


def test_a_killed_process_leaves_whole_pictures_and_no_lock(stored):
    writer = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(stored,))
    writer.start()
    while len(stored.done()) < 20:
        time.sleep(0.005)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    survived = stored.done()
    assert survived == set(range(len(survived)))
    assert all(stored.results(i) == [result(i)] * 500 for i in survived)
    with stored.share(1, 1):
        stored.add(len(survived), [])
    assert stored.done() == {*survived, len(survived)}


def test_one_process_has_a_share_at_a_time(stored):
    busy = pytest.raises(RunBusyError, match="shares/1-of-2 is being worked on")
    with stored.share(1, 2), stored.share(2, 2), busy, stored.share(1, 2):
        pass
    with stored.share(1, 2):
        pass


@pytest.mark.parametrize("damaged", [b'{"res', b"\xff\x00{}", b"null", b"{}"])
def test_a_damaged_picture_is_named_and_made_anew(stored, damaged):
    stored.add(5, [result(5)])
    path = stored.folder / "pictures" / "5.json"
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"pictures/5\.json is damaged: delete it"):
        stored.results(5)
    path.unlink()
    assert stored.done() == set()


def test_what_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "precious").write_text("mine")
    for folder, message in ((tmp_path, "other files"), (tmp_path / "precious", "is a file")):
        with pytest.raises(UserError, match=message):
            StoredPredictions.open(folder, ABOUT)
    with pytest.raises(UserError, match="no predictions"):
        StoredPredictions(tmp_path).about  # noqa: B018
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_soft_masks_come_back_within_a_five_hundredth(stored):
    torch.manual_seed(0)
    found = Detections(
        torch.rand(3, 4) * 20, torch.rand(3), torch.tensor([2, 0, 1]), (20, 30), torch.rand(3, 9, 9)
    )
    stored.add(3, [], soft=found)
    stored.add(5, [], soft=found[:0])
    back, none = stored.detections(3), stored.detections(5)
    assert torch.equal(back.boxes, found.boxes)
    assert torch.equal(back.scores, found.scores)
    assert (back.labels.tolist(), back.image_size) == ([2, 0, 1], (20, 30))
    assert (back.masks - found.masks).abs().max() <= 0.5 / 255 + 1e-6
    assert torch.equal(back.masks >= 0.5, found.masks >= 0.5)
    assert (len(none), none.masks.shape) == (0, (0, 9, 9))
    stored.add(9, [])
    with pytest.raises(UserError, match="--soft"):
        stored.detections(9)
