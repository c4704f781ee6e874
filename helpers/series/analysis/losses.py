"""What the focal losses do, in numbers: weights by class, curves, and whose gradient is left.

All losses come from `helpers.models.losses`; nothing is written out a second time here.
R boxes, K classes (background is class K).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers.config import ExperimentConfig, LossConfig, Preset, change
from helpers.data.index import InstanceIndex
from helpers.data.loader import InstanceDataset
from helpers.evaluation.average_precision import Evaluation
from helpers.evaluation.tables import class_table
from helpers.files import UserError
from helpers.ladder.reference import REFERENCE, Entry
from helpers.ladder.results import stored
from helpers.models.build import Detector
from helpers.models.cascade import FIRST_IOU, POOL
from helpers.models.losses import class_loss, focal_alpha, mask_loss
from helpers.models.matching import cat_labels, sample_rois
from helpers.models.roi_align import pool_rois
from helpers.run_store import Run, list_runs
from helpers.run_train import command_of
from helpers.series.analysis.statistics import instance_table
from helpers.structures import Sample

EASE_EDGES = (0.0, 0.3, 0.6, 0.9, 1.0)
EASE_NAMES = ("p up to 0.3", "0.3 to 0.6", "0.6 to 0.9", "above 0.9")


def alpha_table(index: InstanceIndex, *, precision: Sequence[float] | None = None) -> pd.DataFrame:
    """One row per class in the order of the labels: category_id, category, instances, alpha.

    precision: AP of each class (0..1 or per cent, NaN where unknown), measured on pictures held out
    of training; adds the column alpha_precision. Raises ValueError as `focal_alpha` does.
    """
    labels = instance_table(index)["label"].to_numpy()
    counts = np.bincount(labels, minlength=index.taxonomy.num_classes)
    table = pd.DataFrame(
        {
            "category_id": [c.id for c in index.taxonomy.classes],
            "category": [c.name for c in index.taxonomy.classes],
            "instances": counts,
            "alpha": focal_alpha(counts.tolist()),
        }
    )
    if precision is not None:
        table["alpha_precision"] = focal_alpha(counts.tolist(), list(precision))
    return table


def class_losses(probabilities: Sequence[float], losses: Mapping[str, LossConfig]) -> pd.DataFrame:
    """Loss of one box whose true class got probability p: rows p in (0, 1), a column per loss."""
    p = torch.tensor(probabilities, dtype=torch.float64)
    logits, label = torch.stack((p.log(), (1 - p).log()), dim=1), torch.zeros(1, dtype=torch.int64)
    columns = {
        name: [float(class_loss(row[None], label, config)) for row in logits]
        for name, config in losses.items()
    }
    return pd.DataFrame(columns, index=pd.Index(probabilities, name="p"))


def mask_losses(
    probabilities: Sequence[float], labels: Sequence[float], config: LossConfig
) -> pd.DataFrame:
    """Mask loss of one point for each predicted p (rows), by label and kind (columns).

    Labels between 0 and 1 are what a point on an outline gets: there the mask is interpolated.
    """
    logits = torch.tensor(probabilities, dtype=torch.float64).logit()
    columns = {}
    for label in labels:
        target = torch.tensor([[label]])
        for name, kind in (("cross entropy", "bce"), ("focal", "focal")):
            values = [float(mask_loss(z.view(1, 1), target, kind, config)) for z in logits]
            columns[f"{name}, label {label:g}"] = values
    return pd.DataFrame(columns, index=pd.Index(probabilities, name="p"))


@torch.no_grad()
def class_logits(
    model: Detector, index: InstanceIndex, rows: Sequence[int], config: ExperimentConfig
) -> tuple[Tensor, Tensor]:
    """What the first box stage says of the boxes it would be trained on, in some pictures.

    Boxes are drawn from the proposals as in training, pictures are those of the test size without
    augmentation. Returns logits (R, K + 1) and labels (R,); the same ones at every call.
    """
    test = config.test
    data = InstanceDataset(index, train=False, short_side=test.short_side, max_side=test.max_side)
    parts = [_logits_of(model, data[row], config) for row in rows]
    return torch.cat([logits for logits, _ in parts]), torch.cat([labels for _, labels in parts])


def _logits_of(model: Detector, sample: Sample, config: ExperimentConfig) -> tuple[Tensor, Tensor]:
    batch = model.normalise([sample.image])
    features = model.features(batch)
    [proposals] = model.rpn.propose(features, batch.sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.train.seed)
        rois = sample_rois(
            proposals.boxes,
            sample.targets,
            threshold=FIRST_IOU,
            num_classes=model.num_classes,
            size=config.model.roi_batch,
            positive=config.model.roi_positive,
        )
    branch = model.roi_heads.box
    pooled = pool_rois(features, [rois.boxes], POOL, canonical=branch.canonical)
    return branch.stages[0](pooled)[0], cat_labels([rois])


def gradients(logits: Tensor, labels: Tensor, losses: Mapping[str, LossConfig]) -> pd.DataFrame:
    """One row per box: p of its true class, label, ease (a bin of p), kind (background or object),
    and for each loss the length of its gradient on the box's logits."""
    p = logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1).numpy()
    table = pd.DataFrame({"p": p, "label": labels.numpy()})
    table["ease"] = pd.cut(p, EASE_EDGES, labels=EASE_NAMES, include_lowest=True)
    background = table["label"] == logits.shape[1] - 1
    table["kind"] = np.where(background, "background", "object")
    for name, config in losses.items():
        given = logits.clone().requires_grad_()
        (slope,) = torch.autograd.grad(class_loss(given, labels, config), given)
        table[name] = slope.norm(dim=1).numpy()
    return table


def gradient_shares(table: pd.DataFrame, names: Sequence[str], *, by: str) -> pd.DataFrame:
    """Rows: "boxes" (their number), then each loss of `names`; columns: shares (0..1) of the groups
    of column `by` in it."""
    groups = table.assign(boxes=1.0).groupby(by, observed=False)[["boxes", *names]].sum()
    return (groups / groups.sum()).T


def focal_ladder(base: ExperimentConfig, alpha: Sequence[float]) -> dict[str, ExperimentConfig]:
    """The rungs from cross entropy to the paper's losses, each a named change of `base`.

    alpha: weight of each class, rounded to three decimals in the configs.
    """
    rounded = tuple(round(float(a), 3) for a in alpha)
    name, focal = base.name, {"loss__classes": "focal"}
    by_class = focal | {"loss__alpha": rounded}
    masks = by_class | {"loss__masks": "focal", "loss__points": "focal", "loss__mask_weight": 1.1}
    return {
        "cross entropy": base,
        "focal, alpha 1": change(base, name=f"{name}-focal-plain", **focal),
        "focal, alpha by class": change(base, name=f"{name}-focal-classes", **by_class),
        "the paper's: masks too": change(base, name=f"{name}-focal", **masks),
    }


def finished_run(config: ExperimentConfig) -> Run | None:
    """The finished run of this very config, or None; nothing is trained."""
    for run in list_runs():
        if run.config.hash() == config.hash() and run.status == "finished":
            return run
    return None


def required_run(config: ExperimentConfig, *, made_by: str) -> Run:
    """As `finished_run`. Raises UserError naming the notebook that makes it when there is none."""
    run = finished_run(config)
    if run is None:
        raise UserError(
            f"there is no finished run {config.name}-{config.hash()}: notebook {made_by} makes it "
            "when it gets the same parameters"
        )
    return run


def train_command(config: ExperimentConfig, start: Preset) -> str:
    """The command line that trains `config`, as what differs from the preset `start`."""
    return shlex.join(command_of(config, start))


def class_ap_table(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """Mask AP by class in per cent, a column per run, beside category and instances; the class with
    most instances first, those without left out."""
    tables = {name: class_table(evaluation) for name, evaluation in evaluations.items()}
    first = next(iter(tables.values()))[["category", "instances"]]
    whole = first.assign(**{name: table["AP"] for name, table in tables.items()})
    present = whole[whole["instances"] > 0]
    return present.sort_values("instances", ascending=False, kind="stable")


def stored_seeds(
    preset: Preset, rungs: Sequence[str], *, folder: Path = REFERENCE
) -> list[tuple[Entry, ...]]:
    """The entries of some rungs of the ladder, in the order given, for each seed that has them all.
    Of the first machine that has any such seed: numbers of two machines are not mixed."""
    known = {(r.path, e.seed, e.rung): e for r, e in stored(preset, folder)}
    places = sorted({key[:2] for key in known})
    whole = [place for place in places if all((*place, rung) in known for rung in rungs)]
    return [tuple(known[(*p, rung)] for rung in rungs) for p in whole if p[0] == whole[0][0]]


def class_ap_of_seeds(names: Sequence[str], seeds: Sequence[Sequence[Entry]]) -> pd.DataFrame:
    """As `class_ap_table`, of entries (at least one seed): a column per name with the mean over
    the seeds, then a column "<name>, seed <n>" for each entry."""
    rows = zip(names, zip(*seeds, strict=True), strict=True)
    entries = {
        name: {f"{name}, seed {e.seed}": e.scores for e in of_rung} for name, of_rung in rows
    }
    table = class_ap_table({key: scores for own in entries.values() for key, scores in own.items()})
    means = {name: table[list(own)].mean(axis=1).round(2) for name, own in entries.items()}
    return table[["category", "instances"]].assign(**means).join(table.iloc[:, 2:])


def counts_trained_on(entry: Entry, index: InstanceIndex) -> pd.Series:
    """Instances of each class (by category_id) in `index`, where the entry's class weights are
    those of these counts; otherwise NaN, for then it was trained on something else."""
    table = alpha_table(index).set_index("category_id")
    mine = [round(float(alpha), 3) for alpha in table["alpha"]]
    same = mine == list(entry.config.get("loss", {}).get("alpha") or ())
    return (table["instances"] if same else table["instances"] * np.nan).rename("trained on")


def logged_losses(runs: Mapping[str, Run], *, window: int = 20) -> pd.DataFrame:
    """Class loss (all box stages) and mask loss (map and points) over the steps of some runs, each
    a moving average over `window` logged steps; columns "<name>: classes", "<name>: masks"."""
    columns = {}
    for name, run in runs.items():
        log = run.log().set_index("step")
        for part, start in (("classes", "cls"), ("masks", "mask")):
            total = log[[c for c in log if c.startswith(start)]].sum(axis=1)
            columns[f"{name}: {part}"] = total.rolling(window, min_periods=1).mean()
    return pd.DataFrame(columns)
