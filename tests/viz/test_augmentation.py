"""Pictures of test-time augmentation, and the viewer that averages any views."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.data.taxonomy import Category, Taxonomy
from helpers.inference.tta import View
from helpers.series.analysis.augmentation import Looks
from helpers.series.viz.augmentation import cost_curve, disagreement_map, subset_viewer, view_panels
from helpers.structures import Detections

CLASSES = Taxonomy((Category(1, "chair", "seat"),), "fine")
IMAGE = np.full((40, 60, 3), 200, np.uint8)


@pytest.fixture
def looks():
    box, score = torch.tensor([[5.0, 5, 45, 35]]), torch.tensor([0.9])
    masks = torch.tensor([0.9, 0.2]).view(2, 1, 1, 1).expand(2, 1, 7, 7)
    own = tuple(Detections(box, score, torch.tensor([0]), (40, 60), one) for one in masks)
    merged = Detections(box, score, torch.tensor([0]), (40, 60))
    return Looks((View(40, False), View(40, True)), own, merged, masks)


def test_a_panel_for_each_view(looks):
    panels = view_panels(IMAGE, looks, CLASSES)
    assert [panel.title for panel in panels] == ["40 px: 1", "40 px, mirrored: 1"]
    assert panels[0].overlay.masks.sum() > panels[1].overlay.masks.sum() == 0
    assert len(view_panels(IMAGE, looks, CLASSES, score=0.95)[0].overlay) == 0


def test_maps_and_curves_are_pictures():
    share = np.zeros((40, 60))
    share[10:20, 10:20] = 0.5
    assert disagreement_map(IMAGE, share).encoded()[0] == "image/jpeg"
    table = pd.DataFrame(
        {"views": [1, 2], "seconds": [0.1, 0.3], "AP": [10.0, 12], "APs": [5, 6.0], "APl": np.nan}
    ).assign(APm=[20.0, 21])
    curve = cost_curve(table, title="cost")
    assert curve.encoded()[0] == "image/png"
    [axes] = curve.axes
    assert [line.get_label() for line in axes.lines] == ["all", "small", "medium"]


def test_ticking_changes_the_picture(looks):
    viewer = subset_viewer(IMAGE, looks, CLASSES)
    assert viewer.draw(**viewer.values).alt == "mean of 2 of 2 views"
    both = viewer.image.value
    for box in viewer.controls.values():
        box.value = False
        assert viewer.image.value != both
    assert viewer.draw(**viewer.values).alt == "mean of 0 of 2 views"
