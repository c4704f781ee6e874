"""Anchors on their picture: for each true box the anchor that covers it best, at any size."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from helpers.drawing_style import CYCLE, INK, STYLE, Picture
from helpers.series.analysis.anchors import LEVELS, AnchorSet, best_anchors, resize_scale
from helpers.series.viz.controls import Controlled, choice, slider

POSITIVE = 0.7  # IoU from which on an anchor is a positive of the RPN


def anchor_picture(
    image: np.ndarray, boxes: np.ndarray, anchors: AnchorSet, *, short_side: int, max_side: int
) -> Picture:
    """Each of the (N, 4) xyxy boxes (white) with its best anchor, coloured by pyramid level.

    image: (H, W, 3) uint8, boxes in its pixels; both are taken as if resized to `short_side` (but
    no side above `max_side`). Dashed anchors are those below the IoU of a positive.
    """
    height, width = image.shape[:2]
    scale = float(resize_scale(width, height, short_side=short_side, max_side=max_side))
    shapes, levels, ious = best_anchors(boxes * scale, anchors)
    reached = int((ious >= POSITIVE).sum())
    title = (
        f"{anchors.name}, short side {round(min(height, width) * scale)} px: "
        f"{reached} of {len(boxes)} boxes have a positive"
    )
    with matplotlib.rc_context(STYLE):
        figure = Picture((6.6, 6.6 * height / width + 0.3), alt=title, photograph=True)
        axes = figure.add_subplot()
        axes.imshow(image, extent=(0, width, height, 0))
        axes.set_axis_off()
        axes.set_title(title)
        for box, shape, level, iou in zip(boxes, shapes / scale, levels, ious, strict=True):
            _draw_box(axes, box, "white", width=2.6)
            _draw_box(axes, box, INK, width=1.0)
            style = "-" if iou >= POSITIVE else (0, (3, 2))
            _draw_box(axes, shape, CYCLE[level], width=1.8, style=style)
            axes.text(
                *np.clip(shape[:2], 3, (width - 3, height - 3)), f"{LEVELS[level]} {iou:.2f}",
                color="white", fontsize=6.5, va="top", clip_on=True,
                bbox={"facecolor": CYCLE[level], "edgecolor": "none", "pad": 1.2},
            )  # fmt: skip
        axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


def _draw_box(
    axes: Axes, box: np.ndarray, colour: str, *, width: float, style: str | tuple = "-"
) -> None:
    x1, y1, x2, y2 = box
    axes.add_patch(
        Rectangle(
            (x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, lw=width, linestyle=style
        )
    )


def anchor_view(
    image: np.ndarray, boxes: np.ndarray, sets: Mapping[str, AnchorSet], *, short_side: int = 1200,
    max_side: int = 1500,
) -> Controlled:  # fmt: skip
    """`anchor_picture` with a slider for the training size and a choice of anchor sets.

    Where nobody watches, the first set at `short_side` stands in its place.
    """

    def draw(short_side: int, anchors: str) -> Picture:
        return anchor_picture(image, boxes, sets[anchors], short_side=short_side, max_side=max_side)

    controls = {
        "short_side": slider("short side (px)", short_side, low=200, high=max_side, step=50),
        "anchors": choice("anchors", list(sets), next(iter(sets))),
    }
    return Controlled(draw, controls)
