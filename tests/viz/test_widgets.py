"""Pictures that follow their controls, and stand alone where nobody watches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.data.taxonomy import Category, Taxonomy
from helpers.drawing import Panel, grid
from helpers.inference.tta import View
from helpers.series.analysis import ensembling
from helpers.series.analysis.augmentation import Looks
from helpers.series.viz import controls
from helpers.series.viz import ensembling as views
from helpers.series.viz.augmentation import subset_viewer, view_panels
from helpers.series.viz.controls import Controlled, choice, slider, tick
from helpers.structures import Detections
from tests import squares

LIVE = "application/vnd.jupyter.widget-view+json"
GREY = np.full((200, 300, 3), 120, np.uint8)


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


def test_views_of_augmentation_are_panels_and_can_be_ticked():
    classes, image = Taxonomy((Category(1, "chair", "seat"),), "fine"), GREY[:40, :60]
    box, score, label = torch.tensor([[5.0, 5, 45, 35]]), torch.tensor([0.9]), torch.tensor([0])
    masks = torch.tensor([0.9, 0.2]).view(2, 1, 1, 1).expand(2, 1, 7, 7)
    own = tuple(Detections(box, score, label, (40, 60), one) for one in masks)
    merged = Detections(box, score, label, (40, 60))
    looks = Looks((View(40, False), View(40, True)), own, merged, masks)
    panels = view_panels(image, looks, classes)
    assert panels[0].overlay.masks.sum() > panels[1].overlay.masks.sum() == 0
    assert len(view_panels(image, looks, classes, score=0.95)[0].overlay) == 0
    viewer = subset_viewer(image, looks, classes)
    both = viewer.image.value
    for box in viewer.controls.values():
        box.value = False
        assert viewer.image.value != both
    assert viewer.draw(**viewer.values).alt == "mean of 0 of 2 views"


def test_members_and_ensemble_are_drawn_and_ticked(tmp_path):
    squares.stored(tmp_path)
    found = ensembling.measured("quick", folder=tmp_path)
    image = np.full((*squares.SIZE, 3), 180, np.uint8)
    panels = views.member_panels(image, found.members, 2, score=0.1)
    assert [len(panel.overlay) for panel in panels] == [1, 1, 1, 0, 0, 1]
    assert panels[0].overlay.masks[0].sum() == 400 and panels[2].overlay.masks[0].sum() == 200
    tables = ensembling.subset_table(found.entry), ensembling.way_table(found.entry)
    steps = ensembling.growth(found.members, 1, 0) | {"C": found.members.soft["C"][1]}
    truth = views.truth_overlay(found.members, 1)
    growing = views.growth_figure(image, steps, truth, title="growing")
    planes = [axes.images[0].get_array() for axes in growing.axes[:5]]
    assert planes[0].max() == 1 and planes[4].max() == 0
    scores = views.score_histograms(ensembling.scores_of_all(found.members), title="scores")
    for figure in (growing, scores, views.subset_chart(*tables, title="subsets")):
        assert len(figure.encoded()[1]) > 2000
    widget = views.member_toggles(image, found.members, 1, score=0.1)
    before = widget.image.value
    for letter in "ABD":
        widget.controls[letter].value = False
    assert widget.image.value != before
