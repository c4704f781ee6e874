"""Instances drawn on their picture: tinted masks, contours with a dark and a light line so that
they can be read on any background, boxes, names and scores.

N instances, H x W pixels of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from PIL import Image
from scipy import ndimage

from helpers.data import rle
from helpers.drawing_style import (
    STYLE,
    Picture,
    class_colour,
    instance_colours,
    short_names,
    text_on,
)

LABEL_SIZE = 6.2  # points
TALLEST = 4.0  # height of a panel over its width: a narrower picture has margins
FINEST = 170  # px an inch of a panel, twice as many as are shown


@dataclass(frozen=True)
class Overlay:
    """What is to be drawn on one picture, truth and prediction alike.

    masks: (N, H, W) bool; boxes: (N, 4) xyxy in pixels; category_ids: (N,) int; names: N class
    names; scores: (N,) in 0..1, or None for the truth.
    """

    masks: np.ndarray
    boxes: np.ndarray
    category_ids: np.ndarray
    names: tuple[str, ...]
    scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.category_ids)

    @staticmethod
    def of_results(
        results: Sequence[Mapping[str, Any]], names: Mapping[int, str], size: tuple[int, int]
    ) -> Overlay:
        """COCO results of one picture of `size` (height, width), in their order; names: of the
        categories by id."""
        boxes = np.array([rle.bbox(r["segmentation"]) for r in results], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        masks = np.array([rle.decode(r["segmentation"]) for r in results], bool)
        return Overlay(
            masks=masks.reshape(-1, *size),
            boxes=boxes,
            category_ids=np.array([r["category_id"] for r in results], np.int64),
            names=tuple(names[r["category_id"]] for r in results),
            scores=np.array([r["score"] for r in results], np.float64),
        )

    def keep(self, rows: np.ndarray) -> Overlay:
        """The given rows (indices or a bool mask), in that order."""
        rows = np.arange(len(self))[rows]
        return replace(
            self,
            masks=self.masks[rows],
            boxes=self.boxes[rows],
            category_ids=self.category_ids[rows],
            names=tuple(self.names[i] for i in rows),
            scores=None if self.scores is None else self.scores[rows],
        )

    def best(self, *, score: float = 0.5, limit: int = 20) -> Overlay:
        """The at most `limit` instances of at least `score`, best first; the truth unchanged."""
        if self.scores is None:
            return self
        order = np.argsort(-self.scores, kind="stable")
        return self.keep(order[self.scores[order] >= score][:limit])


@dataclass(frozen=True)
class Panel:
    """One cell of a grid: a picture (H, W, 3) uint8 with a title and instances to draw on it.

    outline: width of the contours, 1 as usual; thin parts need less to be seen, 0: none.
    """

    image: np.ndarray
    title: str = ""
    overlay: Overlay | None = None
    fill: float = 0.32
    outline: float = 1.0
    labels: bool = True
    boxes: bool = False


def grid(panels: Sequence[Panel], *, columns: int, alt: str, cell: float = 3.1) -> Picture:
    """The panels row by row, `cell` inches each, as one photograph (stored as JPEG)."""
    if not panels:
        raise ValueError("nothing to draw: the list of panels is empty")
    columns = min(columns, len(panels))
    titled = 0.24 if any(panel.title for panel in panels) else 0.05
    shapes = [panel.image.shape for panel in panels]
    ratios = [min(height / width, TALLEST) for height, width, _ in shapes]
    heights = [cell * max(ratios[n : n + columns]) + titled for n in range(0, len(panels), columns)]
    with matplotlib.rc_context(STYLE):
        figure = Picture((cell * columns, sum(heights)), alt=alt, photograph=True)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
        cells = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).ravel()
        for axes in cells:
            axes.set_axis_off()
        for axes, panel in zip(cells, panels, strict=False):
            draw_panel(axes, panel, inches=cell)
    return figure


def draw_panel(axes: Axes, panel: Panel, *, inches: float) -> None:
    """One panel on axes that are `inches` wide."""
    axes.set_axis_off()
    panel = _reduced(panel, int(panel.image.shape[1] / (FINEST * inches)))
    shown = panel.overlay
    image = panel.image if shown is None else tint(panel.image, shown, strength=panel.fill)
    axes.imshow(image, interpolation="bilinear")
    if panel.title:
        small = inches < 2
        weight = "normal" if small else "bold"
        axes.set_title(panel.title, fontsize=6.3 if small else 8.5, pad=3, fontweight=weight)
    if shown is None:
        return
    for row in largest_first(shown):
        colour = class_colour(int(shown.category_ids[row]))
        if panel.outline:
            _draw_contour(axes, shown.masks[row], colour, width=panel.outline)
        if panel.boxes:
            _draw_box(axes, shown.boxes[row], colour)
    if panel.labels:
        names = short_names(shown.names, length=18)
        for row in largest_first(shown):
            _draw_label(axes, shown, row, names[shown.names[row]], inches=inches)


def _reduced(panel: Panel, step: int) -> Panel:
    """The panel at 1 / `step` of its size: a mask of many megapixels takes seconds to draw."""
    if step < 2:
        return panel
    image, overlay = np.asarray(Image.fromarray(panel.image).reduce(step)), panel.overlay
    if overlay is not None:
        masks, boxes = overlay.masks[:, ::step, ::step], overlay.boxes / step
        overlay = replace(overlay, masks=masks, boxes=boxes)
    return replace(panel, image=image, overlay=overlay)


def largest_first(overlay: Overlay) -> list[int]:
    """Row numbers by falling mask area, so that small things are drawn on top of large ones."""
    areas = overlay.masks.sum(axis=(1, 2))
    return np.argsort(-areas, kind="stable").tolist()


def tint(image: np.ndarray, overlay: Overlay, *, strength: float) -> np.ndarray:
    """(H, W, 3) uint8: the picture with every mask washed in its class colour, 0..1 strong."""
    canvas = image.astype(np.float32)
    for row in largest_first(overlay):
        mask = overlay.masks[row]
        colour = np.array(to_rgb(class_colour(int(overlay.category_ids[row])))) * 255
        canvas[mask] = (1 - strength) * image[mask] + strength * colour
    return canvas.round().astype(np.uint8)


def id_map(overlay: Overlay, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8: every instance in a colour of its own on dark, as an id-map is looked at."""
    canvas = np.full((*size, 3), 24, np.uint8)
    colours = instance_colours(len(overlay))
    for row in largest_first(overlay):
        canvas[overlay.masks[row]] = np.array(to_rgb(colours[row])) * 255
    return canvas


def _draw_contour(axes: Axes, mask: np.ndarray, colour: str, *, width: float) -> None:
    if not mask.any():
        return
    padded = np.pad(mask.astype(float), 1)
    rows, columns = (np.arange(-1, side + 1) for side in mask.shape)
    lines = axes.contour(columns, rows, padded, levels=[0.5], colors=[colour])
    strokes = ((2.8, "black", 0.55), (1.9, "white", 1.0))  # width, colour, opacity
    under = [patheffects.Stroke(linewidth=w * width, foreground=c, alpha=a) for w, c, a in strokes]
    lines.set(linewidth=1.2 * width, path_effects=[*under, patheffects.Normal()])
    axes.set(xlim=(-0.5, mask.shape[1] - 0.5), ylim=(mask.shape[0] - 0.5, -0.5))


def _draw_box(axes: Axes, box: np.ndarray, colour: str) -> None:
    x1, y1, x2, y2 = box
    for width, edge in ((2.4, "white"), (1.3, colour)):
        look = {"fill": False, "linewidth": width, "edgecolor": edge}
        axes.add_patch(Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, **look))


def _draw_label(axes: Axes, overlay: Overlay, row: int, text: str, *, inches: float) -> None:
    mask = overlay.masks[row]
    if not mask.any():
        return
    y, x = deepest_point(mask)
    colour = class_colour(int(overlay.category_ids[row]))
    if overlay.scores is not None:
        text += f" {overlay.scores[row]:.2f}"
    height, width = mask.shape
    margin = min(0.5, (0.026 * len(text) + 0.05) / inches) * width  # half a label, in pixels
    axes.text(
        np.clip(x, margin, width - margin), np.clip(y, 0.03 * height, 0.97 * height), text,
        fontsize=LABEL_SIZE, color=text_on(colour), ha="center", va="center", clip_on=True,
        bbox={"boxstyle": "round,pad=0.22", "facecolor": colour, "edgecolor": "white",
              "linewidth": 0.6, "alpha": 0.92},
    )  # fmt: skip


def deepest_point(mask: np.ndarray) -> tuple[int, int]:
    """(y, x) of the pixel farthest from the mask's border: a label there never leaves the thing."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return int(y), int(x)
