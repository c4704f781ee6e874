"""`python -m helpers scenes make | stats | show`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont
from scipy import ndimage

from helpers.data import rle
from helpers.files import UserError, outputs_dir, resolve
from helpers.scenes import statistics
from helpers.scenes.config import SceneConfig, scene_preset
from helpers.scenes.make import make_scenes

# Colours of the contours: Okabe and Ito's, which the colour-blind can tell apart.
CONTOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="make|stats|show", required=True)
    make = verbs.add_parser("make", help="make a set of scenes, or what is missing of it")
    _add_config(make)
    make.add_argument("--jobs", type=int, help="worker processes (default: one per core)")
    make.set_defaults(verb=_make)

    stats = verbs.add_parser("stats", help="statistics of a set, beside the paper's")
    _add_config(stats)
    stats.add_argument("--views", type=int, help="draw the labels of so many views instead")
    stats.add_argument("--categories", action="store_true", help="instances of every category too")
    stats.set_defaults(verb=_stats)

    show = verbs.add_parser("show", help="write a contact sheet with mask contours")
    _add_config(show)
    show.add_argument("--split", default="train", choices=("train", "val", "test"))
    show.add_argument("--count", type=int, default=12)
    show.add_argument("--out", type=Path, help="picture to write (default: in the folder)")
    show.set_defaults(verb=_show)


def run(args: argparse.Namespace) -> int:
    args.verb(args)
    return 0


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        default="quick",
        choices=("nano", "quick", "released", "small", "full"),
        help="start from",
    )
    changes = parser.add_argument_group("changes to the preset")
    for name in ("size", "train", "val", "test", "seed"):
        changes.add_argument(f"--{name}", type=int, metavar="N")
    changes.add_argument("--noise", choices=("none", "antialias", "statistical"))
    changes.add_argument("--noise-level", type=float, metavar="X")
    changes.add_argument("--quality", choices=("draft", "full"))
    changes.add_argument("--name", help="name of the set and of its folder")
    parser.add_argument("--folder", type=Path, help="default: outputs/scenes/NAME")


def _config(args: argparse.Namespace) -> SceneConfig:
    names = ("size", "train", "val", "test", "seed", "noise", "noise_level", "quality", "name")
    changes = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return dataclasses.replace(scene_preset(args.preset), **changes)


def _folder(args: argparse.Namespace) -> Path:
    if args.folder is not None:
        return resolve(args.folder)
    return outputs_dir() / "scenes" / _config(args).name


def _make(args: argparse.Namespace) -> None:
    print(make_scenes(_config(args), folder=_folder(args), jobs=args.jobs))


def _stats(args: argparse.Namespace) -> None:
    if args.views is None:
        found = statistics.scene_statistics(_folder(args))
    else:
        found = statistics.label_statistics(_config(args), views=args.views, progress=True)
    print(statistics.comparison(found).to_string())
    if args.categories:
        print(
            "\n" + statistics.category_table(found).to_string(formatters={"share": "{:.2%}".format})
        )


def _show(args: argparse.Namespace) -> None:
    folder = _folder(args)
    out = args.out or folder.parent / f"{folder.name}-{args.split}.jpg"
    contact_sheet(folder, args.split, count=args.count).save(out, quality=90)
    print(out)


def contact_sheet(folder: Path, split: str, *, count: int, columns: int = 4) -> Image.Image:
    """The first pictures of a split with the contours and categories of their annotations.

    Raises UserError when the folder has no annotations of that split.
    """
    file = folder / "coco" / f"{split}.json"
    if not file.is_file():
        raise UserError(f"no {file}: make the set first, or choose another split")
    coco = json.loads(file.read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    images = coco["images"][:count]
    side = max((image["width"] for image in images), default=1)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side, max(rows, 1) * side), "white")
    for position, image in enumerate(images):
        picture = Image.open(folder / split / "image" / image["file_name"]).convert("RGB")
        own = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        drawn = _with_contours(picture, own, names)
        sheet.paste(drawn, (position % columns * side, position // columns * side))
    return sheet


def _with_contours(
    picture: Image.Image, annotations: list[dict], names: dict[int, str]
) -> Image.Image:
    pixels, labels = np.array(picture), []
    for number, annotation in enumerate(annotations):
        colour = CONTOURS[number % len(CONTOURS)]
        mask = rle.decode(annotation["segmentation"])
        pixels[ndimage.binary_dilation(mask) & ~mask] = ImageColor.getrgb(colour)
        y, x = (float(np.median(at)) for at in np.nonzero(mask))  # stray pixels do not move it
        labels.append(((x, y), names[annotation["category_id"]].split("/")[0].strip(), colour))
    drawn = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(drawn), ImageFont.load_default(max(9, picture.width // 45))
    for at, text, colour in labels:
        draw.text(
            at, text, fill=colour, font=font, anchor="mm", stroke_width=2, stroke_fill="black"
        )
    return drawn
