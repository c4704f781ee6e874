"""Charts of ceilings show the numbers they were given, masks what is lost of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.series.analysis.mask_grids import BoxedMask, drawings
from helpers.series.viz.mask_ceilings import ceiling_curves, masks_compared, outline_scatter


def test_ceilings_of_all_and_of_each_class():
    ways = pd.Index(["14 x 14", "784 points"], name="mask")
    values = {"mean_iou": [0.8, 0.9], "mean_boundary_iou": [0.4, 0.6], "over_thresholds": [0.7, 1]}
    whole = pd.DataFrame(values, index=ways)
    classes = pd.DataFrame({"784 points": [0.7, 0.9], "instances": [2, 3]}, index=["a", "b"])
    left, right = ceiling_curves(whole, classes, title="ceilings").axes
    assert left.lines[0].get_xdata() == pytest.approx([80, 90])
    assert [tick.get_text() for tick in left.get_yticklabels()] == list(ways)
    assert right.collections[0].get_offsets()[:, 0].tolist() == pytest.approx([70, 90])
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["a  (2)", "b  (3)"]


def test_masks_with_longer_outlines_than_points_are_told_apart():
    table = pd.DataFrame({"outline": [100, 900], "784 points": [0.99, 0.9]})
    (panel,) = outline_scatter(table, [784], title="points").axes
    marks = panel.collections[0]
    assert marks.get_offsets().tolist() == [[100, 99], [900, 90]]
    assert (marks.get_facecolor()[0] != marks.get_facecolor()[1]).any()
    assert panel.lines[0].get_xdata() == [784, 784]
    assert panel.get_title(loc="left") == "784 points: 50% of masks need more"


def test_lost_pixels_are_coloured():
    mask = np.zeros((200, 200), bool)
    mask[:60] = mask[:, :4] = True  # a leg much thinner than a cell of 28 x 28
    figure = masks_compared([drawings(BoxedMask(mask, "Chair", 1200), budgets=[784])], title="t")
    true, grid, _, where = figure.axes
    assert true.get_title(loc="left").startswith("Chair\n")
    colours = [
        len(np.unique(axes.images[0].get_array().reshape(-1, 3), axis=0)) for axes in (true, grid)
    ]
    assert colours[0] == 2 < colours[1]  # mask and ground alone; lost or added ones too
    assert len(where.collections[0].get_offsets()) == 784
    assert figure.encoded()[0] == "image/png"
