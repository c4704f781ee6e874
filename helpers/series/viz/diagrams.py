"""Drawn explanations: the map of the pipeline, and a ladder of steps with what each was worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from helpers.drawing_style import CYCLE, GREY, INK, STYLE, Picture, shade


@dataclass(frozen=True)
class Stage:
    """One box of the map: what happens, in a few words how, and where the series looks at it."""

    title: str
    text: str
    notebook: str = ""


def pipeline_map(rows: Sequence[tuple[str, Sequence[Stage]]], *, title: str) -> Picture:
    """Rows of stages read left to right, one row after the other; each row has a name."""
    columns = max(len(stages) for _, stages in rows)
    with matplotlib.rc_context(STYLE):
        alt = "; ".join(f"{name}: {', '.join(s.title for s in stages)}" for name, stages in rows)
        figure = Picture((10.4, 0.35 + 1.28 * len(rows)), alt=f"{title}. {alt}")
        axes = figure.add_subplot()
        axes.set(xlim=(-0.02, columns), ylim=(len(rows) - 0.02, -0.16))
        axes.set_axis_off()
        axes.set_title(title)
        for y, (name, stages) in enumerate(rows):
            axes.text(0.02, y - 0.02, name, fontsize=8, color=GREY, fontweight="bold")
            for x, stage in enumerate(stages):
                _draw_stage(axes, x, y, stage, CYCLE[y % len(CYCLE)])
                if x:
                    _arrow(axes, (x - 0.10, y + 0.42), (x + 0.01, y + 0.42))
            if y:
                _turn(axes, columns=len(rows[y - 1][1]), y=y)
    return figure


def _draw_stage(axes: Axes, x: float, y: float, stage: Stage, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.03, y + 0.08), 0.85, 0.68, boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=shade(colour, 0.86), edgecolor=colour, linewidth=1.2, mutation_aspect=1.4,
        )
    )  # fmt: skip
    middle = x + 0.455
    axes.text(
        middle, y + 0.20, stage.title, ha="center", va="center", fontsize=8.5, fontweight="bold"
    )
    axes.text(
        middle, y + 0.43, stage.text, ha="center", va="center", fontsize=7.2, linespacing=1.25
    )
    axes.text(middle, y + 0.67, stage.notebook, ha="center", va="center", fontsize=7, color=colour)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1.1})


def _turn(axes: Axes, *, columns: int, y: int) -> None:
    """The line from the end of the row above to the start of this one."""
    x_end, above, below = columns - 0.545, y - 0.23, y - 0.10
    axes.plot([x_end, x_end, 0.455, 0.455], [above, below, below, y + 0.0], color=GREY, lw=1.1)
    _arrow(axes, (0.455, y - 0.01), (0.455, y + 0.09))


def step_ladder(table: pd.DataFrame, *, title: str, xlabel: str) -> Picture:
    """Steps one upon the other: a point at the value reached, a line for what the step added.

    Points need no axis that starts at zero, so that small gains can be seen. `table`: columns step,
    mask_ap and gain (nan in the first row), in the order of the steps.
    """
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.6, 0.9 + 0.34 * len(table)), alt=f"{title}: a point for each step")
        axes = figure.add_subplot()
        places, gain = range(len(table)), table["gain"].fillna(0)
        low, high = table["mask_ap"].min(), table["mask_ap"].max()
        span = high - low
        reached = table["mask_ap"]
        axes.hlines(places, reached - gain, reached, color=shade(CYCLE[0], 0.55), linewidth=3)
        axes.plot(reached, places, "o", color=CYCLE[0], markersize=6)
        for place, (value, added) in enumerate(zip(table["mask_ap"], table["gain"], strict=True)):
            text = f"{value:.2f}" + (f"  (+{added:.2f})" if added == added else "")
            axes.text(value + 0.02 * span, place, text, va="center", fontsize=8.5, color=INK)
        axes.set_yticks(places, table["step"])
        axes.invert_yaxis()
        axes.set(title=title, xlabel=xlabel, xlim=(low - 0.1 * span, high + 0.25 * span))
        axes.grid(visible=False, axis="y")
    return figure
