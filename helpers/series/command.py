"""`python -m helpers run`: scenes, training, notebooks, report; each step shows its progress."""

from __future__ import annotations

import argparse
import time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebooks", nargs="*", help="names; default: the whole series in order")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a notebook parameter, for every notebook that knows it (as in Python, else text)",
    )
    parser.add_argument("--jobs", type=int, help="processes that make scenes; default: all cores")
    parser.add_argument(
        "--at-once",
        type=int,
        metavar="N",
        help="notebooks at a time; default: 2. With 1 the times that they measure are right",
    )


def run(args: argparse.Namespace) -> int:
    from helpers import files
    from helpers.scenes.config import scene_preset
    from helpers.scenes.make import make_scenes
    from helpers.series.execute import execute_series, executed_before
    from helpers.series.notebook import parse_parameter, plan, series
    from helpers.series.report import write_report

    began, names = time.time(), args.notebooks or series()
    parameters = dict(parse_parameter(text) for text in args.parameter)
    planned = plan(names, parameters)
    for key in parameters:
        known = [name for name, given in planned.items() if key in given]
        if len(known) < len(planned):
            print(f"{key} is a parameter of {', '.join(known)}; the other notebooks do without")
    if not args.notebooks:
        _say("scenes: the embedded data set")
        make_scenes(scene_preset("quick"), jobs=args.jobs)
        _say("training: the quick model (a finished run is reused, a stopped one goes on)")
        if status := _train_quick():
            return status
    _say("notebooks")
    executed = execute_series(names, parameters, at_once=args.at_once)
    earlier = executed_before([item.name for item in executed])
    report = write_report(sorted([*executed, *earlier], key=lambda item: item.name))
    _say(f"done in {(time.time() - began) / 60:.1f} min: open {report}")
    print(f"notebooks with results: {files.outputs_dir() / 'notebooks'}")
    return 0


def _train_quick() -> int:
    """Train the preset quick, or take the finished run; returns the exit status."""
    from helpers import run_train
    from helpers.config import preset
    from helpers.data.parallel import available_cores
    from helpers.runs import run_of
    from helpers.training.processes import this_process

    done = run_of(preset("quick")).status == "finished"
    alone = done or this_process().device.type != "cpu" or available_cores() == 1
    return run_train.main(["--preset", "quick", "--processes", "1" if alone else "2"])


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)
