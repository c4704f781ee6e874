"""Test-time augmentation to look at: each view's own result, where they differ, what they cost, and
a widget that averages any of them.
"""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd

from helpers.data.taxonomy import Taxonomy
from helpers.drawing import Panel, grid
from helpers.drawing_style import CYCLE, INK, STYLE, Picture
from helpers.inference.predictor import detected
from helpers.series.analysis.augmentation import Looks
from helpers.series.viz.controls import Controlled, tick

SIZES = {"AP": "all", "APs": "small", "APm": "medium", "APl": "large"}


def view_panels(
    image: np.ndarray, looks: Looks, taxonomy: Taxonomy, *, score: float = 0.5
) -> list[Panel]:
    """One panel a view with what it finds by itself, best first, at least `score`."""
    panels = []
    for view, own in zip(looks.views, looks.own, strict=True):
        overlay = detected(own[own.scores >= score], taxonomy).best(score=score)
        panels.append(Panel(image, f"{view}: {len(overlay)}", overlay))
    return panels


def disagreement_map(image: np.ndarray, share: np.ndarray) -> Picture:
    """The picture beside itself in grey with `share` (H, W) in 0..0.5 of differing views on it."""
    with matplotlib.rc_context(STYLE):
        ratio = image.shape[0] / image.shape[1]
        alt = "The picture, and where the augmentations disagree"
        figure = Picture((8.4, 3.9 * ratio + 0.4), alt=alt, photograph=True)
        left, right = figure.subplots(1, 2)
        for axes, title in ((left, "picture"), (right, "share of views that differ")):
            axes.set_axis_off()
            axes.set_title(title)
        left.imshow(image)
        right.imshow(image.mean(axis=2), cmap="gray", vmin=-120, vmax=255)
        hidden = np.ma.masked_where(share <= 0, share)
        heat = right.imshow(hidden, cmap="inferno", vmin=0, vmax=0.5)
        figure.colorbar(heat, ax=right, shrink=0.8, format=lambda value, _: f"{value:.0%}")
    return figure


def cost_curve(table: pd.DataFrame, *, title: str) -> Picture:
    """AP by size against seconds a picture, one point for each number of views.

    `table`: the ladder of `analysis.augmentation.worth`. Sizes without a score are left out.
    """
    with matplotlib.rc_context(STYLE):
        figure = Picture((8.4, 4.2), alt=f"{title}: AP by size against seconds a picture")
        axes = figure.add_subplot()
        for (column, name), colour in zip(SIZES.items(), CYCLE, strict=False):
            if table[column].isna().all():
                continue
            width = 2.6 if column == "AP" else 1.4
            axes.plot(
                table["seconds"], table[column], "o-", color=colour, lw=width, ms=4, label=name
            )
        for _, row in table.iterrows():
            axes.annotate(
                f"{row['views']:.0f}", (row["seconds"], row["AP"]), xytext=(0, 6), color=INK,
                textcoords="offset points", ha="center", fontsize=7.5,
            )  # fmt: skip
        axes.set(title=title, xlabel="seconds a picture", ylabel="mask AP (%)")
        axes.set_xlim(left=0)
        axes.legend(title="size", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def subset_viewer(
    image: np.ndarray, looks: Looks, taxonomy: Taxonomy, *, score: float = 0.5
) -> Controlled:
    """The merged instances of one picture with the mean masks of any views: a box to tick for each.

    Where nobody watches, the picture of all views stands in its place.
    """

    def draw(**ticked: bool) -> Picture:
        chosen = [n for n, view in enumerate(looks.views) if ticked[str(view)]]
        title = f"mean of {len(chosen)} of {len(looks.views)} views"
        overlay = None
        if chosen:
            averaged = looks.averaged(chosen)
            overlay = detected(averaged[averaged.scores >= score], taxonomy)
        return grid([Panel(image, title, overlay)], columns=1, alt=title, cell=5.0)

    boxes = {str(view): tick(str(view), True) for view in looks.views}
    return Controlled(draw, boxes, beside=True, width=420)
