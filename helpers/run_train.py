"""`python -m helpers train`: train a config, or go on where it stopped, and print its scores.

Every field of the config is an option of the same name: `--model.backbone resnet101`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from helpers.config import ANNOTATIONS, ExperimentConfig, Preset, TtaConfig, change, preset
from helpers.files import existing
from helpers.training.launch import launch

PROG = "python -m helpers train"
ABOUT = """Train a config, or go on where it stopped, evaluate it and print its scores. Fields that
are not given are those of the preset; other data than the preset's keep all their
classes, unless --data.label_space says otherwise. With the preset own, your own data's, sizes,
anchors, steps and the like come from the pictures and this machine, each told with its reason.
Test-time augmentation, test.tta, is on as soon as one of its options is given; `--test.tta None`
turns it off."""
DATA = {
    "annotations": "train_annotations",
    "images": "train_images",
    "val_annotations": "val_annotations",
    "val_images": "val_images",
}
HELP = {"-h", "--help"}
MINUTES = 15.0  # what a person waits for
OTHER_DATA = tuple(f"--data.{name}" for name in ANNOTATIONS)


def main(words: Sequence[str]) -> int:
    """Train, evaluate, print the folder and the scores. SystemExit after help or a wrong option."""
    given, _ = _head().parse_known_args(words)
    if given.processes > 1 and "RANK" not in os.environ:
        return launch([sys.executable, "-m", "helpers", "train", *words], given.processes)
    first = os.environ.get("RANK", "0") == "0"  # of several processes, one talks
    config = parse(words, tell=print if first else lambda text: None)
    from helpers.run_command import summary
    from helpers.runs import get_or_train  # torch is slow to import: help does without
    from helpers.training.interrupt import Interrupted
    from helpers.training.processes import this_process

    try:
        done = get_or_train(config, tensorboard=given.tensorboard)
    except Interrupted:  # in all processes at once; one that ends within its group may abort
        this_process().destroy_process_group()
        raise
    if this_process().is_main_process:
        print(f"{done.dir}\n{summary(done)}")
    this_process().destroy_process_group()
    return 0


def parse(
    words: Sequence[str], *, tell: Callable[[str], object] = lambda text: None
) -> ExperimentConfig:
    """The config that the command line describes: a preset, own data, then the fields given.

    Own data keep all their classes unless data.label_space says otherwise; tell: gets
    what was fitted to them, and why. ValueError for values that do not go together, SystemExit with
    a message for wrong options.
    """
    import tyro  # slow to import

    head = _head()
    given, fields = head.parse_known_args(words)
    data = own_data(given)
    start = change(preset(given.preset or ("own" if data else "quick")), **data)
    fits = bool(data) and start.name == "own"
    if given.minutes is not None and not fits:
        raise ValueError("--minutes are for own data with the preset own: else give --train.steps")
    if fits and not HELP & set(words):
        start = _fitted(start, given, fields, tell)
    if any(_field(word) in OTHER_DATA for word in fields):
        start = change(start, data__label_space="fine")
    start, fields = _augmented(start, fields)
    return tyro.cli(
        ExperimentConfig,
        args=fields,
        default=start,
        prog=PROG,
        description=f"{ABOUT}\n\n{head.format_help()}",
        use_underscores=True,
        config=(tyro.conf.FlagConversionOff, tyro.conf.AvoidSubcommands),
    )


def _fitted(
    start: ExperimentConfig,
    given: argparse.Namespace,
    fields: Sequence[str],
    tell: Callable[[str], object],
) -> ExperimentConfig:
    """`start` fitted to its training pictures, in the classes and from the weights asked for."""
    from helpers.training.data import read_split
    from helpers.training.own import fit_config

    asked = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    asked.add_argument("--data.label_space", "--data.label-space", dest="space", default="fine")
    asked.add_argument("--model.start", dest="start", default="released")
    known, _ = asked.parse_known_args(fields)
    data = replace(start.data, label_space=known.space)
    fitted = fit_config(
        read_split(data, "train"),
        data,
        minutes=MINUTES if given.minutes is None else given.minutes,
        start=None if known.start == "None" else known.start,
    )
    tell(f"fitted to {data.train_annotations}; options of the command line come on top\n{fitted}\n")
    return fitted.config


def own_data(args: argparse.Namespace) -> dict[str, Any]:
    """Changes to the data section; paths are the caller's, found by `existing`. ValueError when
    only some of the four are given."""
    given = {field: getattr(args, name) for name, field in DATA.items()}
    missing = [name for name, field in DATA.items() if given[field] is None]
    if len(missing) == len(DATA):
        return {}
    if missing:
        wanted = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise ValueError(
            f"own data need all four paths: add {wanted} (`python -m helpers split FILE --images "
            "N` holds N pictures of one annotation file out for validation)"
        )
    changes = {f"data__{field}": str(existing(path).resolve()) for field, path in given.items()}
    name = args.annotations.stem
    if name == "_annotations.coco":  # Roboflow calls all so: its data set is FOLDER/train/...
        name = args.annotations.resolve().parents[1].name
    return {"data__name": name, **changes}


def _head() -> argparse.ArgumentParser:
    """What decides where the fields start from, and so is read before them."""
    parser = argparse.ArgumentParser(
        prog=PROG, usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False
    )
    parser.add_argument(
        "--preset",
        choices=get_args(Preset),
        help="where to start from (default: own with your own data, else quick)",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="keep the log as TensorBoard files too"
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="processes that share each batch: one a GPU; without a GPU, 2 are faster than 1",
    )
    own = parser.add_argument_group("your own data, in COCO format (all four, or none)")
    own.add_argument("--annotations", type=Path, help="training annotations (JSON)")
    own.add_argument("--images", type=Path, help="folder of the training pictures")
    own.add_argument("--val-annotations", type=Path, help="validation annotations (JSON)")
    own.add_argument("--val-images", type=Path, help="folder of the validation pictures")
    own.add_argument(
        "--minutes", type=float, help=f"wished for the training of own data (default: {MINUTES:g})"
    )
    return parser


def _augmented(config: ExperimentConfig, words: list[str]) -> tuple[ExperimentConfig, list[str]]:
    """`config` with test-time augmentation on or off as the words ask for, and the other words.

    A section that is off has no options to offer: one of them turns it on, and so does help.
    """
    known = [_field(word) for word in words]
    if "--test.tta" in known:
        at = known.index("--test.tta")
        for off in (["--test.tta=None"], ["--test.tta", "None"]):
            if words[at : at + len(off)] == off:
                return change(config, test__tta=None), words[:at] + words[at + len(off) :]
    asked = HELP & set(words) or any(name.startswith("--test.tta.") for name in known)
    if asked and config.test.tta is None:
        config = change(config, test__tta=TtaConfig.around(config.test.short_side))
    return config, words


def _field(word: str) -> str:
    """The option a word gives, as `--section.field`: dashes and `=value` are allowed, too."""
    return word[:2] + word[2:].partition("=")[0].replace("-", "_")
