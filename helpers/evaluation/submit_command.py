"""`python -m helpers submit`: predictions as the file the challenge asks for."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.data.coco import read_index
from helpers.evaluation.submission import MEMBER, read_results, results_file, write_submission
from helpers.files import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `submit`."""
    parser.add_argument(
        "predictions", type=Path, help="folder that `predict` made, or a file of COCO results"
    )
    parser.add_argument(
        "--annotations", type=Path, help="for a file of results: the data set's, for its pictures"
    )
    parser.add_argument("--output", type=Path, help="a .zip (default: submission.zip beside them)")


def run(args: argparse.Namespace) -> int:
    """Write the submission, which is read back and compared, and say what it holds."""
    source = args.predictions.expanduser()
    file = results_file(source)
    output = (args.output or file.parent / "submission.zip").expanduser()
    written = write_submission(read_results(file), _truth(args, source), output)
    rows = read_results(written)
    pictures = len({row["image_id"] for row in rows})
    print(f"{written}: {MEMBER}, {len(rows)} instances in {pictures} pictures")
    return 0


def _truth(args: argparse.Namespace, source: Path) -> Mapping[str, Any]:
    """Pictures and categories that results may speak of."""
    about, config = (_content(source / name) for name in ("about.json", "config.json"))
    if (about or config.get("data", {})).get("label_space") == "super":
        raise UserError(
            f"{source} holds super-categories: the challenge wants its 34 categories, predict with "
            'a run of label_space "fine"'
        )
    if args.annotations is not None:
        return read_index(args.annotations, mode="predict", check_images=False).to_coco()
    if not about:
        raise UserError(f"{source}: add --annotations, to check pictures and categories")
    return about


def _content(path: Path) -> dict[str, Any]:
    """Of a JSON file; nothing where there is none."""
    return json.loads(path.read_text()) if path.exists() else {}
