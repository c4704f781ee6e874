"""`python -m helpers train`: train a config, or go on where it stopped, and print its scores."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import Any

from helpers.config import ExperimentConfig, change, preset
from helpers.runs import get_or_train
from helpers.runs_command import summary

DATA = {
    "annotations": "train_annotations",
    "images": "train_images",
    "val_annotations": "val_annotations",
    "val_images": "val_images",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", default="quick", choices=("quick", "bench", "paper"), help="where to start from"
    )
    parser.add_argument("--name", help="name of the run (default: the preset's)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.FIELD=VALUE",
        help="change a field, e.g. train.steps=200 or model.backbone=resnet18; may be repeated",
    )
    own = parser.add_argument_group("your own data, in COCO format (all four, or none)")
    own.add_argument("--annotations", type=Path, help="training annotations (JSON)")
    own.add_argument("--images", type=Path, help="folder of the training pictures")
    own.add_argument("--val-annotations", type=Path, help="validation annotations (JSON)")
    own.add_argument("--val-images", type=Path, help="folder of the validation pictures")


def run(args: argparse.Namespace) -> int:
    """Train, evaluate, print the folder and the scores. ValueError for fields that are unknown."""
    done = get_or_train(config_of(args))
    print(f"{done.dir}\n{summary(done)}")
    return 0


def config_of(args: argparse.Namespace) -> ExperimentConfig:
    """The config that the command line describes."""
    changes = own_data(args) | dict(map(parse_change, args.set))
    if args.name is not None:
        changes["name"] = args.name
    return change(preset(args.preset), **changes)


def own_data(args: argparse.Namespace) -> dict[str, Any]:
    """Changes to the data section; paths are relative to the caller's folder. ValueError when only
    some of the four are given."""
    given = {field: getattr(args, name) for name, field in DATA.items()}
    missing = [name for name, field in DATA.items() if given[field] is None]
    if len(missing) == len(DATA):
        return {}
    if missing:
        wanted = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise ValueError(f"own data need all four paths: add {wanted}")
    changes = {f"data__{field}": str(path.resolve()) for field, path in given.items()}
    return {"data__name": args.annotations.stem, **changes}


def parse_change(text: str) -> tuple[str, Any]:
    """ "train.lr=0.1" -> ("train__lr", 0.1); none is None, and what is no literal stays text."""
    key, equals, value = text.partition("=")
    if not equals or key.count(".") != 1:
        raise ValueError(f"--set {text!r} is not of the form SECTION.FIELD=VALUE")
    return key.replace(".", "__"), _value(value)


def _value(text: str) -> Any:
    if text.lower() == "none":
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
