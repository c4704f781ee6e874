"""`python -m helpers ladder`: measure the rows of the paper's tables, list them, or check them.

Each row is a training of its own and stands on its own: a finished one is never trained again, a
killed one goes on, and several processes may each take some with --only.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from helpers.config import Preset
from helpers.files import RunBusyError, UserError

if TYPE_CHECKING:
    from helpers.ladder.reference import Entry
    from helpers.ladder.rungs import Rung


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ladder`."""
    parser.add_argument("--preset", choices=("bench", "paper"), default="bench")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 to N-1")
    parser.add_argument("--only", nargs="+", metavar="KEY", help="these rows; see --list")
    parser.add_argument(
        "--all", action="store_true", help="table 1 with all its backbones too (twice the time)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="show the rows and what is measured")
    what.add_argument(
        "--check", action="store_true", help="compute stored numbers again from the predictions"
    )
    what.add_argument(
        "--costs", action="store_true", help="time a training step and a picture of every row"
    )


def run(args: argparse.Namespace) -> int:
    """Measure what is asked for and say what came out. Status 1 when a check fails."""
    if args.list:
        print(listing(args.preset))
        return 0
    if args.check:
        return _check(args.preset)
    from helpers.ladder.data import prepare
    from helpers.ladder.results import stored

    if args.costs:
        from helpers.ladder.cost import measure_costs

        prepare(args.preset)
        print(measure_costs(args.preset))
        return 0
    known = [entry for _, entry in stored(args.preset)]

    def missing() -> list[Rung]:
        rows = [row for seed in range(args.seeds) for row in chosen(args, seed)]
        return [row for row in rows if not any(row.is_of(entry) for entry in known)]

    left = missing()
    print(f"{len(left)} rows to measure, the others are stored already", flush=True)
    if left:
        prepare(args.preset)
        left = missing()  # class weights are known only now
        from helpers.ladder.cost import expected_hours

        print(f"{len(left)} rows to measure, about {expected_hours(left):.1f} hours", flush=True)
        measure_all(left)
    return 0


def measure_all(rows: Sequence[Rung]) -> None:
    """Measure one after the other. Those that another process is at come last; RunBusyError when
    it still is then."""
    from helpers.ladder.measure import measure

    busy = []
    for number, row in enumerate(rows, start=1):
        print(f"{number} of {len(rows)}: {row.label}, seed {row.seed}", flush=True)
        try:
            print(line(measure(row)), flush=True)
        except UserError as error:  # busy, or an ensemble one of whose members is
            if not (isinstance(error, RunBusyError) or (busy and row.key == "ensemble")):
                raise
            print(f"    later: {error}", flush=True)
            busy.append(row)
    for row in busy:
        print(f"{row.label}, seed {row.seed}\n{line(measure(row))}", flush=True)


def chosen(args: argparse.Namespace, seed: int) -> list[Rung]:
    """The rows to measure. Raises UserError naming the known ones for a key that is none."""
    from helpers.ladder.rungs import rungs

    rows = rungs(args.preset, seed=seed)
    known = [row.key for row in rows]
    unknown = sorted(set(args.only or ()) - set(known))
    if unknown:
        raise UserError(f"no rung {', '.join(unknown)}: choose among {', '.join(known)}")
    if args.only:
        return [row for row in rows if row.key in args.only]
    return [row for row in rows if args.all or row.table != "table1" or row.key.endswith("_r50")]


def listing(preset: Preset) -> str:
    """The rows, the paper's numbers beside what is measured (mean over seeds), and the data."""
    from helpers.ladder.results import results
    from helpers.ladder.rungs import rungs
    from helpers.ladder.scales import scale

    rows = results(preset).groupby("rung")
    measured, counts = rows["mask AP"].mean(), rows["seed"].nunique()
    lines = [f"{'key':<16} {'paper':>6} {'ours':>6} {'seeds':>5}  what"]
    for row in rungs(preset):
        there = row.key in measured.index
        ours = f"{measured[row.key]:.1f}" if there else "-"
        seeds = counts.get(row.key, 0)
        paper = "-" if row.paper is None else f"{row.paper:.2f}"
        lines.append(f"{row.key:<16} {paper:>6} {ours:>6} {seeds:>5}  {row.table}: {row.label}")
    data, one_in = rungs(preset)[0].config.data.name, scale(preset).masks.one_in
    data += f" in one picture of {one_in}, exact masks in the others" if one_in > 1 else ""
    lines.append(f"mask AP in per cent: the paper's on 3D-FUTURE, ours on {data}")
    return "\n".join(lines)


def line(entry: Entry) -> str:
    """One measured row in a line."""
    masks = entry.scores.metrics["segm"]["AP"]
    borders = entry.scores.metrics["boundary"]["AP"]
    return (
        f"    mask AP {100 * masks:.2f}, boundary AP {100 * borders:.2f} on {entry.data}; "
        f"{entry.minutes} min of training on {entry.hardware}"
    )


def _check(preset: Preset) -> int:
    from helpers.ladder.measure import check
    from helpers.ladder.reference import references
    from helpers.ladder.results import stored

    found = references(preset)
    if not found:
        raise UserError(f"no ladder of preset {preset} is stored: measure one first")
    bad = 0
    for reference in found:
        today = [entry for file, entry in stored(preset) if file == reference]
        for entry, wrong in check(reference):
            bad += bool(wrong)
            about = f"{entry.rung} seed {entry.seed}"
            about += "" if entry in today else " (of a former config of its row, not shown)"
            state = "differs: " + "; ".join(wrong[:3]) if wrong else "agrees"
            print(f"{reference.path.name} {about}: {state}", flush=True)
    return min(bad, 1)
