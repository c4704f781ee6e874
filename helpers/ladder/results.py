"""What has been measured of the ladder, from data/reference and finished local runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.config import Preset
from helpers.evaluation.average_precision import Evaluation
from helpers.ladder.reference import REFERENCE, Entry, Reference, references
from helpers.ladder.rungs import Rung, rungs
from helpers.run_store import Run, list_runs

COLUMNS = ("rung", "seed", "run", "hardware", "data", "steps", "minutes")
SCORES = {  # column of `results` -> kind and metric of an evaluation
    "mask AP": ("segm", "AP"),
    "boundary AP": ("boundary", "AP"),
    "box AP": ("bbox", "AP"),
    "AP50": ("segm", "AP50"),
    "AP75": ("segm", "AP75"),
    "APs": ("segm", "APs"),
    "APm": ("segm", "APm"),
    "APl": ("segm", "APl"),
}
SIZES = ("APs scaled", "APm scaled", "APl scaled")


def stored(preset: Preset, folder: Path = REFERENCE) -> list[tuple[Reference, Entry]]:
    """What the files in `folder` hold of the rows as they are now, each with its file. Entries of
    rows whose config has changed since, or that are gone, are left out."""
    found = [(file, entry) for file in references(preset, folder) for entry in file.entries()]
    seeds = {entry.seed for _, entry in found}
    rows = {(row.key, seed): row for seed in seeds for row in rungs(preset, seed=seed)}
    known = [(file, entry) for file, entry in found if (entry.rung, entry.seed) in rows]
    return [(file, entry) for file, entry in known if rows[entry.rung, entry.seed].is_of(entry)]


def trained_on(runs: Sequence[Run]) -> str:
    """The hardware of all sittings of some runs, each kind once."""
    return " + ".join(dict.fromkeys(s["hardware"] for run in runs for s in run.environment))


def results(preset: Preset, folder: Path = REFERENCE) -> pd.DataFrame:
    """One row for each measured (rung, seed), in the paper's order, scores in per cent.

    Columns: COLUMNS, SCORES, and SIZES: mask AP by size when the challenge's ranges, which are
    meant for pictures of 1200 px, shrink with the pictures. From `folder`, and of finished local
    runs what is not there (that without test-time augmentation, and without SIZES). No rows
    when nothing was measured.
    """
    rows = [_row(entry) for _, entry in stored(preset, folder)]
    known = {(row["rung"], row["run"]) for row in rows}
    rows += [row for row in _local_rows(preset) if (row["rung"], row["run"]) not in known]
    table = pd.DataFrame(rows, columns=[*COLUMNS, *SCORES, *SIZES])
    order = {row.key: place for place, row in enumerate(rungs(preset))}
    return table.sort_values(
        ["rung", "seed", "hardware"], key=lambda c: c.map(order) if c.name == "rung" else c
    ).reset_index(drop=True)


def _row(entry: Entry) -> dict[str, Any]:
    sizes = {f"{name} scaled": _percent(value) for name, value in entry.sizes.items()}
    return {name: getattr(entry, name) for name in COLUMNS} | _scores(entry.scores) | sizes


def _local_rows(preset: Preset) -> list[dict[str, Any]]:
    done = {run.name: run for run in list_runs() if run.status == "finished"}
    seeds = sorted({run.config.train.seed for run in done.values()})
    wanted = [row for seed in seeds for row in rungs(preset, seed=seed)]
    there = [row for row in wanted if row.is_its_run and row.run_name in done]
    return [_local_row(row, done[row.run_name]) for row in there]


def _local_row(rung: Rung, run: Run) -> dict[str, Any]:
    about = (rung.key, rung.seed, run.name, trained_on([run]), rung.config.data.name)
    spent = (int(run.log()["step"].max()), round(run.seconds / 60, 1))
    return dict(zip(COLUMNS, (*about, *spent), strict=True)) | _scores(run.evaluation)


def _scores(evaluation: Evaluation) -> dict[str, float]:
    return {
        column: _percent(evaluation.metrics.get(kind, {}).get(metric))
        for column, (kind, metric) in SCORES.items()
    }


def _percent(value: float | None) -> float:
    return float("nan") if value is None else round(100 * value, 2)
