"""Pictures of test-time augmentation, and the viewer that averages any views."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.analysis.augmentation import Looks
from helpers.data.taxonomy import Category, Taxonomy
from helpers.inference.tta import View
from helpers.structures import Detections
from helpers.viz import augmentation
from helpers.viz.augmentation import SubsetViewer, cost_curve, disagreement_map, view_panels

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


class TestSubsetViewer:
    def test_ticking_changes_the_picture(self, looks):
        viewer = SubsetViewer(IMAGE, looks, CLASSES)
        both = viewer._shown.value
        viewer.boxes[1].value = False
        assert viewer.chosen == [0]
        assert viewer._shown.value != both
        viewer.boxes[0].value = False
        assert viewer.chosen == []
        assert bytes(viewer._shown.value[:2]) == b"\xff\xd8"

    def test_a_picture_stands_where_nobody_watches(self, looks, monkeypatch):
        viewer = SubsetViewer(IMAGE, looks, CLASSES)
        assert set(viewer._repr_mimebundle_()) == {"image/jpeg", "text/plain"}
        monkeypatch.setattr(augmentation, "someone_watches", lambda: True)
        live = viewer._repr_mimebundle_()
        assert {"image/jpeg", "application/vnd.jupyter.widget-view+json"} <= set(live)
