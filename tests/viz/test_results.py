"""The ladder drawn: the paper's gains beside ours, measured or not."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers.series.viz.results import ladder_figure

NOTHING = float("nan")


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": ["start", "+ one", "+ two"],
            "paper": [70.0, 71.5, 71.0],
            "ours": [10.0, 12.0, NOTHING],
            "paper gain": [NOTHING, 1.5, -0.5],
            "our gain": [NOTHING, 2.0, NOTHING],
            "low": [NOTHING, 0.5, NOTHING],
            "high": [NOTHING, 3.5, NOTHING],
        }
    )


def test_measured_steps_are_drawn_with_gain_and_interval(table):
    [axes] = ladder_figure(table, data="scenes").axes
    _, paper, ours = axes.lines[:3]
    assert list(paper.get_xdata()) == [1.5, -0.5]
    assert list(ours.get_xdata()) == [2.0]
    [bar] = axes.collections[0].get_segments()
    assert bar[:, 0].tolist() == [0.5, 3.5]
    assert "71.50 | 12.00" in axes.get_yticklabels()[0].get_text()


def test_a_ladder_nobody_measured_says_so(table):
    empty = table.assign(**dict.fromkeys(("ours", "our gain", "low", "high"), NOTHING))
    figure = ladder_figure(empty, data="scenes")
    [_, ours] = figure.axes[0].get_legend().get_texts()
    assert "not measured" in ours.get_text()
    assert figure.encoded()[0] == "image/png"
