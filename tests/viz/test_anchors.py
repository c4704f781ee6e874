"""Anchors on a picture: as many as boxes, told apart by level, moving with the training size."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.series.analysis.anchors import grid_anchors
from helpers.series.viz.anchors import anchor_picture, anchor_view

IMAGE = np.full((200, 300, 3), 120, np.uint8)
BOXES = np.array([[32.0, 32, 96, 96], [100, 20, 290, 190]])


def test_what_is_reached_depends_on_the_training_size():
    paper = grid_anchors("paper")
    same = anchor_picture(IMAGE, BOXES, paper, short_side=200, max_side=300)
    # 64 x 64 is an anchor of P2; 190 x 170 lies between 128 and 256, a little nearer to 128
    assert same.alt == "paper, short side 200 px: 1 of 2 boxes have a positive"
    assert {text.get_text()[:2] for text in same.axes[0].texts} == {"P2", "P3"}
    larger = anchor_picture(IMAGE, BOXES, paper, short_side=400, max_side=600)
    assert {text.get_text()[:2] for text in larger.axes[0].texts} == {"P3", "P4"}
    assert "short side 400 px" in larger.alt


def test_no_side_grows_over_the_limit():
    picture = anchor_picture(IMAGE, BOXES, grid_anchors("p"), short_side=1200, max_side=600)
    assert "short side 400 px" in picture.alt


def test_a_picture_without_boxes():
    picture = anchor_picture(IMAGE, BOXES[:0], grid_anchors("p"), short_side=200, max_side=300)
    assert picture.alt.endswith("0 of 0 boxes have a positive")


@pytest.mark.parametrize("name", ["short_side", "anchors"])
def test_the_view_follows_its_controls(name):
    sets = {"paper": grid_anchors("paper"), "half": grid_anchors("half", (32.0, 64, 128, 256, 512))}
    view = anchor_view(IMAGE, BOXES, sets, short_side=200)
    before = view.image.value
    view.controls[name].value = {"short_side": 600, "anchors": "half"}[name]
    assert view.image.value != before
