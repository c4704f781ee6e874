"""The points that convolutions read, drawn on the picture they read."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from helpers.drawing_style import CYCLE, INK, STYLE, Picture
from helpers.series.analysis.kernel_points import Reading
from helpers.series.viz.gallery import square_window

OUTLINE = [patheffects.withStroke(linewidth=2.2, foreground="white")]


def kernel_points(image: np.ndarray, found: Sequence[Reading], *, title: str) -> Picture:
    """For each place two panels: what one layer reads there, with arrows the way the loss pulls
    its points, and what two layers one after the other read.

    image: (H, W, 3) uint8. The longest arrow of a place is as long as the first two points are
    apart: arrows are to be compared within a panel only.
    """
    with matplotlib.rc_context(STYLE):
        alt = f"{title}: {len(found)} places"
        figure = Picture((1.9 * len(found), 4.2), alt=alt, photograph=True)
        for (upper, lower), one in zip(figure.subplots(2, len(found)).T, found, strict=True):
            _draw(upper, image, one, one.points, room=16)
            _draw_pulls(upper, one)
            _draw(lower, image, one, one.stacked, room=4)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _draw(axes: Axes, image: np.ndarray, one: Reading, points: np.ndarray, *, room: int) -> None:
    size, few = image.shape[:2], len(points) < 20
    ends = (points.min(axis=0) - room, points.max(axis=0) + room)
    rows, columns = square_window(np.concatenate(ends).clip(0, [*size[::-1], *size[::-1]]), size)
    axes.imshow(image, extent=(0, image.shape[1], image.shape[0], 0))
    axes.scatter(
        *points.T, s=34 if few else 12, color=CYCLE[3], edgecolor="white", linewidths=0.5, zorder=3
    )
    axes.plot(*one.place, "+", color=CYCLE[4], markersize=11, mew=1.8, path_effects=OUTLINE)
    axes.set(xlim=(columns.start, columns.stop), ylim=(rows.stop, rows.start))
    axes.set_title(f"{'one layer' if few else 'two layers'}: {len(points)} points", fontsize=8)
    axes.set_axis_off()


def _draw_pulls(axes: Axes, one: Reading) -> None:
    longest = float(np.hypot(*one.pulls.T).max()) or 1.0
    arrows = one.pulls * (np.hypot(*(one.points[1] - one.points[0])) / longest)
    axes.quiver(
        *one.points.T, *arrows.T, angles="xy", scale_units="xy", scale=1, color="white",
        edgecolor=INK, linewidth=0.6, width=0.014, zorder=4,
    )  # fmt: skip
