"""Figures of several notebooks render, from plausible numbers and from the least there can be."""

from __future__ import annotations

import matplotlib.pyplot
import pandas as pd
import pytest

from helpers.series import figures

SHARES = pd.DataFrame({"P2": [0.5, 0.25], "P3": [0.5, 0.75]}, index=[100, 200])
LOG = pd.DataFrame({"step": [1, 2], "lr": 0.1, "mask": [3.0, 2], "total": [4.0, 3]})
FIGURES = {
    "stacked": lambda: figures.stacked_shares(SHARES, title="t", ylabel="y"),
    "loss": lambda: figures.loss_curves(LOG, title="t"),
    "first step": lambda: figures.loss_curves(LOG.head(1), title="t"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_render_and_leave_nothing_behind_in_pyplot(name):
    mime, content = FIGURES[name]().encoded()
    assert mime in ("image/png", "image/jpeg") and len(content) > 2000
    assert matplotlib.pyplot.get_fignums() == []
