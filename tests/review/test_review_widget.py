"""The view's other half: commands in, traits out. What a browser does with them: tests/browser."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import rle
from helpers.files import UserError
from helpers.review.store import DecisionStore
from helpers.review.widget import ReviewWidget
from tests.review import review_data


@pytest.fixture
def widget(tmp_path: Path) -> ReviewWidget:
    return ReviewWidget([review_data.comparison(tmp_path)], tmp_path / "d.jsonl")


def test_the_first_item_is_shown_with_its_masks(widget: ReviewWidget):
    scene = widget.scene
    assert (scene["picture"], scene["width"], scene["height"]) == ("train/2", 90, 60)
    assert scene["place"] == "train · picture 2 · instance 4"
    assert (scene["before"]["focus"], scene["after"]["focus"]) == (1, None)
    assert [len(scene[side]["masks"]) for side in ("before", "after")] == [2, 2]
    focus = scene["before"]["masks"][1]
    plane = rle.decode({"size": [60, 90], "counts": focus["counts"]})
    assert np.array_equal(plane, review_data.square(70, 40, 8)) and focus["box"] == [70, 40, 8, 8]
    assert scene["numbers"]["removed"] == 64
    assert Image.open(io.BytesIO(widget.picture)).size == (90, 60)
    json.dumps([scene, widget.status, widget.choices])


def test_a_verdict_is_on_disk_before_the_next_item_shows(widget: ReviewWidget):
    store, old, ahead = widget.queue.store, widget.scene["key"], widget.ahead["key"]
    seen = []
    widget.observe(lambda _: seen.append(len(store.path.read_bytes())), "scene")
    widget.handle({"do": "decide", "verdict": "accept", "key": old, "id": "x"})
    assert seen and seen[0] > 0
    assert widget.scene["key"] == ahead, "what was fetched ahead is not what came"
    assert widget.status["answered"] == "x" and widget.status["decided"] == 1
    widget.handle({"do": "decide", "verdict": "reject", "key": old})
    assert "no longer shown" in widget.status["message"] and store.get(old).verdict == "accept"


def test_commands(widget: ReviewWidget):
    for command, position in (
        ({"do": "move", "steps": 2}, 2),
        ({"do": "go", "position": 4}, 4),
        ({"do": "go", "position": -1}, 0),
        ({"do": "decide", "verdict": "flag"}, 1),
        ({"do": "next"}, 2),
        ({"do": "undo"}, 0),
        ({"do": "sort", "order": "size"}, 0),
    ):
        widget.handle(command)
        assert widget.status["position"] == position, command
    widget.handle({"do": "annotate", "note": "soft"})
    assert widget.status["note"] == "soft"
    widget.handle({"do": "filter", "filters": {"category_id": 2}})
    assert (widget.status["total"], widget.status["filters"]["category_id"]) == (1, 2)
    widget.handle({"do": "filter", "filters": {"verdict": "accept"}})
    assert widget.scene == {} and widget.picture == b"" and widget.status["total"] == 0


@pytest.mark.parametrize("command", [{"do": "dance"}, {}, {"do": "decide", "verdict": "perhaps"}])
def test_a_wrong_command_is_answered_and_nothing_is_written(widget: ReviewWidget, command: dict):
    widget.handle(command | {"id": "y"})
    assert widget.status["message"] and widget.status["answered"] == "y"
    assert widget.queue.store.path.read_bytes() == b""


def test_a_missing_picture_is_said_and_the_masks_are_shown(widget: ReviewWidget, tmp_path: Path):
    (tmp_path / "1.jpg").unlink()
    widget.handle({"do": "sort", "order": "picture"})
    assert "1.jpg" in widget.status["message"]
    assert widget.picture == b"" and widget.scene["before"]["masks"]
    assert widget.contact_sheet()


def test_two_widgets_on_one_file_and_decisions_on_others(widget: ReviewWidget, tmp_path: Path):
    file = widget.queue.store.path
    DecisionStore(file).put("train/1/77/77/abc", "accept")
    other = ReviewWidget([review_data.comparison(tmp_path)], file)
    assert "1 decisions of this file are of other masks" in other.status["message"]
    widget.handle({"do": "decide", "verdict": "accept"})
    other.handle({"do": "sort", "order": "disagreement"})
    assert (other.status["position"], other.status["decided"]) == (1, 1)


def test_several_splits_are_one_review(tmp_path: Path):
    parts = [review_data.comparison(tmp_path / split, split=split) for split in ("train", "val")]
    widget = ReviewWidget(parts, tmp_path / "d.jsonl")
    assert widget.choices["splits"] == ["train", "val"] and widget.status["total"] == 10
    widget.handle({"do": "filter", "filters": {"split": "val"}})
    assert widget.scene["picture"] == "val/2" and widget.status["total"] == 5
    with pytest.raises(UserError, match="one comparison a split"):
        ReviewWidget([parts[0], parts[0]], tmp_path / "d.jsonl")


def test_the_bundle_has_a_live_view_and_a_picture(widget: ReviewWidget):
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    sheet = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert sheet.width > 600 and len(sheet.convert("RGB").getcolors(10**6)) > 20
    assert bundle["text/plain"] == "review of masks: 0 of 5 decided"
