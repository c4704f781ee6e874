"""Pictures that follow their controls, and stand alone where nobody watches."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.correction.correct import CorrectionConfig
from helpers.drawing import Panel, grid
from helpers.series.analysis.anchors import grid_anchors
from helpers.series.viz import controls, correction
from helpers.series.viz.anchors import anchor_picture, anchor_view
from helpers.series.viz.controls import Controlled, choice, slider, tick

LIVE = "application/vnd.jupyter.widget-view+json"
GREY = np.full((200, 300, 3), 120, np.uint8)
BOXES = np.array([[32.0, 32, 96, 96], [100, 20, 290, 190]])


def test_controls_draw_anew_and_the_first_picture_stands_alone(monkeypatch):
    def drawn(level: float, kind: str, inverted: bool):
        image = np.full((20, 30, 3), 255 - level if inverted else level, np.uint8)
        return grid([Panel(image)], columns=1, alt=f"{kind} {level} {inverted}", cell=1.0)

    level = slider("grey", 40, low=0, high=255, step=5)
    inverted = tick("invert", False)
    view = Controlled(
        drawn, {"level": level, "kind": choice("kind", ["a", "b"], "a"), "inverted": inverted}
    )
    seen = [view.image.value]
    for control, value in ((level, 200), (inverted, True)):
        control.value = value
        seen.append(view.image.value)
    assert len(set(seen)) == 3 and all(content[:2] == b"\xff\xd8" for content in seen)
    assert view.values == {"level": 200, "kind": "a", "inverted": True}
    still = view._repr_mimebundle_()
    assert set(still) == {"image/jpeg", "text/plain"} and still["text/plain"] == "a 40 False"
    monkeypatch.setattr(controls, "someone_watches", lambda: True)
    assert set(view._repr_mimebundle_()) >= {LIVE, "image/jpeg", "text/plain"}
    assert slider("x", 0.25, low=0, high=1, step=0.05).value == 0.25


def test_what_anchors_reach_depends_on_the_training_size():
    paper = grid_anchors("paper")
    # 64 x 64 is an anchor of P2; 190 x 170 lies between 128 and 256, a little nearer to 128
    same = anchor_picture(GREY, BOXES, paper, short_side=200, max_side=300)
    assert same.alt == "paper, short side 200 px: 1 of 2 boxes have a positive"
    assert {text.get_text()[:2] for text in same.axes[0].texts} == {"P2", "P3"}
    larger = anchor_picture(GREY, BOXES, paper, short_side=1200, max_side=600)  # the limit: 400
    assert {text.get_text()[:2] for text in larger.axes[0].texts} == {"P3", "P4"}
    assert "short side 400 px" in larger.alt
    nothing = anchor_picture(GREY, BOXES[:0], paper, short_side=200, max_side=300)
    assert nothing.alt.endswith("0 of 0 boxes have a positive")


@pytest.mark.parametrize(("name", "value"), [("short_side", 600), ("anchors", "half")])
def test_the_view_of_anchors_follows_its_controls(name, value):
    half = grid_anchors("half", (32.0, 64, 128, 256, 512))
    view = anchor_view(GREY, BOXES, {"paper": grid_anchors("paper"), "half": half}, short_side=200)
    before = view.image.value
    view.controls[name].value = value
    assert view.image.value != before


@pytest.mark.parametrize("use_picture", [False, True])
def test_the_preview_of_a_correction_follows_its_thresholds(use_picture):
    noisy = np.zeros((120, 160), np.int32)
    noisy[20:100, 30:90] = 1
    noisy[50, 50:53] = 0
    window, config = (slice(30, 70), slice(30, 70)), CorrectionConfig(smooth_border=False)
    preview = correction.correction_preview(
        noisy, picture=GREY[:120, :160], window=window, config=config
    )
    values = preview.values | {"use_picture": use_picture}
    assert "hole 0" in preview.draw(**values | {"hole": 0}).alt
    if not use_picture:
        assert "hole 3" in preview.draw(**values | {"hole": 64 * 100}).alt
