"""Plots of several notebooks. Each takes finished numbers and returns a figure; none measures."""

from __future__ import annotations

from itertools import cycle

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from helpers.drawing_style import CYCLE, INK, STYLE, Picture, shade, short_names
from helpers.training.log import is_loss

WINDOW = 20  # logged rows that a loss curve is averaged over
# Line styles, so that lines can be told apart without colour, too.
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))


def stacked_shares(table: pd.DataFrame, *, title: str, ylabel: str) -> Picture:
    """One horizontal bar of 100 % per row, cut into the columns' shares, light to dark."""
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.4, 1.3 + 0.42 * len(table)), alt=f"Stacked shares: {title}")
        axes = figure.add_subplot()
        left = np.zeros(len(table))
        for place, (name, column) in enumerate(table.items()):
            colour = shade(CYCLE[0], 0.75 - 1.1 * place / max(table.shape[1] - 1, 1))
            bars = axes.barh(range(len(table)), column, left=left, color=colour, label=name)
            labels = [f"{v:.0%}" if v >= 0.04 else "" for v in column]
            light = sum(matplotlib.colors.to_rgb(colour)) > 1.6
            axes.bar_label(
                bars, labels, label_type="center", fontsize=8, color=INK if light else "white"
            )
            left += column.to_numpy()
        rows = [str(row) for row in table.index]
        labels = short_names(rows, length=40)
        axes.set_yticks(range(len(table)), [labels[row] for row in rows])
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set(title=title, ylabel=ylabel, xlim=(0, 1))
        axes.grid(visible=False)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def loss_curves(log: pd.DataFrame, *, title: str) -> Picture:
    """Training losses over steps: the total, then its parts, each a moving average over `WINDOW`
    logged rows with the raw total faint behind it.

    `log`: the table of `training.log.read_log`. The losses of a cascade's stages are drawn as
    their sum.
    """
    losses = log[[column for column in log if is_loss(column)]]
    parts = losses.T.groupby(lambda name: name.split("_stage")[0], sort=False).sum(min_count=1).T
    with matplotlib.rc_context(STYLE):
        figure = Picture((10.2, 3.3), alt=f"{title}: loss over {len(log)} logged steps")
        total, detail = figure.subplots(1, 2)
        total.plot(log["step"], log["total"], color=CYCLE[0], alpha=0.25, linewidth=0.8)
        total.plot(log["step"], _smooth(log["total"]), color=CYCLE[0])
        total.set(title=title, xlabel="step", ylabel="total loss")
        for part, dash in zip(parts, cycle(DASHES)):
            label = part.replace("_", " ")
            detail.plot(log["step"], _smooth(parts[part]), label=label, linestyle=dash)
        detail.set(title="its parts", xlabel="step")
        detail.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        for axes in (total, detail):
            axes.set_ylim(bottom=0)
    return figure


def _smooth(values: pd.Series) -> pd.Series:
    return values.rolling(WINDOW, min_periods=1).mean()
