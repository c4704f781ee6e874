"""`python -m helpers train`: train a config, or go on where it stopped, and print its scores.

Every field of the config is an option of the same name: `--model.backbone resnet101`.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

from helpers.config import ExperimentConfig, Preset, change, preset
from helpers.config_fields import Section, differences, flat

PROG = "python -m helpers train"
ABOUT = """Train a config, or go on where it stopped, evaluate it and print its scores. Fields that
are not given are those of the preset. A section that is off, such as test.tta, is on as soon as one
of its options is given."""
DATA = {
    "annotations": "train_annotations",
    "images": "train_images",
    "val_annotations": "val_annotations",
    "val_images": "val_images",
}


def main(words: Sequence[str]) -> int:
    """Train, evaluate, print the folder and the scores. SystemExit after help or a wrong option."""
    config = parse(words)
    from helpers.runs import get_or_train  # torch is slow to import: help does without
    from helpers.runs_command import summary
    from helpers.training.processes import this_process

    done = get_or_train(config, tensorboard=_head().parse_known_args(words)[0].tensorboard)
    if this_process().is_main_process:
        print(f"{done.dir}\n{summary(done)}")
    return 0


def parse(words: Sequence[str]) -> ExperimentConfig:
    """The config that the command line describes: a preset, own data, then the fields given.

    ValueError for values that do not go together, SystemExit with a message for wrong options.
    """
    import tyro  # here, because who asks for `command_of` has no need of it

    head = _head()
    given, fields = head.parse_known_args(words)
    start = change(preset(given.preset), **own_data(given))
    return tyro.cli(
        ExperimentConfig,
        args=fields,
        default=_opened(start, fields),
        prog=PROG,
        description=f"{ABOUT}\n\n{head.format_help()}",
        use_underscores=True,
        config=(tyro.conf.FlagConversionOff, tyro.conf.AvoidSubcommands),
    )


def command_of(config: ExperimentConfig, start: Preset) -> list[str]:
    """The words that train `config`: what differs from the preset `start`; `parse` reads them."""
    words = ["python", "-m", "helpers", "train", "--preset", start]
    for name, value in flat(differences(config, preset(start))).items():
        words += [f"--{name}", *_words(value)]
    return words


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


def _head() -> argparse.ArgumentParser:
    """What decides where the fields start from, and so is read before them."""
    parser = argparse.ArgumentParser(
        prog=PROG, usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False
    )
    parser.add_argument(
        "--preset", default="quick", choices=get_args(Preset), help="where to start from"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="keep the log as TensorBoard files too"
    )
    own = parser.add_argument_group("your own data, in COCO format (all four, or none)")
    own.add_argument("--annotations", type=Path, help="training annotations (JSON)")
    own.add_argument("--images", type=Path, help="folder of the training pictures")
    own.add_argument("--val-annotations", type=Path, help="validation annotations (JSON)")
    own.add_argument("--val-images", type=Path, help="folder of the validation pictures")
    return parser


def _opened(section: Section, words: Sequence[str], path: str = "") -> Section:
    """`section` with those of its optional sections at their defaults that the words speak of.

    Only a section that is there has fields to offer; asking for help opens all.
    """
    hints, opened = get_type_hints(type(section)), {}
    for field in dataclasses.fields(section):
        value, where = getattr(section, field.name), f"{path}{field.name}."
        kinds = [kind for kind in get_args(hints[field.name]) if _is_section(kind)]
        if value is None and kinds and any(_is_about(word, where) for word in words):
            value = kinds[0]()
        if isinstance(value, Section):
            opened[field.name] = _opened(value, words, where)
    return dataclasses.replace(section, **opened)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _is_about(word: str, where: str) -> bool:
    return word in ("-h", "--help") or word.replace("-", "_").startswith(f"__{where}")


def _words(value: Any) -> list[str]:
    if isinstance(value, tuple):
        return [word for item in value for word in _words(item)]
    return [str(value)]
