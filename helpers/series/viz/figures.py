"""Plots of the series. Each takes finished numbers and returns a figure; none computes a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from helpers.drawing_style import CYCLE, GREY, INK, STYLE, Picture, class_colour, shade, short_names

# Columns of a training log that are not parts of the loss, beside the times.
NOT_LOSSES = {"step", "epoch", "lr", "total", "grad_norm", "skipped"}


def class_bars(counts: pd.DataFrame, *, title: str) -> Picture:
    """The long tail: one bar per class, commonest first, coloured by super-category.

    `counts`: the table of `analysis.statistics.class_counts`.
    """
    with matplotlib.rc_context(STYLE):
        width = max(9.6, 0.2 * len(counts))
        figure = Picture((width, 4.6), alt=f"{title}: {len(counts)} bars, commonest class first")
        axes = figure.add_subplot()
        groups = list(dict.fromkeys(counts.sort_values("category_id")["supercategory"]))
        colour = {group: class_colour(i + 1) for i, group in enumerate(groups)}
        bars = axes.bar(
            range(len(counts)), counts["instances"], color=[colour[g] for g in counts.supercategory]
        )
        axes.bar_label(bars, fontsize=7, padding=1.5, color=INK, rotation=90)
        labels = counts["category"].map(short_names(counts["category"]))
        axes.set_xticks(range(len(counts)), labels, rotation=55, ha="right", rotation_mode="anchor")
        axes.tick_params(axis="x", labelsize=7.5, length=0)
        axes.grid(visible=False, axis="x")
        axes.set(title=title, ylabel="instances", xlim=(-0.7, len(counts) - 0.3))
        axes.margins(y=0.12)
        groups = short_names(groups)
        handles = [matplotlib.patches.Patch(color=colour[g], label=groups[g]) for g in groups]
        axes.legend(handles=handles, loc="upper right", ncols=2)
    return figure


def histogram(
    values: np.ndarray | pd.Series,
    *,
    title: str,
    xlabel: str,
    bins: int | Sequence[float] = 30,
    marks: Mapping[str, float] | None = None,
    log: bool = False,
) -> Picture:
    """Shares of `values` in bins, with named vertical `marks`; `log`: logarithmic x axis."""
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.2, 3.2), alt=f"Histogram: {title}")
        draw_histogram(
            figure.add_subplot(), values, xlabel=xlabel, bins=bins, marks=marks or {}, log=log
        )
        figure.axes[0].set_title(title)
    return figure


def histograms(panels: Sequence[Mapping], *, title: str) -> Picture:
    """Several `draw_histogram` panels side by side; each a mapping of its arguments."""
    with matplotlib.rc_context(STYLE):
        figure = Picture((3.4 * len(panels), 3.1), alt=f"Histograms: {title}")
        for axes, panel in zip(_row(figure, len(panels)), panels, strict=True):
            draw_histogram(axes, **panel)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def draw_histogram(
    axes: Axes,
    values: np.ndarray | pd.Series,
    *,
    xlabel: str,
    bins: int | Sequence[float] = 30,
    marks: Mapping[str, float] | None = None,
    log: bool = False,
    ylabel: str = "share of instances",
) -> None:
    """One histogram of shares on given axes; see `histogram`.

    Where `bins` are edges, the outermost two hold everything beyond them too.
    """
    values = np.asarray(values, dtype=float)
    if log and isinstance(bins, int):
        bins = np.geomspace(values.min(), values.max() * 1.001, bins + 1)
    if not isinstance(bins, int):
        values = np.clip(values, bins[0], bins[-1])
    weights = np.full(len(values), 1 / max(len(values), 1))
    axes.hist(values, bins=bins, weights=weights, color=CYCLE[0], edgecolor="white", linewidth=0.4)
    if log:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    for name, place in (marks or {}).items():
        axes.axvline(place, color=CYCLE[3], linewidth=1.2, linestyle=(0, (4, 2)))
        axes.annotate(
            name, (place, 0.985), xycoords=axes.get_xaxis_transform(), xytext=(2, 0),
            textcoords="offset points", color=CYCLE[3], fontsize=7.5, va="top", rotation=90,
        )  # fmt: skip
    axes.margins(y=0.22 if marks else None)  # room for the names above the bars
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.set(xlabel=xlabel, ylabel=ylabel)


def curves(
    table: pd.DataFrame,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    marks: Mapping[str, float] | None = None,
    percent: bool = True,
) -> Picture:
    """One line per column of `table` over its index; `marks` are named vertical lines."""
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.2, 3.6), alt=f"Curves of {', '.join(map(str, table))}: {title}")
        axes = figure.add_subplot()
        for (name, column), dash in zip(table.items(), _dashes(table.shape[1]), strict=True):
            axes.plot(table.index, column, label=name, linestyle=dash)
        for name, place in (marks or {}).items():
            axes.axvline(place, color=GREY, linewidth=1, linestyle=(0, (2, 2)))
            axes.text(
                place, 0.02, f" {name}", color=GREY, fontsize=8, va="bottom",
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
        if percent:
            axes.yaxis.set_major_formatter(FuncFormatter(_percent))
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        axes.legend()
    return figure


def heat_map(table: pd.DataFrame, *, title: str, xlabel: str, ylabel: str) -> Picture:
    """A square of shares in 0..1, each cell written in per cent."""
    with matplotlib.rc_context(STYLE):
        side = 2.6 + 0.52 * len(table)
        figure = Picture((side + 1.2, side - 0.6), alt=f"Heat map: {title}")
        axes = figure.add_subplot()
        seaborn.heatmap(
            table, ax=axes, cmap="Blues", vmin=0, vmax=1, annot=table * 100, fmt=".0f",
            linewidths=0.8, cbar=False, annot_kws={"fontsize": 8},
            xticklabels=False, yticklabels=False,
        )  # fmt: skip
        axes.set(title=f"{title} (per cent)", xlabel=xlabel, ylabel=ylabel)
        axes.tick_params(length=0)
        rows, columns = table.index, table.columns
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows.map(short_names(rows)))
        axes.set_xticks(
            np.arange(len(columns)) + 0.5,
            columns.map(short_names(columns)),
            rotation=35,
            ha="right",
        )
    return figure


def shape_map(
    sizes: np.ndarray, sets: Mapping[str, np.ndarray], *, title: str, side: float
) -> Picture:
    """Widths and heights of boxes (N, 2) as a cloud, with the shapes (A, 2) of anchor sets on it.

    Both axes are logarithmic and equal, so equal ratios lie on one diagonal; `side` is the width
    of the resized picture in pixels, drawn as its frame.
    """
    with matplotlib.rc_context(STYLE):
        figure = Picture((5.6, 5.2), alt=f"{title}: box widths and heights with anchor shapes")
        axes = figure.add_subplot()
        axes.scatter(sizes[:, 0], sizes[:, 1], s=5, color=GREY, alpha=0.35, linewidths=0, zorder=1)
        # Large rings first, small marks last: sets share shapes, and all have to be seen.
        marks = (("o", 150, CYCLE[3]), ("x", 34, CYCLE[0]), ("D", 26, CYCLE[2]), ("^", 14, INK))
        for (name, shapes), (marker, area, colour) in zip(sets.items(), marks, strict=False):
            paint = (
                {"color": colour} if marker == "x" else {"facecolor": "none", "edgecolor": colour}
            )
            axes.scatter(
                shapes[:, 0], shapes[:, 1], s=area, marker=marker, linewidths=1.7, label=name,
                zorder=3, **paint,
            )  # fmt: skip
        axes.plot([side, side, sizes.min()], [sizes.min(), side, side], color=INK, linewidth=0.8)
        for axis, log in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            log("log", base=2)
            axis.set_major_formatter(FuncFormatter(_plain))
        axes.set(title=title, xlabel="width (px)", ylabel="height (px)", aspect="equal")
        axes.legend(loc="lower right")
    return figure


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
        axes.xaxis.set_major_formatter(FuncFormatter(_percent))
        axes.set(title=title, ylabel=ylabel, xlim=(0, 1))
        axes.grid(visible=False)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def loss_columns(log: pd.DataFrame) -> list[str]:
    """The columns of a training log that are parts of the loss: those it does not name itself."""
    return [c for c in log.columns if c not in NOT_LOSSES and not c.startswith("seconds_")]


def loss_curves(log: pd.DataFrame, *, title: str, window: int = 20) -> Picture:
    """Training losses over steps: the total, then its parts, each a moving average over `window`
    logged rows with the raw total faint behind it.

    `log`: the table of `training.log.read_log`; every column it does not name itself is a loss.
    """
    parts = loss_columns(log)
    with matplotlib.rc_context(STYLE):
        figure = Picture((9.2, 3.3), alt=f"{title}: loss over {len(log)} logged steps")
        total, detail = _row(figure, 2)
        total.plot(log["step"], log["total"], color=CYCLE[0], alpha=0.25, linewidth=0.8)
        total.plot(log["step"], _smooth(log["total"], window), color=CYCLE[0])
        total.set(title=title, xlabel="step", ylabel="total loss")
        for part, dash in zip(parts, _dashes(len(parts)), strict=True):
            label = part.removeprefix("loss_").replace("_", " ")
            detail.plot(log["step"], _smooth(log[part], window), label=label, linestyle=dash)
        detail.set(title="its parts", xlabel="step")
        detail.legend()
        for axes in (total, detail):
            axes.set_ylim(bottom=0)
    return figure


def _row(figure: Picture, count: int) -> list[Axes]:
    return list(np.ravel(figure.subplots(1, count)))


def _smooth(values: pd.Series, window: int) -> pd.Series:
    return values.rolling(window, min_periods=1).mean()


def _dashes(count: int) -> list:
    """Line styles, so that lines are told apart without colour too."""
    kinds = ["-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1))]
    return [kinds[i % len(kinds)] for i in range(count)]


def _percent(share: float, _: int) -> str:
    return f"{100 * share:.4g} %"


def _plain(value: float, _: int) -> str:
    return f"{value:g}"
