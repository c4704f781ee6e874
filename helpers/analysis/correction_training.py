"""What cleaner training masks are worth, read from runs that differ in their masks alone."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from helpers.evaluation.average_precision import evaluate
from helpers.paths import resolve
from helpers.runs import Run, list_runs
from helpers.training.data import read_split

SCENES = "outputs/scenes/noisy"
CORRECTED = "outputs/scenes/noisy-corrected"
TRAINED_ON = {  # name of the run -> its training masks
    "masks-noisy": f"{SCENES}/coco/train.json",
    "masks-corrected": f"{CORRECTED}/coco/train.json",
    "masks-true": f"{SCENES}/true/train.json",
}
TRUTHS = {"true": f"{SCENES}/true/val.json", "noisy": f"{SCENES}/coco/val.json"}


def commands() -> list[str]:
    """What to type to make the scenes, correct their masks, and train the three models."""
    folders = f"--images {SCENES}/train/image --val-images {SCENES}/val/image"
    return [
        "python -m helpers scenes make --name noisy --noise statistical",
        f"python -m helpers correct-masks {SCENES} {CORRECTED} --pictures",
        *(
            f"python -m helpers train --name {name} --annotations {masks} "
            f"--val-annotations {TRUTHS['true']} {folders}"
            for name, masks in TRAINED_ON.items()
        ),
    ]


def training_effect() -> pd.DataFrame:
    """Mask and boundary AP in per cent of each finished run against both ground truths.

    One row a run, columns (ground truth, metric); no rows when there are no such runs. Raises
    DataError when a run is there and its scenes are not.
    """
    rows = {run.config.name: _scores(run) for run in list_runs() if _counts(run)}
    table = pd.DataFrame.from_dict(
        {name: rows[name] for name in TRAINED_ON if name in rows}, "index"
    )
    if not table.empty:
        table.columns = pd.MultiIndex.from_tuples(table.columns, names=["ground truth", "metric"])
    return table


def _counts(run: Run) -> bool:
    """Whether it is one of the three, by name and by the masks it was trained on."""
    config = run.config
    masks = TRAINED_ON.get(config.name)
    if masks is None or run.status != "finished":
        return False
    return resolve(masks).resolve() == resolve(config.data.train_annotations).resolve()


def _scores(run: Run) -> dict[tuple[str, str], float]:
    found, config = run.predictions(), run.config
    scores = {}
    for name, masks in TRUTHS.items():
        data = replace(config.data, val_annotations=masks)
        truth = read_split(data, "val", taxonomy=run.taxonomy)
        metrics = evaluate(
            truth, found, preset=config.test.preset, kinds=("segm", "boundary")
        ).metrics
        for metric in ("AP", "AP75"):
            scores[name, f"mask {metric}"] = round(100 * metrics["segm"][metric], 2)
        scores[name, "boundary AP"] = round(100 * metrics["boundary"]["AP"], 2)
    return scores
