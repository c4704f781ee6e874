"""Diagrams hold what they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.series.viz.diagrams import Stage, pipeline_map, step_ladder
from helpers.series.viz.figures import shape_map


def test_the_map_names_every_stage():
    rows = [
        ("data", [Stage("scenes", "made here", "00"), Stage("index", "checked")]),
        ("model", [Stage("RPN", "proposals")]),
    ]
    figure = pipeline_map(rows, title="the way")
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"scenes", "made here", "00", "index", "RPN", "data", "model"} <= texts
    assert figure.alt == "the way. data: scenes, index; model: RPN"
    assert figure.encoded()[0] == "image/png"


def test_the_ladder_stacks_gains_on_what_was_reached():
    table = pd.DataFrame({"step": ["base", "more"], "mask_ap": [70.0, 71.5], "gain": [np.nan, 1.5]})
    axes = step_ladder(table, title="t", xlabel="AP").axes[0]
    assert axes.lines[0].get_xdata().tolist() == [70, 71.5]
    gained = axes.collections[0].get_segments()[1]
    assert gained[:, 0].tolist() == [70, 71.5]
    assert [text.get_text() for text in axes.texts] == ["70.00", "71.50  (+1.50)"]


def test_the_shape_map_draws_boxes_and_sets():
    sizes = np.array([[10.0, 20.0], [100.0, 50.0]])
    axes = shape_map(sizes, {"paper": np.array([[64.0, 64.0]])}, title="t", side=1200).axes[0]
    cloud, shapes = axes.collections
    assert cloud.get_offsets().tolist() == sizes.tolist()
    assert shapes.get_offsets().tolist() == [[64, 64]]
    assert axes.get_xscale() == "log"
