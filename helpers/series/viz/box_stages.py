"""Boxes on their way through the stages of a box branch, on the picture and in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from helpers.drawing_style import CYCLE, GREY, STYLE, Picture, shade
from helpers.series.viz.gallery import square_window

THRESHOLDS = (0.5, 0.6, 0.7)  # of a cascade's stages


def boxes_by_step(
    image: np.ndarray, boxes: np.ndarray, names: Sequence[str], *, title: str
) -> Picture:
    """A panel for each step: the same boxes of one object after it, a colour each.

    image: (H, W, 3) uint8; boxes: (steps, R, 4) px.
    """
    low, high = boxes[..., :2].min(axis=(0, 1)), boxes[..., 2:].max(axis=(0, 1))
    rows, columns = square_window(np.concatenate((low, high)), image.shape[:2])
    with matplotlib.rc_context(STYLE):
        figure = Picture((2.6 * len(names), 3.05), alt=f"{title}: {', '.join(names)}",
                         photograph=True)  # fmt: skip
        for axes, name, step in zip(figure.subplots(1, len(names)), names, boxes, strict=True):
            axes.imshow(image)
            for number, (x1, y1, x2, y2) in enumerate(step):
                for width, colour in ((2.6, "white"), (1.4, CYCLE[number % len(CYCLE)])):
                    axes.add_patch(
                        Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, lw=width,
                                  edgecolor=colour)
                    )  # fmt: skip
            axes.set(xlim=(columns.start, columns.stop), ylim=(rows.stop, rows.start))
            axes.set_title(name, fontsize=8.5)
            axes.set_axis_off()
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def fit_curves(fits: pd.DataFrame, gains: Sequence[pd.DataFrame], *, title: str) -> Picture:
    """On the left, of all boxes near an object the share that fits it at least so well, a line a
    step; on the right, how well boxes fit before a step and after it.

    fits: `analysis.box_stages.fits`; gains: `analysis.box_stages.by_input` of each step.
    """
    limits, steps = np.linspace(0.3, 0.95, 66), list(fits.columns)
    colours = [GREY, *(shade(CYCLE[0], 0.6 - 0.45 * n) for n in range(len(steps) - 1))]
    with matplotlib.rc_context(STYLE):
        figure = Picture((9.4, 3.5), alt=f"{title}: {', '.join(steps)}")
        shares, change = figure.subplots(1, 2)
        for name, colour in zip(steps, colours, strict=True):
            values = fits[name].to_numpy()[:, None]
            shares.plot(limits, 100 * (values >= limits).mean(axis=0), color=colour, label=name)
        for threshold in THRESHOLDS:
            shares.axvline(threshold, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        shares.set(title=title, xlabel="IoU with the object", ylabel="boxes of at least this (%)")
        shares.legend()
        change.plot([0.3, 1], [0.3, 1], color=GREY, linewidth=1, linestyle=(0, (4, 2)))
        for name, colour, table in zip(steps[1:], colours[1:], gains, strict=True):
            change.plot(table["before"], table["after"], color=colour, marker="o", label=name)
        change.set(title="what each step is worth", xlabel="mean IoU before", ylabel="after")
        change.legend()
    return figure
