"""PointRend's subdivision to look at, with an oracle in the place of the point head.

The oracle answers every point it is asked with the true mask, so what is missing at the end was
never asked: it is the ceiling of a number of points and steps, whatever the head. T cells are the
side of a step's grid, P its points.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.drawing import Overlay
from helpers.drawing_style import CYCLE, INK, STYLE, Picture, short_name
from helpers.inference.paste import paste_masks
from helpers.models.pointrend import subdivision
from helpers.models.points import PointTable, in_image
from helpers.series.analysis.mask_grids import mask_iou
from helpers.series.viz.controls import Controlled, choice, slider
from helpers.structures import Detections

BUDGETS = (49, 100, 196, 400, 784, 1600, 3136)  # points a step
COLUMNS = 4  # panels in a row


@dataclass(frozen=True)
class SubdivisionStep:
    """One grid: `mask` (T, T) float32, the share of the object in each cell; `asked` (P, 2) the
    points given to the head, x and y in 0..1 of the box; `iou` of the pasted and the true mask."""

    mask: np.ndarray
    asked: np.ndarray
    iou: float

    @property
    def side(self) -> int:
        return len(self.mask)


def subdivide_truth(
    mask: np.ndarray, box: np.ndarray, *, points: int, steps: int, coarse: int = 7
) -> list[SubdivisionStep]:
    """The steps of `PointRendHead.subdivide` with a head that knows the (H, W) bool mask.

    box: (4,) xyxy in pixels. The largest grid of coarse * 2 ** k cells with at most `points` cells
    is asked everywhere; each further doubling, up to coarse * 2 ** steps, is interpolated and asked
    at the `points` cells nearest to one half. Raises ValueError for less than coarse ** 2 points.
    """
    if points < coarse**2:
        raise ValueError(f"{points} points do not fill a grid of {coarse} x {coarse}: ask for more")
    truth = PointTable.of(torch.from_numpy(mask)[None, None].float())
    boxes = torch.as_tensor(box, dtype=torch.float32)[None]

    def ask(asked: Tensor) -> Tensor:
        return _oracle(truth, boxes, asked) - 0.5

    grids = subdivision(ask, like=boxes, side=coarse, steps=steps, budget=points)
    return [_step(logits + 0.5, asked, mask, boxes) for asked, logits in grids]


def _oracle(truth: PointTable, boxes: Tensor, asked: Tensor) -> Tensor:
    """(1, P) the true mask at (1, P, 2) points of a (1, 4) box, between pixels interpolated."""
    size = asked.new_tensor([truth.width, truth.height])
    answers = truth.at(in_image(asked, boxes) / size, torch.zeros(1, dtype=torch.long))
    return answers.squeeze(2)


def _step(grid: Tensor, asked: Tensor, mask: np.ndarray, boxes: Tensor) -> SubdivisionStep:
    found = Detections(boxes, torch.ones(1), torch.zeros(1, dtype=torch.long), mask.shape, grid)
    pasted = paste_masks(found)[0].numpy()
    return SubdivisionStep(grid[0].numpy(), asked[0].numpy(), mask_iou(pasted, mask))


def subdivision_picture(
    image: np.ndarray, overlay: Overlay, row: int, *, points: int, steps: int, coarse: int = 7
) -> Picture:
    """The object cut out, then one panel a grid: the mask so far, the points asked as dots."""
    mask, box = overlay.masks[row], overlay.boxes[row]
    found = subdivide_truth(mask, box, points=points, steps=steps, coarse=coarse)
    columns = min(COLUMNS, len(found) + 1)
    rows = -(-(len(found) + 1) // columns)
    ious = ", ".join(f"{step.side} x {step.side} IoU {step.iou:.3f}" for step in found)
    with matplotlib.rc_context(STYLE):
        ratio = (box[3] - box[1]) / (box[2] - box[0])
        size = (2.5 * columns, (2.5 * min(ratio, 2.0) + 0.45) * rows)
        figure = Picture(size, alt=f"{overlay.names[row]}: {ious}", photograph=True)
        cells = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in cells:
            axes.set_axis_off()
        _draw_object(cells[0], image, overlay, row)
        for axes, step in zip(cells[1:], found, strict=False):
            _draw_step(axes, step, box)
    return figure


def _draw_object(axes: Axes, image: np.ndarray, overlay: Overlay, row: int) -> None:
    left, top, right, bottom = overlay.boxes[row]
    axes.imshow(image, extent=(0, image.shape[1], image.shape[0], 0))
    padded = np.pad(overlay.masks[row], 1)  # an outline along the picture's edge too
    y, x = (np.arange(side) - 0.5 for side in padded.shape)
    axes.contour(x, y, padded, levels=[0.5], colors=CYCLE[1], linewidths=1.2)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_title(f"{short_name(overlay.names[row])}\ntrue outline", fontsize=8)


def _draw_step(axes: Axes, step: SubdivisionStep, box: np.ndarray) -> None:
    corner, size = box[:2], box[2:] - box[:2]
    (left, top), (right, bottom) = corner, corner + size
    axes.imshow(step.mask, cmap="Greys", vmin=0, vmax=1.4, extent=(left, right, bottom, top))
    share = len(step.asked) / step.side**2
    if share < 1:
        dot = float(np.clip(2000 / len(step.asked), 0.6, 14))
        axes.scatter(*(corner + step.asked * size).T, s=dot, color=CYCLE[3], linewidths=0)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=INK, lw=0.6))
    asked = "all cells" if share == 1 else f"{len(step.asked):,} cells ({share:.1%})"
    axes.set_title(f"{step.side} x {step.side}, IoU {step.iou:.3f}\n{asked} asked", fontsize=8)


def subdivision_view(
    image: np.ndarray, overlay: Overlay, row: int = 0, *, points: int = 196, steps: int = 4,
    coarse: int = 7,
) -> Controlled:  # fmt: skip
    """Which object, how many points a step and how many steps: to be tried in JupyterLab.

    image: (H, W, 3) uint8; overlay: its true instances; row, points, steps: what is shown first,
    and alone where nobody watches.
    """
    names = [(f"{n + 1}: {name}", n) for n, name in enumerate(overlay.names)]
    budgets = sorted({points, *(b for b in BUDGETS if b >= coarse**2)})

    def draw(row: int, points: int, steps: int) -> Picture:
        return subdivision_picture(image, overlay, row, points=points, steps=steps, coarse=coarse)

    controls = {
        "row": choice("object", names, row),
        "points": choice("points a step", [(f"{b:,}", b) for b in budgets], points),
        "steps": slider("steps", steps, low=0, high=6, step=1),
    }
    return Controlled(draw, controls, width=860)
