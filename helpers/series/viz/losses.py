"""Charts of the focal losses: weights under the counts they come from, classes before and after."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.ticker import StrMethodFormatter

from helpers.drawing_style import CYCLE, GREY, STYLE, Picture, shade, short_names


def alpha_bars(table: pd.DataFrame, *, title: str) -> Picture:
    """Instances of each class on a logarithmic axis, and below the weight the class gets, as the
    distance from 1 that it is.

    table: that of `analysis.losses.alpha_table`, commonest class first or in any other order; its
    column alpha_precision, where there is one, is drawn as a mark beside that of alpha.
    """
    places = np.arange(len(table))
    with matplotlib.rc_context(STYLE):
        figure = Picture(
            (max(6.4, 0.27 * len(table)), 4.4), alt=f"{title}: counts and weights by class"
        )
        counts, weights = figure.subplots(2, 1, sharex=True)
        counts.plot(places, table["instances"], "o", color=CYCLE[0], markersize=5)
        counts.set(
            title=title, ylabel="instances", yscale="log", ylim=(0.7, 2 * table["instances"].max())
        )
        counts.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        weights.vlines(places, 1, table["alpha"], color=shade(CYCLE[0], 0.55), linewidth=3)
        weights.plot(places, table["alpha"], "o", color=CYCLE[0], markersize=5)
        weights.axhline(1, color=GREY, linewidth=1, linestyle=(0, (4, 2)))
        if "alpha_precision" in table:
            weights.plot(
                places, table["alpha_precision"], "D", color="white", markeredgecolor=CYCLE[3],
                markersize=6, label="with average precision",
            )  # fmt: skip
            weights.legend()
        weights.set(ylabel="alpha", xlim=(-0.7, len(table) - 0.3))
        names = table["category"].map(short_names(table["category"]))
        weights.set_xticks(places, names, rotation=50, ha="right", rotation_mode="anchor")
        for axes in (counts, weights):
            axes.grid(visible=False, axis="x")
            axes.tick_params(axis="x", length=0, labelsize=7.5)
    return figure


def class_ap_by_run(table: pd.DataFrame, runs: Sequence[str], *, title: str) -> Picture:
    """Mask AP of each class as a mark per run, joined by a line; the classes as `table` has them.

    table: columns category, instances (written in brackets), and one per name of `runs` in per
    cent; NaN is not drawn. Where columns "<name>, seed <n>" stand beside a run, they are small
    hollow marks of its colour, and the run's own mark is their mean.
    """
    places = np.arange(len(table))
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.4, 1.3 + 0.32 * len(table)), alt=f"{title}: {', '.join(runs)}")
        axes = figure.add_subplot()
        values = table[list(runs)]
        axes.hlines(
            places, values.min(axis=1), values.max(axis=1), color=shade(GREY, 0.4), zorder=1
        )
        for number, name in enumerate(runs):
            colour, marker = CYCLE[number], "osD^"[number % 4]
            for seed in [c for c in table if c.startswith(f"{name}, seed ")]:
                axes.scatter(
                    table[seed], places, facecolors="none", edgecolors=colour, marker=marker,
                    s=14, linewidth=0.8, zorder=3,
                )  # fmt: skip
            axes.scatter(
                values[name], places, label=name, color=colour, marker=marker, s=38, zorder=2
            )
        labels = table["category"].map(short_names(table["category"]))
        named = zip(labels, table["instances"], strict=True)
        axes.set_yticks(places, [f"{label}  ({count})" for label, count in named])
        axes.invert_yaxis()
        axes.set(title=title, xlabel="mask AP (per cent)")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
