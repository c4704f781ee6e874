"""`python -m helpers check DATA`: is this data set fit for use, and what will be done about it?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="folder of a data set (3D-FUTURE, generated scenes, COCO, one _annotations.coco.json "
        "a split), or one annotation file",
    )
    parser.add_argument(
        "--images", type=Path, help="image folder of an annotation file (default: by its layout)"
    )
    parser.add_argument(
        "--predict", action="store_true", help="the pictures are only predicted on, not trained on"
    )
    parser.add_argument(
        "--future3d", action="store_true", help="demand the 34 categories of 3D-FUTURE"
    )
    parser.add_argument(
        "--headers", action="store_true", help="read the pictures' headers only: fast, finds less"
    )
    parser.add_argument("--json", action="store_true", help="print a report for machines")


def run(args: argparse.Namespace) -> int:
    """Print the report; 0 when every split can be used, else 1."""
    from helpers.data.check import check_dataset, describe
    from helpers.data.layouts import find_dataset
    from helpers.data.taxonomy import FUTURE3D

    reports = check_dataset(
        find_dataset(args.data, args.images),
        mode="predict" if args.predict else None,
        decode=not args.headers,
        taxonomy=FUTURE3D if args.future3d else None,
    )
    usable = all(report.usable for report in reports)
    if args.json:
        content = {"usable": usable, "splits": [report.to_dict() for report in reports]}
        print(json.dumps(content, indent=2))
    else:
        print(describe(reports))
    return 0 if usable else 1
