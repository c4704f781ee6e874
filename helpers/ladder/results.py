"""What has been measured of the ladder: a table of rows, and what one row gains over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.config import Preset
from helpers.data.taxonomy import FUTURE3D
from helpers.evaluation.average_precision import Kind
from helpers.evaluation.bootstrap import Drawn, Interval, drawn_scores, mean_of_drawn
from helpers.ladder.reference import REFERENCE, Entry, Reference, matches_file, references
from helpers.ladder.rungs import rungs
from helpers.run_store import Run

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
THIN = ("Chair", "Table", "Pier/Stool", "Lighting")  # super-categories of legs and stems


@dataclass(frozen=True)
class Gain(Interval):
    """What a row gains over another, -1 to 1: mean over the pairs of measurements, and how many."""

    pairs: int

    def __str__(self) -> str:
        ends = f"{100 * self.low:+.1f} to {100 * self.high:+.1f}"
        return f"{100 * self.mean:+.1f} ({ends}), {self.pairs} pair{'s' * (self.pairs > 1)}"


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


def measured_on(preset: Preset) -> str:
    """What a preset's rows are scored on, in words: data, classes, preset."""
    data = rungs(preset)[0].config.data
    taxonomy = replace(FUTURE3D, label_space=data.label_space)
    kind = {"fine": "classes", "super": "super-categories"}[data.label_space]
    return f"{data.name}, {taxonomy.num_classes} {kind}, preset {preset}"


def results(preset: Preset, folder: Path = REFERENCE) -> pd.DataFrame:
    """One row for each measured (rung, seed) in `folder`, in the paper's order, scores in per cent.

    Columns: COLUMNS, SCORES, "thin AP": mask AP over the classes of thin parts (`THIN`), and SIZES:
    mask AP by size when the challenge's ranges, which are meant for pictures of 1200 px, shrink
    with the pictures. No rows when nothing was measured.
    """
    rows = [_row(entry) for _, entry in stored(preset, folder)]
    table = pd.DataFrame(rows, columns=[*COLUMNS, *SCORES, "thin AP", *SIZES])
    order = {row.key: place for place, row in enumerate(rungs(preset))}
    return table.sort_values(
        ["rung", "seed", "hardware"], key=lambda c: c.map(order) if c.name == "rung" else c
    ).reset_index(drop=True)


def gain(
    preset: Preset,
    before: str,
    after: str,
    *,
    kind: Kind = "segm",
    folder: Path = REFERENCE,
    samples: int = 1000,
) -> Gain | None:
    """AP of the row `after` less that of `before`, mean over (machine, seed) that have both, and
    seeds that have them on two machines alone; None when there is none. The interval is of seeds
    and pictures together (`mean_difference`)."""
    found = {(e.seed, e.rung, file): e for file, e in stored(preset, folder)}
    pairs = []
    for seed in sorted({seed for seed, _, _ in found}):
        old, new = (
            [file for s, key, file in found if (s, key) == (seed, row)] for row in (before, after)
        )
        both = [(file, file) for file in new if file in old]
        if old and new and not both:
            both = [(old[0], new[0])]
        for one, other in both:
            entries = (found[seed, before, one], one), (found[seed, after, other], other)
            pairs.append(tuple(_drawn(file, e, kind=kind, samples=samples) for e, file in entries))
    if not pairs:
        return None
    sure = mean_of_drawn(pairs)
    return Gain(sure.mean, sure.low, sure.high, len(pairs))


def _drawn(file: Reference, entry: Entry, *, kind: Kind, samples: int) -> Drawn:
    written = (file.folder / matches_file(entry.predictions)).stat().st_mtime_ns
    return _drawn_once(file, entry.predictions, written, kind, samples)


@cache
def _drawn_once(file: Reference, name: str, written: int, kind: Kind, samples: int) -> Drawn:
    """Scores of stored predictions on the draws: a row is compared with several others. written:
    when they were, so that those of a row measured anew are read again."""
    return drawn_scores(file.matches(name, kind), samples=samples)


def _row(entry: Entry) -> dict[str, Any]:
    sizes = {f"{name} scaled": _percent(value) for name, value in entry.sizes.items()}
    scores = entry.scores
    values = {
        column: _percent(scores.metrics.get(kind, {}).get(metric))
        for column, (kind, metric) in SCORES.items()
    }
    thin = [c.metrics["segm"]["AP"] for c in scores.classes if c.name in THIN]
    values["thin AP"] = round(100 * float(np.mean(thin)), 2) if thin else float("nan")
    return {name: getattr(entry, name) for name in COLUMNS} | values | sizes


def _percent(value: float | None) -> float:
    return float("nan") if value is None else round(100 * value, 2)
