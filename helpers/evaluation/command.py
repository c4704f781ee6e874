"""`python -m helpers evaluate`: score a result file, a run, or a data set against itself."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.data.taxonomy import Taxonomy
from helpers.evaluation.average_precision import PRESETS, evaluate
from helpers.evaluation.results import truth_as_results
from helpers.evaluation.submission import read_results, results_file
from helpers.files import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument("--annotations", type=Path, help="ground truth, any COCO-style file")
    parser.add_argument("--images", type=Path, help="its image folder (default: the file's own)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--results",
        type=Path,
        help="a COCO list, the challenge's form, or a folder that `predict` made",
    )
    what.add_argument(
        "--run",
        dest="run_name",  # `run` is the function to call
        metavar="NAME",
        help="a trained run; without --annotations, its own validation split",
    )
    what.add_argument("--ground-truth", action="store_true", help="the ground truth against itself")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="coco")
    parser.add_argument("--label-space", choices=("fine", "super"), default="fine")
    parser.add_argument("--json", action="store_true", help="print all numbers for machines")


def run(args: argparse.Namespace) -> int:
    """Print the scores. UserError, DataError, UserError when they can not be had."""
    index, results = _from_run(args) if args.run_name else _from_files(args)
    evaluation = evaluate(index, results, preset=args.preset)
    print(json.dumps(evaluation.to_dict(), indent=2) if args.json else evaluation)
    return 0


def _from_files(args: argparse.Namespace) -> tuple[InstanceIndex, list[dict[str, Any]]]:
    index = _read(args, args.label_space, check_images=args.images is not None)
    if args.results:
        return index, read_results(results_file(args.results.expanduser()))
    crowds = not PRESETS[args.preset].ignore_crowds
    return index, truth_as_results(index.to_coco(), crowds=crowds)


def _from_run(args: argparse.Namespace) -> tuple[InstanceIndex, list[dict[str, Any]]]:
    from helpers.inference.predict import predict_index  # torch is slow to import: only if needed
    from helpers.run_store import find_run

    found = find_run(args.run_name)
    if args.annotations is None:
        return found.index("val"), found.predictions()
    index = _read(args, found.config.data.label_space, taxonomy=found.taxonomy)
    return index, predict_index(found.model(), index, config=found.config)


def _read(
    args: argparse.Namespace,
    label_space: str,
    *,
    check_images: bool = True,
    taxonomy: Taxonomy | None = None,
) -> InstanceIndex:
    if args.annotations is None:
        raise UserError("--annotations is missing: give the ground truth's file")
    return read_index(
        args.annotations,
        args.images,
        label_space=label_space,
        check_images=check_images,
        taxonomy=taxonomy,
    )
