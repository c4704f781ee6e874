"""What the best possible mask head of a kind can draw: charts, and the masks themselves."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from helpers.drawing_style import CYCLE, GREY, INK, STYLE, Picture, shade, short_names
from helpers.series.analysis.mask_grids import Drawing

MEASURES = {
    "mean_iou": "mean IoU",
    "mean_boundary_iou": "mean boundary IoU",
    "over_thresholds": "share over 0.50 to 0.95",
}


def ceiling_curves(summary: pd.DataFrame, classes: pd.DataFrame, *, title: str) -> Picture:
    """What a perfect head still reaches: on the left all masks by each way, on the right the
    classes by some of the ways.

    summary: `analysis.mask_grids.summary`; classes: `analysis.mask_grids.by_class`.
    """
    ways = [way for way in summary.index if way in classes]
    with matplotlib.rc_context(STYLE):
        size = (9.4, max(3.4, 0.9 + 0.19 * len(classes)))
        figure = Picture(size, alt=f"{title}: {', '.join(summary.index)}")
        whole, single = figure.subplots(1, 2, width_ratios=(1, 1.2))
        for (column, label), marker in zip(MEASURES.items(), "osD", strict=True):
            places = range(len(summary))
            whole.plot(100 * summary[column], places, marker, label=label, alpha=0.85)
        whole.set_yticks(range(len(summary)), summary.index)
        whole.set(title=title, xlabel="per cent")
        whole.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)
        for number, way in enumerate(ways):
            colour = shade(CYCLE[0], 0.7 - 1.1 * number / max(len(ways) - 1, 1))
            single.scatter(100 * classes[way], range(len(classes)), color=colour, s=22, label=way)
        labels = short_names(classes.index)
        named = [f"{labels[n]}  ({count})" for n, count in classes["instances"].items()]
        single.set_yticks(range(len(classes)), named)
        single.tick_params(axis="y", labelsize=7.5, length=0)
        single.set(title="by class", xlabel="mean IoU (per cent)")
        single.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=len(ways))
        for axes in (whole, single):
            axes.invert_yaxis()
    return figure


def outline_scatter(table: pd.DataFrame, budgets: Sequence[int], *, title: str) -> Picture:
    """IoU of each mask over the length of its outline, a panel for each number of points a step.

    table: `analysis.mask_grids.ceilings`. The line is where there are as many points as cells on
    the outline; right of it some must be missed.
    """
    with matplotlib.rc_context(STYLE):
        figure = Picture((3.1 * len(budgets), 3.0), alt=f"{title}: panels for {budgets} points")
        panels = np.atleast_1d(figure.subplots(1, len(budgets), sharex=True, sharey=True))
        outline = table["outline"].clip(lower=1)
        for axes, budget in zip(panels, budgets, strict=True):
            beyond = outline > budget
            colours = np.where(beyond, CYCLE[3], CYCLE[0])
            axes.scatter(outline, 100 * table[f"{budget:,} points"], s=16, c=colours, alpha=0.8)
            axes.axvline(budget, color=GREY, linewidth=1, linestyle=(0, (4, 2)))
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set(xlabel="cells on the outline (of 224 x 224)")
            axes.set_title(
                f"{budget:,} points: {beyond.mean():.0%} of masks need more", fontsize=8.5
            )
        panels[0].set_ylabel("IoU with the true mask (%)")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def masks_compared(rows: Sequence[Sequence[Drawing]], *, title: str) -> Picture:
    """A row for each mask: the true one, what each way makes of it, and where points were put.

    rows: `analysis.mask_grids.drawings` of each mask. Kept pixels are grey, lost ones red, added
    ones blue.
    """
    with matplotlib.rc_context(STYLE):
        columns = max(map(len, rows))
        figure = Picture((1.6 * columns, 0.3 + 1.8 * len(rows)), alt=title)
        cells = figure.subplots(len(rows), columns, squeeze=False)
        for row, drawings in zip(cells, rows, strict=True):
            for axes, drawing in zip(row, drawings, strict=False):
                _draw(axes, drawing, drawings[0].mask)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _draw(axes: Axes, drawing: Drawing, true: np.ndarray) -> None:
    drawn = drawing.mask
    image = np.ones((*true.shape, 3))
    image[drawn & true] = to_rgb(shade(INK, 0.45))
    image[~drawn & true] = to_rgb(CYCLE[3])
    image[drawn & ~true] = to_rgb(CYCLE[4])
    axes.imshow(image, interpolation="antialiased")
    axes.set_title(f"{drawing.name}\n{drawing.note}", fontsize=7, fontweight="normal")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    if drawing.asked is not None:
        height, width = true.shape
        axes.scatter(*(drawing.asked * [width, height]).T, s=0.5, color=CYCLE[1], linewidths=0)
