"""`python -m helpers correct-masks IN OUT`."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.correction.correct import CorrectionConfig
from helpers.correction.files import REPORT, correct_dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="IN", type=Path, help="data set folder or annotation file"
    )
    parser.add_argument("target", metavar="OUT", type=Path, help="new folder for corrected files")
    parser.add_argument("--jobs", type=int, help="worker processes (default: one per core)")
    parser.add_argument(
        "--keep-borders", action="store_true", help="sieve only, leave jagged borders as they are"
    )
    parser.add_argument(
        "--pictures", action="store_true", help="look at the pictures too: finds leaks and holes"
    )


def run(args: argparse.Namespace) -> int:
    config = CorrectionConfig(smooth_border=not args.keep_borders)
    report = correct_dataset(
        args.source, args.target, config=config, pictures=args.pictures, jobs=args.jobs
    )
    for name, file in report["files"].items():
        pixels = ", ".join(f"{cause} {count:,}" for cause, count in file["changed"].items())
        print(
            f"{args.target / name}: {file['images']} images, {file['annotations']} annotations, "
            f"{file['dropped']} dropped, {file['flagged']} to review; pixels changed: {pixels}"
        )
    print(args.target / REPORT)
    return 0
