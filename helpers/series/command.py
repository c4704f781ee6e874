"""`python -m helpers run`: scenes, training, notebooks, report; each step shows its progress."""

from __future__ import annotations

import argparse
import time

from helpers import files
from helpers.config import preset
from helpers.runs import get_or_train
from helpers.scenes.config import scene_preset
from helpers.scenes.make import make_scenes
from helpers.series.execute import execute_series
from helpers.series.notebook import parse_parameter, series
from helpers.series.report import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebooks", nargs="*", help="names; default: the whole series in order")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a notebook parameter, for every notebook run (values as in Python, else text)",
    )
    parser.add_argument("--jobs", type=int, help="processes that make scenes; default: all cores")


def run(args: argparse.Namespace) -> int:
    began = time.time()
    parameters = dict(parse_parameter(text) for text in args.parameter)
    if not args.notebooks:
        _say("scenes: the embedded data set")
        make_scenes(scene_preset("quick"), jobs=args.jobs)
        _say("training: the quick model (a finished run is reused, a stopped one goes on)")
        get_or_train(preset("quick"))
    _say("notebooks")
    executed = execute_series(args.notebooks or series(), parameters)
    report = write_report(executed)
    _say(f"done in {(time.time() - began) / 60:.1f} min: open {report}")
    print(f"notebooks with results: {files.outputs_dir() / 'notebooks'}")
    return 0


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)
