"""`python -m helpers split DATA`: hold pictures out of a training split, for validation."""

from __future__ import annotations

import argparse
from pathlib import Path


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
        "--out", type=Path, help="folder of the new files (default: holdout in DATA, or beside)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the two files and say what they hold."""
    from helpers.data.layouts import HOLDOUT, find_dataset
    from helpers.data.splits import write_holdout
    from helpers.files import UserError

    data = args.data.expanduser()
    found = find_dataset(data)
    pair = found.get("train", found.get("all"))
    if pair is None:
        splits = ", ".join(found)
        raise UserError(f"{data}: no training split, only {splits}. Give its file instead.")
    annotations, pictures = pair
    folder = args.out or (data.parent if data.is_file() else data) / HOLDOUT
    parts = write_holdout(annotations, folder.expanduser(), count=args.images, seed=args.seed)
    for file, images in parts.items():
        print(f"{file}: {images} pictures of {annotations}, which stay in {pictures}")
    return 0
