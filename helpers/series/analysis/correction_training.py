"""What cleaner training masks are worth: three rungs of the ladder that differ in masks alone."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.config import Preset
from helpers.evaluation.average_precision import Evaluation
from helpers.ladder.data import commands as data_commands
from helpers.ladder.reference import Entry
from helpers.ladder.results import stored
from helpers.ladder.rungs import Rung, command, rungs


def compared(preset: Preset = "quick") -> tuple[Rung, ...]:
    """The rungs: noisy, corrected and, for scenes, exact training masks."""
    return tuple(row for row in rungs(preset) if row.table == "masks")


def commands(preset: Preset = "quick") -> list[str]:
    """What to type to make the scenes, correct their masks, and measure all of them."""
    first, *others = compared(preset)
    keys = " ".join(row.key for row in others)
    return [*data_commands(preset), f"{command(first)} {keys} --seeds 2"]


def training_effect(preset: Preset = "quick") -> pd.DataFrame:
    """Mask and boundary AP in per cent against both ground truths, mean over what is measured.

    One row for each kind of training masks that is measured, columns (ground truth, metric) and
    ("runs", "seeds"), how many; no rows when nothing is. From data/reference.
    """
    found = [entry for _, entry in stored(preset)]
    rows = {row.label: [e for e in found if e.rung == row.key] for row in compared(preset)}
    table = pd.DataFrame.from_dict(
        {label: _scores(entries) for label, entries in rows.items() if entries}, "index"
    )
    if not table.empty:
        table.columns = pd.MultiIndex.from_tuples(table.columns, names=["ground truth", "metric"])
    return table


def _scores(entries: Sequence[Entry]) -> dict[tuple[str, str], float]:
    truths = {
        "true": [entry.scores for entry in entries],
        "noisy": [Evaluation.from_dict(entry.noisy) for entry in entries],
    }
    scores = {}
    for name, evaluations in truths.items():
        for metric in ("AP", "AP75"):
            scores[name, f"mask {metric}"] = _mean([e.metrics["segm"][metric] for e in evaluations])
        scores[name, "boundary AP"] = _mean([e.metrics["boundary"]["AP"] for e in evaluations])
    return scores | {("runs", "seeds"): len(entries)}


def _mean(values: Sequence[float]) -> float:
    return round(100 * sum(values) / len(values), 2)
