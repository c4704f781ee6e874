"""How good a mask can be at all when it has to pass through a mask head's representation.

Nothing is trained: the head is taken to answer everything it is asked with the truth. A k x k grid
over the box gets the true mask as a head is taught to (a cell is set where at least half of it is
covered); PointRend's subdivision gets true answers at all the points it asks for. Both are drawn
back into the picture as predictions are, and compared with the mask they came from. What is lost is
lost to every such head, however well it has learnt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from helpers.data import rle
from helpers.data.boundary import DILATION_RATIO, boundary_band
from helpers.data.index import InstanceIndex
from helpers.data.taxonomy import FUTURE3D
from helpers.inference.paste import paste_masks
from helpers.models.pointrend import subdivision
from helpers.models.points import PointTable
from helpers.models.roi_pool import pool_masks
from helpers.scenes.config import SceneConfig
from helpers.scenes.render import compose_view, render_ids
from helpers.scenes.write import visible_labels
from helpers.series.analysis.statistics import REFERENCE_SIDE
from helpers.structures import Detections

SIDES = (14, 28, 56, 112, 224)  # 28: Mask R-CNN
BUDGETS = (196, 784, 3136)  # points a step; 784: detectron2's setting
COARSE, STEPS = 7, 5  # PointRend: 7 x 7, doubled five times
THRESHOLDS = np.linspace(0.5, 0.95, 10)
CERTAIN = 1e-3  # the oracle is never surer than this of a point
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class BoxedMask:
    """One true mask, cut to its tight box: mask (h, w) bool, of a square picture of `picture` px
    (the root of its area where it is not square)."""

    mask: Mask
    category: str
    picture: float


def rendered_masks(views: int, *, seed: int = 0, size: int = REFERENCE_SIDE) -> list[BoxedMask]:
    """All annotated pieces of the first rooms of the generated validation split, one view a room.

    Their exact label maps are drawn anew at `size` px; no picture is painted.
    """
    config = SceneConfig(seed=seed, size=size)
    return [
        mask
        for room in range(views)
        for mask in _rendered_view(config, room * config.views_per_room)
    ]


def _rendered_view(config: SceneConfig, number: int) -> Iterator[BoxedMask]:
    view = compose_view(config, "val", number)
    ids = render_ids(view, config.size)
    for label in visible_labels(ids, config):
        name = FUTURE3D.names[FUTURE3D.label_of(int(view.category_ids[label - 1]))]
        yield BoxedMask(_cut(ids == label), name, config.size)


def _cut(mask: Mask) -> Mask:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def stored_masks(index: InstanceIndex, *, limit: int | None = None) -> list[BoxedMask]:
    """The masks of a data set, crowd regions left out; at most `limit`, spread evenly over it.

    In the pixels they are stored in: at a lower resolution thin parts are coarser and every ceiling
    higher.
    """
    masks = []
    for row in range(len(index)):
        found, (height, width) = index.instances(row), index.image_size(row)
        for mask, label, crowd in zip(found.rles, found.labels, found.crowd, strict=True):
            if not crowd:
                cut = rle.decode_box(mask, rle.bbox(mask))
                name = index.taxonomy.classes[label].name
                masks.append(BoxedMask(cut, name, (height * width) ** 0.5))
    if limit is None or len(masks) <= limit:
        return masks
    return [masks[n] for n in np.linspace(0, len(masks) - 1, limit).round().astype(int)]


def through_grid(mask: Mask, side: int) -> Mask:
    """A mask (h, w) bool that fills its box, after a `side` x `side` grid over that box.

    Raises ValueError for a mask without a pixel.
    """
    plane, box = _plane(mask)
    cells = pool_masks(plane, torch.zeros(1, dtype=torch.int64), box, side).float()
    return _pasted(cells, box, mask.shape)


def through_points(
    mask: Mask, budget: int, *, coarse: int = COARSE, steps: int = STEPS
) -> tuple[Mask, NDArray[np.float32]]:
    """The same after PointRend's subdivision with `budget` points a step, all answered right.

    Also returns (P, 2) the points asked in the last step, x and y in 0..1 of the box. Raises
    ValueError for a mask without a pixel.
    """
    plane, box = _plane(mask)
    truth, first = PointTable.of(plane[:, None]), torch.zeros(1, dtype=torch.int64)

    def ask(points: Tensor) -> Tensor:
        return truth.at(points, first).squeeze(2).logit(CERTAIN)

    *_, (asked, logits) = subdivision(ask, like=box, side=coarse, steps=steps, budget=budget)
    return _pasted(logits.sigmoid(), box, mask.shape), asked[0].numpy()


def _plane(mask: Mask) -> tuple[Tensor, Tensor]:
    """(1, h, w) bool and the box (1, 4) around all of it."""
    if not mask.any():
        raise ValueError("a mask without a pixel has no box to lay a grid over")
    height, width = mask.shape
    box = torch.tensor([[0.0, 0.0, width, height]])
    return torch.from_numpy(np.ascontiguousarray(mask))[None], box


def _pasted(cells: Tensor, box: Tensor, size: tuple[int, int]) -> Mask:
    found = Detections(box, torch.ones(1), torch.zeros(1, dtype=torch.int64), size, cells)
    return paste_masks(found)[0].numpy()


def mask_iou(first: Mask, second: Mask) -> float:
    """IoU of two masks of one size, 0 if both are empty."""
    return float((first & second).sum() / max(1, (first | second).sum()))


def outline_cells(mask: Mask, side: int = COARSE * 2**STEPS) -> int:
    """How many cells of a `side` x `side` grid over the mask hold both mask and ground: what the
    last subdivision would have to ask to miss nothing."""
    plane, _ = _plane(mask)
    share = functional.adaptive_avg_pool2d(plane[None].float(), side)
    return int(((share > 0) & (share < 1)).sum())


def ceilings(
    masks: Sequence[BoxedMask],
    *,
    sides: Sequence[int] = SIDES,
    budgets: Sequence[int] = BUDGETS,
) -> pd.DataFrame:
    """One row a mask: category, side_1200 (root of its area, px at a picture of 1200 px), outline
    (`outline_cells`), and the IoU after each way: "28 x 28", ..., "784 points", ...; and with
    "boundary " before it the boundary IoU (the lesser of it and the mask IoU, as it is scored)."""
    rows = []
    for one in masks:
        ways = {f"{side} x {side}": through_grid(one.mask, side) for side in sides}
        ways |= {f"{budget:,} points": through_points(one.mask, budget)[0] for budget in budgets}
        row = {
            "category": one.category,
            "side_1200": one.mask.sum() ** 0.5 * REFERENCE_SIDE / one.picture,
            "outline": outline_cells(one.mask),
        }
        row |= {name: mask_iou(back, one.mask) for name, back in ways.items()}
        true = _band(one.mask, one.picture)
        for name, back in ways.items():
            row[f"boundary {name}"] = min(row[name], mask_iou(_band(back, one.picture), true))
        rows.append(row)
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Drawing:
    """A mask (h, w) bool to be shown with its name and a note; asked: (P, 2) points over it, x and
    y in 0..1, or None."""

    name: str
    note: str
    mask: Mask
    asked: NDArray[np.float32] | None = None


def drawings(one: BoxedMask, *, side: int = 28, budgets: Sequence[int] = BUDGETS) -> list[Drawing]:
    """The true mask, the grid's, subdivision's with each number of points, and where the points of
    the last step lie with the first of these numbers."""
    true = one.mask
    answers = {budget: through_points(true, budget) for budget in budgets}
    ways = {f"{side} x {side} grid": through_grid(true, side)}
    ways |= {f"{budget:,} points a step": mask for budget, (mask, _) in answers.items()}
    shown = [Drawing(one.category.split(" / ")[0], f"{outline_cells(true):,} cells on edge", true)]
    shown += [Drawing(name, f"IoU {mask_iou(mask, true):.3f}", mask) for name, mask in ways.items()]
    asked = answers[budgets[0]][1]
    return [*shown, Drawing(f"the last {len(asked):,} points", "where they lie", true, asked)]


def _band(mask: Mask, picture: float) -> Mask:
    """Pixels near the outline, as near as the evaluation of a whole picture has it."""
    share = picture * 2**0.5 / np.hypot(*mask.shape)
    return boundary_band(mask, dilation_ratio=DILATION_RATIO * share)


def summary(table: pd.DataFrame, ways: Sequence[str]) -> pd.DataFrame:
    """One row a way, shares in 0..1: mean_iou; over_thresholds, the share of masks above the ten
    thresholds 0.50 to 0.95, averaged; and mean_boundary_iou.

    over_thresholds is the most that average recall can be. Mask AP is limited by it only where all
    instances are of one class, since AP weighs every class alike, however rare.
    """
    ious = table[list(ways)].to_numpy()
    rows = {
        "mean_iou": ious.mean(axis=0),
        "over_thresholds": (ious[:, :, None] >= THRESHOLDS).mean(axis=(0, 2)),
        "mean_boundary_iou": table[[f"boundary {way}" for way in ways]].to_numpy().mean(axis=0),
    }
    return pd.DataFrame(rows, index=pd.Index(ways, name="mask"))


def by_class(table: pd.DataFrame, ways: Sequence[str]) -> pd.DataFrame:
    """Mean IoU per class and way, lowest at the first way first; with the number of instances."""
    groups = table.groupby("category")
    means = groups[list(ways)].mean().sort_values(ways[0], kind="stable")
    return means.assign(instances=groups.size())
