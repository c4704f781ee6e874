"""`python -m helpers runs`: the runs of the run store, one line each."""

from __future__ import annotations

import argparse

import pandas as pd

from helpers.evaluation.average_precision import percent
from helpers.runs import Run, list_runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", action="store_true", help="comma-separated, for a spreadsheet")


def run(args: argparse.Namespace) -> int:
    """Print the table of runs, or that there are none yet."""
    table = runs_table()
    if table.empty:
        print("no runs yet: python -m helpers train --preset quick")
    else:
        print(table.to_csv(index=False) if args.csv else table.to_string(index=False, na_rep="-"))
    return 0


def runs_table() -> pd.DataFrame:
    """One row a run: run, status, step, minutes, AP, AP50, preset, data, images, hardware."""
    return pd.DataFrame([_row(run) for run in list_runs()])


def summary(run: Run) -> str:
    """A finished run in a few lines: its scores with their preset, on what, in what time."""
    data = run.config.data
    return (
        f"{run.evaluation}\n"
        f"{data.name} ({data.label_space} classes), {len(run.log())} steps in "
        f"{run.seconds / 60:.1f} min on {run.environment[-1]['hardware']}"
    )


def _row(run: Run) -> dict[str, object]:
    config = run.config
    sittings = run.environment if (run.dir / "environment.json").exists() else []
    row = {
        "run": run.name,
        "status": run.status,
        "steps": len(run.log()),
        "minutes": round(run.seconds / 60, 1),
        "data": f"{config.data.name} {config.data.label_space}",
        "hardware": sittings[-1]["hardware"] if sittings else None,
    }
    if row["status"] != "finished":
        return row
    masks = run.metrics["segm"]
    scores = {"mask AP": percent(masks["AP"]), "mask AP50": percent(masks["AP50"])}
    return {**row, **scores, "preset": run.evaluation.preset}
