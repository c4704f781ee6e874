"""`python -m helpers predict`: what a trained run, or several together, find on pictures.

    predict RUN                  the run's own validation split
    predict RUN PICTURES         one picture, a folder of them, or a data set (folder or COCO file)
    predict RUN RUN .. PICTURES  several runs, fused
    predict released ROOM.jpg    with the model that comes with the project

Of a single picture a copy with the masks drawn in is made, too.

A folder of predictions made with --soft may stand in place of a run. Results lie in a folder (see
`helpers.inference.stored`); the same command goes on after a kill. Processes share the work when
each is started with its own --shard 1/n ... n/n; whichever finishes last puts results together.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from helpers.config import Precision
from helpers.files import existing
from helpers.run_evaluate import SPLIT


def main(argv: Sequence[str]) -> int:
    """Predict what is not there yet; say where the results lie, or what is still missing."""
    args = _parser().parse_intermixed_args(argv)  # words and options may alternate
    from helpers.run_predictions import drawn, predicted  # torch is slow to import

    stored = predicted(args)
    results, about = stored.assemble(), stored.about
    if results is None:
        total, missing = len(about["images"]), len(stored.missing())
        print(f"{total - missing} of {total} pictures done; other shards are missing")
        return 0
    print(results)
    picture = existing(args.words[-1])
    if len(args.words) > 1 and picture.is_file() and picture.suffix != ".json":
        print(drawn(stored, picture))
    if about.get("ids") == "invented":
        print(
            "its image ids are invented, 1, 2, ... in the order of the file names: give the "
            "annotation file when these predictions are scored or submitted"
        )
    return 0


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/4" -> (2, 4), the second of four. ArgumentTypeError for anything else."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard: give I/N from 1/N to N/N")
    return int(number), int(of)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m helpers predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("words", metavar="RUN", nargs="+", help="a run: its name or how it begins; or PICTURES")
    add("--images", type=Path, help="image folder of an annotation file")
    add("--split", help=SPLIT)
    add("--tta", action="store_true", help="test-time augmentation: slower, better")
    add("--tta-sizes", type=int, nargs="+", metavar="PX", help="its short sides; turns it on, too")
    add("--merge", choices=("max", "mean", "vote"), help="how views join; turns it on, too")
    add("--soft", action="store_true", help="keep mask probabilities, to fuse them later")
    add("--precision", choices=get_args(Precision), help="computed in (default: the run's)")
    add("--shard", type=parse_shard, default=(1, 1), metavar="I/N", help="one of N processes")
    add("--output", type=Path, metavar="FOLDER", help="default: by run and data")
    add("--device", help="e.g. cpu or cuda:1; default: a GPU of its own, else cpu")
    add = parser.add_argument_group("several runs").add_argument
    add("--weights", type=float, nargs="+", metavar="W", help="trust in each of them")
    return parser
