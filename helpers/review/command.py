"""`python -m helpers apply-decisions BEFORE AFTER DECISIONS OUT`."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.files import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, help="annotation file that was reviewed (COCO)")
    parser.add_argument("after", type=Path, help="what it was compared with: annotations, results")
    parser.add_argument("decisions", type=Path, help="file of decisions (JSON lines)")
    parser.add_argument("out", type=Path, help="new annotation file; must not be there yet")
    parser.add_argument("--split", default="train", help="split of the decisions (default: train)")


def run(args: argparse.Namespace) -> int:
    from helpers.review.export import apply_decisions, export_coco

    applied = apply_decisions(args.before, args.after, args.decisions, split=args.split)
    if applied.left_out and not applied.matched:
        raise UserError(
            f"{args.decisions}: {applied.told_left_out}. Nothing was written: give the files "
            "that were reviewed, and their --split"
        )
    print(f"{export_coco(applied, args.out)}: {applied}")
    return 0
