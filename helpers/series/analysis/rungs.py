"""Rows of the paper's tables: what each is here, the paper's number, and ours where measured."""

from __future__ import annotations

import pandas as pd

from helpers.config import Preset
from helpers.ladder.results import results
from helpers.ladder.rungs import Rung, Table, command, rungs

PAPER = "mask AP, paper (3D-FUTURE)"


def rung_table(preset: Preset, table: Table) -> pd.DataFrame:
    """One row a rung: mask head of its config, the paper's mask AP, and the means over the seeds
    measured, with data and hardware; NaN and 0 seeds where nothing was. Scores in per cent."""
    measured, rows = results(preset), []
    for rung in rungs(preset):
        if rung.table == table:
            mine = measured[measured["rung"] == rung.key]
            scores = {name: mine[name].mean() for name in ("mask AP", "boundary AP")}
            made = {name: ", ".join(sorted(set(mine[name]))) for name in ("data", "hardware")}
            about = {"model": rung.label, "mask head": mask_head(rung), PAPER: rung.paper}
            rows.append(about | scores | {"seeds": mine["seed"].nunique()} | made)
    return pd.DataFrame(rows).set_index("model")


def mask_head(rung: Rung) -> str:
    """In words: "28 x 28", or PointRend's final side and points a step."""
    model = rung.config.model
    if model.mask_head == "conv":
        return f"{model.mask_size} x {model.mask_size}"
    side = model.coarse_size * 2**model.subdivision_steps
    return f"{side} x {side}, {model.subdivision_points:,} points"


def missing(preset: Preset, table: Table) -> list[str]:
    """The commands that measure those rows of a table that have not been."""
    known = set(results(preset)["rung"])
    rows = [rung for rung in rungs(preset) if rung.table == table and rung.key not in known]
    return [command(rung) for rung in rows]
