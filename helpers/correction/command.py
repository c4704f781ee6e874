"""`python -m helpers correct-masks IN OUT`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="IN", type=Path, help="data set folder or annotation file"
    )
    parser.add_argument("target", metavar="OUT", type=Path, help="new folder for corrected files")
    parser.add_argument(
        "--images",
        type=Path,
        help="image folder of an annotation file (default: found as `check` does)",
    )
    parser.add_argument(
        "--overlaps",
        choices=("keep", "resolve"),
        default="keep",
        help="masks that overlap on purpose stay whole, or what they share goes to the smaller one",
    )
    parser.add_argument("--jobs", type=int, help="worker processes (default: one per core)")
    parser.add_argument(
        "--keep-borders", action="store_true", help="sieve only, leave jagged borders as they are"
    )
    parser.add_argument(
        "--pictures", action="store_true", help="look at the pictures too: finds leaks and holes"
    )


def run(args: argparse.Namespace) -> int:
    from helpers.correction.correct import CorrectionConfig
    from helpers.correction.files import REPORT, correct_dataset

    config = CorrectionConfig(
        smooth_border=not args.keep_borders, resolve_overlaps=args.overlaps == "resolve"
    )
    report = correct_dataset(
        args.source,
        args.target,
        images=args.images,
        config=config,
        pictures=args.pictures,
        jobs=args.jobs,
    )
    for name, told in report["files"].items():
        print(f"{args.target / name}: {_summary(told)}")
    if report["left_out"]:
        print(f"left out, without annotations: {', '.join(report['left_out'])}")
    print(args.target / REPORT)
    return 0


def _summary(told: dict[str, Any]) -> str:
    """What was done to one file; what is passed on or kept in lines of its own."""
    causes = ", ".join(f"{cause} {count:,}" for cause, count in told["changed"].items())
    text = (
        f"{told['images']} images, {told['annotations']} annotations, {told['dropped']} dropped, "
        f"{told['flagged']} to review; pixels changed: {sum(told['changed'].values()):,}"
    ) + (f" ({causes})" if causes else "")
    passed, overlaps = told["passed_on"], told["overlaps"]
    if passed["total"]:
        first = ", ".join(map(str, passed["first"]))
        text += "\n  crowds and annotations without a usable mask, left as they are: "
        text += f"{passed['total']}, ids {first}"
    if overlaps["total"]:
        text += f"\n  overlaps on purpose, kept: {overlaps['total']} pairs, {overlaps['pixels']:,} "
        text += "pixels; with --overlaps resolve the larger masks lose them"
    return text
