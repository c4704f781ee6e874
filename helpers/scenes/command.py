"""`python -m helpers scenes make`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from helpers.files import resolve
from helpers.scenes.config import PRESETS, scene_preset

SPLITS = ("train", "val", "test")
CHANGES = ("size", *SPLITS, "seed", "noise", "noise_level", "quality", "name")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="make", required=True)
    make = verbs.add_parser("make", help="make a set of scenes, or what is missing of it")
    make.add_argument("--jobs", type=int, help="worker processes (default: one per core)")
    make.add_argument("--preset", default="quick", choices=tuple(PRESETS), help="start from")
    make.add_argument("--folder", type=Path, help="default: outputs/scenes/NAME")
    changes = make.add_argument_group("changes to the preset")
    for name in ("size", *SPLITS, "seed"):
        changes.add_argument(f"--{name}", type=int, metavar="N")
    changes.add_argument("--noise", choices=("none", "antialias", "statistical"))
    changes.add_argument("--noise-level", type=float, metavar="X")
    changes.add_argument("--quality", choices=("draft", "full"))
    changes.add_argument("--name", help="name of the set and of its folder")


def run(args: argparse.Namespace) -> int:
    from helpers.scenes.make import make_scenes

    given = {name: getattr(args, name) for name in CHANGES}
    changes = {name: value for name, value in given.items() if value is not None}
    config = dataclasses.replace(scene_preset(args.preset), **changes)
    folder = args.folder and resolve(args.folder)
    print(make_scenes(config, folder=folder, jobs=args.jobs))
    return 0
