"""`python -m helpers split DATA`: hold pictures out of a training split, for validation."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.data.errors import DataError
from helpers.data.layouts import HOLDOUT, find_dataset
from helpers.data.splits import write_holdout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `split`."""
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="folder of a data set, whose training split is divided, or one annotation file",
    )
    parser.add_argument(
        "--images", type=int, default=1200, help="pictures to hold out (default: 1200, the paper's)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice (default: 0)")
    parser.add_argument(
        "--out", type=Path, help=f"folder of the new files (default: {HOLDOUT} in DATA, or beside)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the two files and say what they hold."""
    data = args.data.expanduser()
    source = data if data.is_file() else _training_file(data)
    folder = args.out or (data.parent if data.is_file() else data) / HOLDOUT
    parts = write_holdout(source, folder.expanduser(), count=args.images, seed=args.seed)
    for file, images in parts.items():
        print(f"{file}: {images} pictures of {source}")
    return 0


def _training_file(folder: Path) -> Path:
    found = find_dataset(folder)
    for split in ("train", "all"):
        if split in found:
            return found[split][0]
    raise DataError(f"{folder}: no training split, only {', '.join(found)}. Give its file instead.")
