"""`python -m helpers scenes make | stats | show`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from helpers.files import outputs_dir, resolve
from helpers.scenes.config import PRESETS, SceneConfig, scene_preset

SPLITS = ("train", "val", "test")
CHANGES = ("size", *SPLITS, "seed", "noise", "noise_level", "quality", "name")
COLUMNS = 4  # of a contact sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="make|stats|show", required=True)
    make = verbs.add_parser("make", help="make a set of scenes, or what is missing of it")
    make.add_argument("--jobs", type=int, help="worker processes (default: one per core)")
    make.set_defaults(verb=_make)
    stats = verbs.add_parser("stats", help="statistics of a set, beside the paper's")
    stats.add_argument("--categories", action="store_true", help="instances of every category too")
    stats.set_defaults(verb=_stats)
    show = verbs.add_parser("show", help="write a contact sheet with masks and categories")
    show.add_argument("--split", default="train", choices=SPLITS)
    show.add_argument("--count", type=int, default=12)
    show.add_argument("--out", type=Path, help="picture to write (default: beside the folder)")
    show.set_defaults(verb=_show)
    for verb in (make, stats, show):
        verb.add_argument("--preset", default="quick", choices=tuple(PRESETS), help="start from")
        verb.add_argument("--folder", type=Path, help="default: outputs/scenes/NAME")
        changes = verb.add_argument_group("changes to the preset")
        for name in ("size", *SPLITS, "seed"):
            changes.add_argument(f"--{name}", type=int, metavar="N")
        changes.add_argument("--noise", choices=("none", "antialias", "statistical"))
        changes.add_argument("--noise-level", type=float, metavar="X")
        changes.add_argument("--quality", choices=("draft", "full"))
        changes.add_argument("--name", help="name of the set and of its folder")


def run(args: argparse.Namespace) -> int:
    args.verb(args)
    return 0


def _config(args: argparse.Namespace) -> SceneConfig:
    given = {name: getattr(args, name) for name in CHANGES}
    changes = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(scene_preset(args.preset), **changes)


def _folder(args: argparse.Namespace) -> Path:
    if args.folder is not None:
        return resolve(args.folder)
    return outputs_dir() / "scenes" / _config(args).name


def _make(args: argparse.Namespace) -> None:
    from helpers.scenes.make import make_scenes

    print(make_scenes(_config(args), folder=_folder(args), jobs=args.jobs))


def _stats(args: argparse.Namespace) -> None:
    from helpers.scenes import statistics

    found = statistics.scene_statistics(_folder(args))
    print(statistics.comparison(found).to_string())
    if args.categories:
        print("\n" + statistics.category_table(found).to_string())


def _show(args: argparse.Namespace) -> None:
    """The first pictures of a split with their masks and categories, as large as they are."""
    from helpers.data.coco import read_index
    from helpers.drawing import Panel, grid
    from helpers.series import panels

    folder, split = _folder(args), args.split
    index = read_index(folder / "coco" / f"{split}.json", folder / split / "image", mode=None)
    rows = range(min(args.count, len(index)))
    drawn = [Panel(panels.picture(index, row), overlay=panels.truth(index, row)) for row in rows]
    alt = f"The first {len(drawn)} pictures of {folder.name}, {split}"
    out = args.out or folder.parent / f"{folder.name}-{split}.jpg"
    cell = max(3.1, index.image_size(0)[1] / 84)
    grid(drawn, columns=COLUMNS, alt=alt, cell=cell).savefig(out)
    print(out)
