"""One rung of the ladder against another, picture by picture, wherever both were measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.config import Preset
from helpers.evaluation.results import Results
from helpers.ladder.reference import REFERENCE
from helpers.ladder.results import stored, trained_on
from helpers.ladder.rungs import rung
from helpers.run_store import list_runs

Pairs = Mapping[str, tuple[str, str]]  # what the step is called: rung before, rung after


@dataclass(frozen=True, eq=False)
class Pair:
    """One measurement of both rungs of a step, with the same seed, on the same kind of machine.

    runs: names of both. preset: the rules of the evaluation. truth: plain COCO; before and after:
    what was found in its images.
    """

    name: str
    runs: tuple[str, str]
    seed: int
    hardware: str
    data: str
    preset: str
    truth: Mapping[str, Any]
    before: Results
    after: Results


def measured_pairs(preset: Preset, pairs: Pairs, *, folder: Path = REFERENCE) -> Iterator[Pair]:
    """Every measurement of both rungs: from the reference files, then of local runs. A local pair
    that is in a reference file already is not told twice."""
    told = set()
    for pair in _stored_pairs(preset, pairs, folder):
        told.add((pair.name, pair.runs))
        yield pair
    yield from (p for p in _local_pairs(preset, pairs) if (p.name, p.runs) not in told)


def _stored_pairs(preset: Preset, pairs: Pairs, folder: Path) -> Iterator[Pair]:
    known = {(r.path, e.rung, e.seed): (r, e) for r, e in stored(preset, folder)}
    places = sorted({(path, seed) for path, _, seed in known})
    for name, keys in pairs.items():
        for path, seed in places:
            both = [known.get((path, key, seed)) for key in keys]
            if None not in both:
                (reference, before), (_, after) = both
                yield Pair(
                    name=name,
                    runs=(before.run, after.run),
                    seed=seed,
                    hardware=before.hardware,
                    data=before.data,
                    preset=before.scores.preset,
                    truth=reference.truth(),
                    before=reference.results(before),
                    after=reference.results(after),
                )


def _local_pairs(preset: Preset, pairs: Pairs) -> Iterator[Pair]:
    """Of rungs that are looked at as their run was: one look at a picture, one model."""
    done = {run.name: run for run in list_runs() if run.status == "finished"}
    seeds = sorted({run.config.train.seed for run in done.values()})
    for name, keys in pairs.items():
        for seed in seeds:
            rows = [rung(preset, key, seed=seed) for key in keys]
            if not all(row.is_its_run and row.run_name in done for row in rows):
                continue
            before, after = (done[row.run_name] for row in rows)
            if trained_on([before]) == trained_on([after]):
                yield Pair(
                    name=name,
                    runs=(before.name, after.name),
                    seed=seed,
                    hardware=trained_on([before]),
                    data=before.config.data.name,
                    preset=before.evaluation.preset,
                    truth=before.index("val").to_coco(),
                    before=before.predictions(),
                    after=after.predictions(),
                )
