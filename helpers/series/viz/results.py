"""The ladder of Table 2 as a figure: the paper's steps and ours, each on its own scale."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.drawing_style import CYCLE, GREY, INK, STYLE, Picture


def ladder_figure(table: pd.DataFrame, *, data: str) -> Picture:
    """Left the paper's mask AP after each step, right ours on `data`; gains are written at the
    steps, ours with the 95 % interval over pictures. Steps nobody measured stay empty.

    table: that of `analysis.results.steps`. The scales differ: levels can not be compared.
    """
    with matplotlib.rc_context(STYLE):
        alt = "The paper's ladder beside ours: mask AP after each step"
        figure = Picture((9.6, 1.2 + 0.5 * len(table)), alt=alt)
        left, right = figure.subplots(1, 2, sharey=True)
        _steps(left, table["paper"], table["paper gain"], CYCLE[3])
        _steps(right, table["ours"], table["our gain"], CYCLE[0])
        left.set(title="the paper, 3D-FUTURE val", xlabel="mask AP (%)")
        right.set(title=f"ours, {data}".replace(", preset", ",\npreset"), xlabel="mask AP (%)")
        left.set_yticks(range(len(table)), table["step"])
        left.invert_yaxis()
        for place, (low, high) in enumerate(zip(table["low"], table["high"], strict=True)):
            if np.isfinite([low, high]).all():
                note = f"{low:+.1f} to {high:+.1f}"
                right.text(
                    1.02, place, note, transform=right.get_yaxis_transform(), fontsize=7.5,
                    color=GREY, va="center",
                )  # fmt: skip
        if table["ours"].isna().all():
            right.set_xticks([])
            right.text(0.5, 0.5, "not measured", transform=right.transAxes, ha="center", color=GREY)
    return figure


def _steps(axes: Axes, values: pd.Series, gains: pd.Series, colour: str) -> None:
    places = np.arange(len(values))
    known = values.notna().to_numpy()
    axes.plot(values[known], places[known], "o-", color=colour, lw=1.4)
    for place, value, gain in zip(places, values, gains, strict=True):
        if np.isfinite(value):
            text = f"{value:.2f}" + (f" ({gain:+.2f})" if np.isfinite(gain) else "")
            axes.annotate(
                text, (value, place), xytext=(7, 4), textcoords="offset points", fontsize=7.5,
                color=INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )  # fmt: skip
    axes.margins(x=0.4)
    axes.grid(visible=False, axis="y")
