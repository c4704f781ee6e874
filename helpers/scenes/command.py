"""`python -m helpers scenes make | stats | show`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.files import UserError, outputs_dir, read_json, resolve
from helpers.scenes.config import PRESETS, SceneConfig, scene_preset

if TYPE_CHECKING:
    from helpers.drawing_style import Picture

SPLITS = ("train", "val", "test")
CHANGES = ("size", *SPLITS, "seed", "noise", "noise_level", "quality", "name")
COLUMNS = 4  # of a contact sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="make|stats|show", required=True)
    make = verbs.add_parser("make", help="make a set of scenes, or what is missing of it")
    _add_config(make)
    make.add_argument("--jobs", type=int, help="worker processes (default: one per core)")
    make.set_defaults(verb=_make)

    stats = verbs.add_parser("stats", help="statistics of a set, beside the paper's")
    _add_config(stats)
    stats.add_argument("--views", type=int, help="of the labels of N views, not rendered")
    stats.add_argument("--categories", action="store_true", help="instances of every category too")
    stats.set_defaults(verb=_stats)

    show = verbs.add_parser("show", help="write a contact sheet with masks and categories")
    _add_config(show)
    show.add_argument("--split", default="train", choices=SPLITS)
    show.add_argument("--count", type=int, default=12)
    show.add_argument("--out", type=Path, help="picture to write (default: beside the folder)")
    show.set_defaults(verb=_show)


def run(args: argparse.Namespace) -> int:
    args.verb(args)
    return 0


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="quick", choices=tuple(PRESETS), help="start from")
    changes = parser.add_argument_group("changes to the preset")
    for name in ("size", *SPLITS, "seed"):
        changes.add_argument(f"--{name}", type=int, metavar="N")
    changes.add_argument("--noise", choices=("none", "antialias", "statistical"))
    changes.add_argument("--noise-level", type=float, metavar="X")
    changes.add_argument("--quality", choices=("draft", "full"))
    changes.add_argument("--name", help="name of the set and of its folder")
    parser.add_argument("--folder", type=Path, help="default: outputs/scenes/NAME")


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

    if args.views is None:
        found = statistics.scene_statistics(_folder(args))
    else:
        found = statistics.label_statistics(_config(args), views=args.views)
    print(statistics.comparison(found).to_string())
    if args.categories:
        print("\n" + statistics.category_table(found).to_string())


def _show(args: argparse.Namespace) -> None:
    folder = _folder(args)
    out = args.out or folder.parent / f"{folder.name}-{args.split}.jpg"
    contact_sheet(folder, args.split, count=args.count).savefig(out)
    print(out)


def contact_sheet(folder: Path, split: str, *, count: int) -> Picture:
    """The first pictures of a split with their masks and categories, as large as they are.

    Raises UserError when the folder has no annotations of that split.
    """
    import numpy as np
    from PIL import Image

    from helpers.data import rle
    from helpers.drawing import Overlay, Panel, grid
    from helpers.drawing_style import short_name

    file = folder / "coco" / f"{split}.json"
    if not file.is_file():
        raise UserError(f"no {file}: make the set first, or choose another split")
    coco = read_json(file)
    names = {category["id"]: short_name(category["name"]) for category in coco["categories"]}
    panels = []
    for image in coco["images"][:count]:
        own = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        ids = [a["category_id"] for a in own]
        masks = np.array([rle.decode(a["segmentation"]) for a in own], bool)
        boxes = np.zeros((len(own), 4))  # not drawn
        overlay = Overlay(masks, boxes, np.array(ids), tuple(names[i] for i in ids))
        picture = np.asarray(Image.open(folder / split / "image" / image["file_name"]))
        panels.append(Panel(picture, overlay=overlay if own else None))
    alt = f"The first {len(panels)} pictures of {folder.name}, {split}"
    return grid(panels, columns=COLUMNS, alt=alt, cell=max(3.1, coco["images"][0]["width"] / 84))
