"""Figures show the numbers they were given, and leave nothing behind in pyplot."""

from __future__ import annotations

import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest

from helpers.drawing_style import Picture, class_colour
from helpers.series.viz import figures


@pytest.fixture(autouse=True)
def nothing_stays_in_pyplot():
    yield
    assert matplotlib.pyplot.get_fignums() == []


@pytest.fixture
def counts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "category_id": [18, 2, 34],
            "category": ["Dining Chair", "Nightstand", "Ceiling Lamp"],
            "supercategory": ["Chair", "Cabinet/Shelf/Desk", "Lighting"],
            "instances": [30, 12, 0],
            "AP": [50.0, 75.0, np.nan],
        }
    )


def drawn(picture: Picture) -> Picture:
    """The picture, having been rendered: what cannot be drawn fails here."""
    mime, data = picture.encoded()
    assert mime == "image/png"
    assert len(data) > 2000
    return picture


def test_class_bars_are_as_high_as_the_counts(counts: pd.DataFrame):
    axes = drawn(figures.class_bars(counts, title="classes")).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [30, 12, 0]
    assert axes.get_xticklabels()[0].get_text() == "Dining Chair"


def test_class_ap_bars_are_sorted_and_leave_out_what_has_no_ap(counts: pd.DataFrame):
    axes = drawn(figures.class_ap_bars(counts.set_index("category_id"), title="AP")).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [50, 75]
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        "Dining Chair  (30)",
        "Nightstand  (12)",
    ]
    found = matplotlib.colors.to_hex(axes.patches[0].get_facecolor())
    assert found == class_colour(18)


@pytest.mark.parametrize("log", [False, True])
def test_histogram_shares_sum_to_one(log: bool):
    values = np.random.default_rng(0).uniform(10, 1000, 200)
    picture = figures.histogram(
        values, title="sizes", xlabel="px", bins=12, marks={"96": 96}, log=log
    )
    heights = [bar.get_height() for bar in drawn(picture).axes[0].patches]
    assert len(heights) == 12
    assert sum(heights) == pytest.approx(1)


def test_what_lies_beyond_the_edges_is_counted_in_the_outermost_bins():
    picture = figures.histogram(np.array([0.1, 1.5, 9.0, 9.0]), title="", xlabel="", bins=[1, 2, 4])
    assert [bar.get_height() for bar in picture.axes[0].patches] == [0.5, 0.5]


def test_histograms_draw_one_panel_each():
    panels = [{"values": np.arange(5.0), "xlabel": name} for name in "abc"]
    picture = drawn(figures.histograms(panels, title="three"))
    assert [axes.get_xlabel() for axes in picture.axes] == ["a", "b", "c"]


def test_curves_draw_the_columns():
    table = pd.DataFrame({"one": [1.0, 0.5], "two": [0.9, 0.2]}, index=[0.5, 0.7])
    axes = drawn(figures.curves(table, title="t", xlabel="x", ylabel="y", marks={"m": 0.6})).axes[0]
    lines = [line for line in axes.lines if not line.get_label().startswith("_")]
    assert [line.get_label() for line in lines] == ["one", "two"]
    assert lines[1].get_ydata().tolist() == [0.9, 0.2]
    assert len({line.get_linestyle() for line in lines}) == 2


def test_heat_map_writes_per_cents():
    table = pd.DataFrame([[0.1, 0.5], [1.0, 0.25]], index=["a", "b"], columns=["a", "b"])
    axes = drawn(figures.heat_map(table, title="t", xlabel="x", ylabel="y")).axes[0]
    assert [text.get_text() for text in axes.texts] == ["10", "50", "100", "25"]


def test_stacked_shares_fill_the_row():
    table = pd.DataFrame({"P2": [0.25, 0.5], "P3": [0.75, 0.5]}, index=[1200, 1500])
    axes = drawn(figures.stacked_shares(table, title="t", ylabel="y")).axes[0]
    ends = sorted(bar.get_x() + bar.get_width() for bar in axes.patches)
    assert ends == pytest.approx([0.25, 0.5, 1, 1])


def test_loss_curves_take_every_loss_and_nothing_else():
    log = pd.DataFrame(
        {"step": [1, 2, 3], "lr": 0.1, "loss_mask": [3.0, 2, 1], "loss_box": [1.0, 1, 1],
         "total": [4.0, 3, 2], "grad_norm": 9.0, "seconds_step": 0.1}
    )  # fmt: skip
    total, parts = drawn(figures.loss_curves(log, title="quick", window=2)).axes
    assert [line.get_label() for line in parts.lines] == ["mask", "box"]
    assert total.lines[1].get_ydata().tolist() == [4.0, 3.5, 2.5]
