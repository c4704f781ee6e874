"""One rung of the ladder against another, picture by picture, wherever both were measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.config import Preset
from helpers.evaluation.bootstrap import Difference, paired_difference
from helpers.evaluation.results import Results
from helpers.ladder import results, rung
from helpers.ladder_reference import REFERENCE, references
from helpers.runs import list_runs

Pairs = Mapping[str, tuple[str, str]]  # what the step is called: rung before, rung after


@dataclass(frozen=True, eq=False)
class Step:
    """What a step is worth in one measurement: mask AP and boundary AP after, less before.

    preset: the rules of the evaluation. truth: plain COCO; before and after: what was found in its
    images. Both rungs had the same seed and the same machine.
    """

    name: str
    seed: int
    hardware: str
    data: str
    preset: str
    masks: Difference
    outlines: Difference
    truth: Mapping[str, Any]
    before: Results
    after: Results

    @property
    def images(self) -> int:
        return len(self.masks.per_image)


def measured_rungs(preset: Preset, pairs: Pairs, *, folder: Path = REFERENCE) -> pd.DataFrame:
    """The rows of `ladder.results` that have a part in the steps, with the paper's mask AP beside.

    Columns as there, after them "paper" (per cent on 3D-FUTURE, NaN where it prints none).
    """
    keys = list(dict.fromkeys(key for pair in pairs.values() for key in pair))
    table = results(preset, folder)
    paper = {key: rung(preset, key).paper for key in keys}
    found = table[table["rung"].isin(keys)].reset_index(drop=True)
    return found.assign(paper=found["rung"].map(paper).astype(float))


def measured_steps(
    preset: Preset, pairs: Pairs, *, samples: int = 1000, folder: Path = REFERENCE
) -> list[Step]:
    """The steps both of whose rungs were measured: from the reference files, then local runs.

    A local pair that is in a reference file already is not told twice.
    """
    steps, told = [], set()
    for name, runs, seed, where, truth, found, rules in _pairs(preset, pairs, folder):
        if runs in told:
            continue
        told.add(runs)
        masks, outlines = (
            paired_difference(truth, *found, preset=rules, kind=kind, samples=samples)
            for kind in ("segm", "boundary")
        )
        steps.append(Step(name, seed, *where, rules, masks, outlines, truth, *found))
    return steps


# name, runs, seed, (hardware, data), truth, results before and after, rules
Found = tuple[
    str, tuple[str, str], int, tuple[str, str], Mapping[str, Any], tuple[Results, Results], str
]


def _pairs(preset: Preset, pairs: Pairs, folder: Path) -> Iterator[Found]:
    yield from _stored_pairs(preset, pairs, folder)
    yield from _local_pairs(preset, pairs)


def _stored_pairs(preset: Preset, pairs: Pairs, folder: Path) -> Iterator[Found]:
    for reference in references(preset, folder):
        seeds = sorted({entry.seed for entry in reference.entries()})
        for name, keys in pairs.items():
            for seed in seeds:
                before, after = (reference.find(key, seed) for key in keys)
                if before is None or after is None:
                    continue
                found = reference.results(before), reference.results(after)
                where, rules = (before.hardware, before.data), before.scores.preset
                runs = (before.run, after.run)
                yield name, runs, seed, where, reference.truth(), found, rules


def _local_pairs(preset: Preset, pairs: Pairs) -> Iterator[Found]:
    done = {run.name: run for run in list_runs() if run.status == "finished"}
    seeds = sorted({run.config.train.seed for run in done.values()})
    for name, keys in pairs.items():
        for seed in seeds:
            runs = tuple(rung(preset, key, seed=seed).run_name for key in keys)
            if not all(run in done for run in runs):
                continue
            before, after = (done[run] for run in runs)
            where = (before.environment[-1]["hardware"], before.config.data.name)
            found, rules = (before.predictions(), after.predictions()), before.evaluation.preset
            truth = before.index("val").to_coco()
            yield name, runs, seed, where, truth, found, rules
