"""`python -m helpers runs`: the runs of the run store, one line each, or two of them compared."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from helpers.config_fields import differences, dotted
from helpers.evaluation.average_precision import Evaluation, evaluate, percent
from helpers.files import StorageError, UserError, read_json
from helpers.run_store import Run, find_run, list_runs

if TYPE_CHECKING:
    import pandas as pd

    from helpers.evaluation.bootstrap import Difference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `runs`."""
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
        print(compare(find_run(args.a), find_run(args.b), samples=args.samples))
        return 0
    table = runs_table()
    if table.empty:
        print("no runs yet: python -m helpers train --preset quick")
    else:
        print(table.to_csv(index=False) if args.csv else table.to_string(index=False, na_rep="-"))
    return 0


def runs_table() -> pd.DataFrame:
    """One row a run: run, status, steps, minutes, data, hardware, mask AP, mask AP50, preset."""
    import pandas as pd

    return pd.DataFrame([_row(run) for run in list_runs()])


def summary(run: Run) -> str:
    """A finished run in a few lines: its scores with their preset, on what, in what time."""
    data = run.config.data
    return f"{run.evaluation}\n{data.name} ({data.label_space} classes), {_spent(run)}"


def compare(a: Run, b: Run, *, samples: int = 1000) -> str:
    """Two finished runs side by side on their validation split, scored under a's preset, as text.

    What differs in the configs, the scores, and b less a in mask and boundary AP with their
    intervals from `samples` draws of the pictures. Raises UserError when one is not finished or
    when they were validated on different data, classes or pictures, and DataError when the data are
    not there any more.
    """
    from helpers.evaluation.bootstrap import paired_difference
    from helpers.evaluation.tables import comparison_table

    found = [run.predictions() for run in (a, b)]
    _check_alike(a, b)
    index, preset, data = a.index("val"), a.evaluation.preset, a.config.data
    changed = config_changes(a, b)
    scores = comparison_table({run.name: _scores(run, preset) for run in (a, b)})
    masks, outlines = (
        paired_difference(index, *found, preset=preset, kind=kind, samples=samples)
        for kind in ("segm", "boundary")
    )
    return f"""\
a: {a.name}, {_spent(a)}
b: {b.name}, {_spent(b)}

config, where it differs
{changed.to_string(index=False) if len(changed) else "nowhere: the same config under two names"}

scores in per cent on {len(index)} pictures of {data.name} ({data.label_space} classes)
{scores.to_string(na_rep="-")}

b less a; in brackets where 95 % of {samples} draws of the pictures lie
mask AP      {_verdict(masks)}
boundary AP  {_verdict(outlines)}
One training each: what another seed would change is not in these intervals."""


def config_changes(a: Run, b: Run) -> pd.DataFrame:
    """One row a config field in which the runs differ, the name aside: field, value of a, of b.

    Fields of a section that only one of them has are "-" for the other.
    """
    import pandas as pd

    ours, theirs = (dotted(differences(x.config, y.config)) for x, y in ((a, b), (b, a)))
    fields = [name for name in {**ours, **theirs} if name != "name"]
    rows = [(name, str(ours.get(name, "-")), str(theirs.get(name, "-"))) for name in fields]
    return pd.DataFrame(rows, columns=["field", "a", "b"])


def _scores(run: Run, preset: str) -> Evaluation:
    """As stored, or anew where the run was scored under another preset."""
    stored = run.evaluation
    if stored.preset == preset:
        return stored
    return evaluate(run.index("val"), run.predictions(), preset=preset)


def _check_alike(a: Run, b: Run) -> None:
    one, other = _validated_on(a), _validated_on(b)
    wrong = [what for what, value in one.items() if value != other[what]]
    if wrong:
        raise UserError(
            f"{a.name} and {b.name} cannot be compared: they were validated with different "
            f"{', '.join(wrong)}; evaluate both on one set with `python -m helpers evaluate --run`"
        )


def _validated_on(run: Run) -> dict[str, object]:
    data, held = run.config.data, read_json(run.dir / "data.json")
    return {
        "label spaces": data.label_space,
        "annotations": held["sha256"][data.val_annotations],
        "classes": held["taxonomy"],
        "limits of pictures": data.val_limit,
    }


def _verdict(difference: Difference) -> str:
    clear = difference.low > 0 or difference.high < 0
    return f"{difference}: {'0 lies outside' if clear else '0 lies within, no difference shown'}"


def _spent(run: Run) -> str:
    steps, minutes = len(run.log()), run.seconds / 60
    return f"{steps} steps in {minutes:.1f} min on {run.environment[-1]['hardware']}"


def _row(run: Run) -> dict[str, object]:
    try:
        return _facts(run)
    except (ValueError, StorageError, KeyError):  # damaged, or of another version
        return {"run": run.name, "status": "unreadable"}


def _facts(run: Run) -> dict[str, object]:
    config, sittings = run.config, run.environment
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
    scores = {f"mask {name}": percent(masks[name]) for name in ("AP", "AP50")}
    return {**row, **scores, "preset": run.evaluation.preset}
