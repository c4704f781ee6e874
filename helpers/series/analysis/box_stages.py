"""What a box stage makes of proposals: how well they fit their objects before it and after it.

A cascade has three stages, each trained on the better boxes of the one before. A plain detector has
one; it can be asked again about its own answers, which shows why a cascade needs more than that.
R boxes of one picture, S stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers.config import TestConfig
from helpers.data.index import InstanceIndex
from helpers.data.loader import InstanceDataset
from helpers.models.boxes import clip, iou
from helpers.models.build import Detector
from helpers.models.cascade import POOL
from helpers.models.roi_align import pool_rois
from helpers.structures import Sample

NEAR = 0.3  # IoU: proposals nearer to no object than this have nothing to be refined to
STAGES = 3


@dataclass(frozen=True)
class RefinedBoxes:
    """The proposals of one picture on their way: boxes (S + 1, R, 4) px of the resized picture,
    first the proposals, then what each stage makes of them; overlaps (S + 1, R, N) with the truth.
    """

    sample: Sample
    boxes: Tensor
    overlaps: Tensor


def step_names(model: Detector) -> list[str]:
    """What the S + 1 steps are called."""
    if len(model.roi_heads.box.stages) > 1:
        return ["proposals", *(f"stage {n + 1}" for n in range(STAGES))]
    return ["proposals", "the stage", *(f"again ({n})" for n in range(2, STAGES + 1))]


def refine(
    model: Detector, index: InstanceIndex, rows: Sequence[int], test: TestConfig
) -> list[RefinedBoxes]:
    """The proposals of some pictures after each stage, at the test size without augmentation.

    Where boxes are regressed by class, that of the class the stage finds likeliest is taken. The
    only stage of a model without a cascade is applied three times.
    """
    data = InstanceDataset(index, train=False, short_side=test.short_side, max_side=test.max_side)
    return [_refine(model.eval(), data[row]) for row in rows]


@torch.no_grad()
def _refine(model: Detector, sample: Sample) -> RefinedBoxes:
    batch = model.normalise([sample.image])
    features = model.features(batch)
    [proposals] = model.rpn.propose(features, batch.sizes)
    branch, boxes = model.roi_heads.box, [proposals.boxes]
    stages = branch.stages if len(branch.stages) > 1 else [branch.stages[0]] * STAGES
    for stage in stages:
        pooled = pool_rois(features, boxes[-1:], POOL, canonical=branch.canonical)
        logits, deltas = stage(pooled)
        chosen = stage.of_class(deltas, logits[:, :-1].argmax(dim=1))
        boxes.append(clip(stage.coder.decode(chosen, boxes[-1]), batch.sizes[0]))
    overlaps = torch.stack([iou(step, sample.targets.boxes) for step in boxes])
    return RefinedBoxes(sample, torch.stack(boxes), overlaps)


def fits(refined: Sequence[RefinedBoxes], names: Sequence[str]) -> pd.DataFrame:
    """One row for each proposal that is near an object (IoU of `NEAR`), a column for each step: the
    IoU with the object that the box of this step fits best."""
    best = [one.overlaps.amax(dim=2).T.numpy() for one in refined if one.overlaps.shape[2]]
    table = pd.DataFrame(np.concatenate(best) if best else None, columns=list(names))
    return table[table[names[0]] >= NEAR].reset_index(drop=True)


def shares_above(table: pd.DataFrame, thresholds: Sequence[float]) -> pd.DataFrame:
    """Rows: the steps of `fits`; columns: the share (0..1) of boxes with at least each IoU, which a
    stage of this threshold would train on as objects."""
    shares = {f"IoU {limit:g}": (table >= limit).mean() for limit in thresholds}
    return pd.DataFrame(shares)


def by_input(table: pd.DataFrame, before: str, after: str, *, bins: int = 7) -> pd.DataFrame:
    """Mean IoU before and after a step, and the number of boxes, in bins of the IoU before."""
    edges = np.linspace(NEAR, 1.0, bins + 1)
    groups = table.groupby(pd.cut(table[before], edges, include_lowest=True), observed=True)
    means = groups[[before, after]].mean().rename(columns={before: "before", after: "after"})
    return means.assign(boxes=groups.size()).reset_index(drop=True)


def most_refined(refined: Sequence[RefinedBoxes], *, count: int = 6) -> tuple[int, Tensor]:
    """The picture with the object that has most proposals near it, and `count` of them, spread from
    the worst fitting to the best: (number of the picture, (S + 1, count, 4) boxes).

    Raises ValueError when no proposal is near an object.
    """
    near = [(one.overlaps[0] >= NEAR).sum(dim=0) for one in refined]
    most = [int(counts.max()) if len(counts) else 0 for counts in near]
    picture = int(np.argmax(most))
    if not most[picture]:
        raise ValueError("no proposal is near an object: train the model first, or longer")
    fit = refined[picture].overlaps[0, :, int(near[picture].argmax())]
    order = fit.argsort()[(fit.sort().values >= NEAR)]
    chosen = order[torch.linspace(0, len(order) - 1, min(count, len(order))).round().long()]
    return picture, refined[picture].boxes[:, chosen]
