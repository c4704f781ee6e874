"""Kernel points and boxes are drawn where they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.series.analysis.kernel_points import Reading
from helpers.series.viz.box_stages import boxes_by_step, fit_curves
from helpers.series.viz.kernel_points import kernel_points

IMAGE = np.full((80, 90, 3), 120, np.uint8)


def test_points_and_pulls_of_every_place():
    grid = np.stack(np.meshgrid([20.0, 28, 36], [20.0, 28, 36]), axis=-1).reshape(-1, 2)
    pulls = np.zeros((9, 2))
    pulls[4] = [0, 1e-6]
    one = Reading(np.array([28.0, 28]), grid, np.repeat(grid, 9, axis=0), pulls, grid)
    figure = kernel_points(IMAGE, [one, one], title="t")
    upper, lower = figure.axes[0], figure.axes[1]
    assert upper.collections[0].get_offsets().tolist() == grid.tolist()
    assert upper.collections[1].V.max() == pytest.approx(8)  # as long as the grid's step
    assert upper.get_title(loc="left") == "one layer: 9 points"
    assert {axes.get_title(loc="left") for axes in figure.axes} == {
        "one layer: 9 points", "two layers: 81 points"
    }  # fmt: skip
    assert lower.get_xlim()[0] >= 0
    assert figure.encoded()[0] == "image/jpeg"


def test_boxes_have_their_places_in_every_step():
    boxes = np.array([[[10, 10, 30, 40]], [[12, 8, 32, 44]]], float)
    first, second = boxes_by_step(IMAGE, boxes, ["proposals", "stage 1"], title="t").axes
    assert [axes.patches[1].get_width() for axes in (first, second)] == [20, 20]
    assert second.patches[1].get_xy() == (11.5, 7.5)
    assert first.get_xlim()[0] <= 10 and first.get_xlim()[1] >= 32


def test_fit_curves_fall_and_gains_are_points():
    fits = pd.DataFrame({"proposals": [0.4, 0.6], "stage 1": [0.6, 0.8]})
    gains = pd.DataFrame({"before": [0.4, 0.6], "after": [0.6, 0.8], "boxes": [1, 1]})
    shares, change = fit_curves(fits, [gains], title="t").axes
    assert shares.lines[0].get_ydata()[0] == 100
    assert shares.lines[1].get_ydata()[-1] == 0
    assert change.lines[1].get_xdata().tolist() == [0.4, 0.6]
