"""`python -m helpers runs`: the runs of the run store, one line each, or two of them compared."""

from __future__ import annotations

import argparse

import pandas as pd

from helpers.evaluation.average_precision import percent
from helpers.evaluation.bootstrap import Difference
from helpers.run_store import Run, find_run, list_runs
from helpers.runs_compare import Comparison, compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", action="store_true", help="comma-separated, for a spreadsheet")
    parser.set_defaults(a=None)
    two = parser.add_subparsers(metavar="[compare RUN_A RUN_B]").add_parser(
        "compare", description="compare two finished runs of the same validation data"
    )
    two.add_argument("a", metavar="RUN_A", help="name of a run, or how it begins")
    two.add_argument("b", metavar="RUN_B", help="the other run: differences are b less a")
    two.add_argument("--samples", type=int, default=1000, help="how often images are drawn")


def run(args: argparse.Namespace) -> int:
    """Print the table of runs, or that there are none yet; or the comparison asked for."""
    if args.a is not None:
        print(comparison_text(compare(find_run(args.a), find_run(args.b), samples=args.samples)))
        return 0
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
    return f"{run.evaluation}\n{data.name} ({data.label_space} classes), {_spent(run)}"


def comparison_text(found: Comparison) -> str:
    """Config difference, scores, paired differences with their intervals, images, as text."""
    images, data = len(found.masks.per_image), found.a.config.data
    parts = [
        f"a: {found.a.name}, {_spent(found.a)}",
        f"b: {found.b.name}, {_spent(found.b)}",
        "\nconfig, where it differs",
        _lines(found.changes, "nowhere: the same config under two names"),
        f"\nscores in per cent on {images} pictures of {data.name} ({data.label_space} classes)",
        found.scores.to_string(na_rep="-"),
        f"\nb less a; in brackets where 95 % of {found.samples} draws of the pictures lie",
        f"mask AP      {_verdict(found.masks)}",
        f"boundary AP  {_verdict(found.outlines)}",
        "One training each: what another seed would change is not in these intervals.",
        "\npictures that differ most (mask AP of the picture alone)",
        _lines(found.most_different(), "none: all score alike"),
    ]
    return "\n".join(parts)


def _verdict(difference: Difference) -> str:
    told = difference.low > 0 or difference.high < 0
    return f"{difference}: {'0 lies outside' if told else '0 lies within, no difference shown'}"


def _lines(table: pd.DataFrame, otherwise: str) -> str:
    return otherwise if table.empty else table.to_string(index=False, na_rep="-")


def _spent(run: Run) -> str:
    steps, minutes = len(run.log()), run.seconds / 60
    return f"{steps} steps in {minutes:.1f} min on {run.environment[-1]['hardware']}"


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
