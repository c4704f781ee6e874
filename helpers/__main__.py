"""The command line: `python -m helpers COMMAND ...`. Each command lives in its own room."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "run": ("helpers.series.command", "make the scenes, run the notebooks, write the report"),
    "doctor": ("helpers.tools.doctor", "check this machine and say how to fix what is missing"),
    "scenes": ("helpers.scenes.command", "make generated scenes"),
    "correct-masks": ("helpers.correction.command", "correct wrong pixel labels of a data set"),
    "apply-decisions": ("helpers.review.command", "put accepted masks of a review into a file"),
    "check": ("helpers.data.check", "validate a data set and say what will be done about it"),
    "split": ("helpers.data.splits", "hold pictures out of a training split"),
    "train": ("helpers.run_train", "train a config, or continue where it stopped"),
    "ladder": ("helpers.ladder.command", "measure the rows of the paper's tables, or check them"),
    "evaluate": ("helpers.run_evaluate", "score predictions or a run, or make a submission"),
    "predict": ("helpers.run_predict", "predict pictures with a run, or with several, fused"),
    "bench": ("helpers.tools.bench.command", "time the fast paths against what others offer"),
    "record": ("helpers.series.record", "put executed outputs into the committed notebooks"),
    "runs": ("helpers.run_command", "list the runs of the run store, or compare two of them"),
}
PROG = "python -m helpers"


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The argument parser; only the room of the command asked for is imported."""
    top = argparse.ArgumentParser(prog=PROG, description=__doc__)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        if name in argv[:1]:
            room = importlib.import_module(module)
            room.add_arguments(sub)
            sub.set_defaults(run=room.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors a user can fix are one line, no trace."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv[:1] in (["train"], ["predict"]):  # they read their words themselves
            return importlib.import_module(COMMANDS[argv[0]][0]).main(argv[1:])
        args = parser(argv).parse_args(argv)
        return args.run(args)
    except (ValueError, OSError) as error:
        print(f"{PROG} {argv[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(
            f"\n{stopped}" if str(stopped) else "\nstopped; the same command goes on where it was",
            file=sys.stderr,
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
