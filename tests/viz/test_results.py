"""The ladder drawn: the paper's steps beside ours, measured or not."""

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
    left, right = ladder_figure(table, data="scenes").axes
    assert list(left.lines[0].get_xdata()) == [70, 71.5, 71]
    assert list(right.lines[0].get_xdata()) == [10, 12]
    texts = [text.get_text() for text in right.texts]
    assert "12.00 (+2.00)" in texts
    assert "+0.5 to +3.5" in texts


def test_a_ladder_nobody_measured_says_so(table):
    empty = table.assign(**dict.fromkeys(("ours", "our gain", "low", "high"), NOTHING))
    figure = ladder_figure(empty, data="scenes")
    assert "not measured" in [text.get_text() for text in figure.axes[1].texts]
    assert figure.encoded()[0] == "image/png"
