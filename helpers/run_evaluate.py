"""`python -m helpers evaluate`: score a result file, a run, or a data set against itself."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.files import UserError

if TYPE_CHECKING:
    from helpers.data.index import InstanceIndex
    from helpers.data.taxonomy import Taxonomy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument(
        "--annotations", type=Path, help="ground truth: a COCO-style file, or a data set's folder"
    )
    parser.add_argument("--images", type=Path, help="its image folder (default: the file's own)")
    parser.add_argument("--split", default="val", help="of a data set's folder (default: val)")
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
    parser.add_argument("--preset", choices=("coco", "future3d"), default="coco")
    parser.add_argument(
        "--label-space",
        choices=("fine", "super"),
        help="of a file; default: that of the results, else fine",
    )
    parser.add_argument("--json", action="store_true", help="print all numbers for machines")


def run(args: argparse.Namespace) -> int:
    """Print what is scored against what, and the scores. UserError when they can not be had."""
    from helpers.evaluation.average_precision import evaluate

    if args.run_name:
        index, results, matched = _from_run(args)
    elif args.results:
        index, results, matched = _from_results(args)
    else:
        index, results, matched = _from_truth(args)
    print(matched, file=sys.stderr if args.json else sys.stdout)
    evaluation = evaluate(index, results, preset=args.preset)
    print(json.dumps(evaluation.to_dict(), indent=2) if args.json else evaluation)
    return 0


Scored = tuple["InstanceIndex", list[dict[str, Any]], str]  # truth, results, what was matched


def _from_run(args: argparse.Namespace) -> Scored:
    from helpers.inference.predict import predict_index
    from helpers.run_store import find_run

    found = find_run(args.run_name)
    if args.annotations is None:
        index, results = found.index("val"), found.predictions()
        source = f"its own validation split, {found.config.data.val_annotations}"
    else:
        space = found.config.data.label_space
        index = _read(args, space, check_images=True, taxonomy=found.taxonomy)
        results = predict_index(found.model(), index, config=found.config)
        source = str(args.annotations)
    classes = ", ".join(index.taxonomy.names)
    return index, results, f"{found.name} on {source}: {len(index)} pictures; classes {classes}"


def _from_results(args: argparse.Namespace) -> Scored:
    from helpers.evaluation.result_files import about_results, matched_results, results_file

    file = results_file(args.results.expanduser())
    index = _read(args, args.label_space or about_results(file).get("label_space", "fine"))
    return index, *matched_results(file, index.to_coco())


def _from_truth(args: argparse.Namespace) -> Scored:
    from helpers.evaluation.average_precision import Preset
    from helpers.evaluation.results import truth_as_results

    index = _read(args, args.label_space or "fine")
    crowds = not Preset.named(args.preset).ignore_crowds
    results = truth_as_results(index.to_coco(), crowds=crowds)
    return index, results, f"{args.annotations} against itself: {len(index)} pictures"


def _read(
    args: argparse.Namespace,
    label_space: str,
    *,
    check_images: bool = False,
    taxonomy: Taxonomy | None = None,
) -> InstanceIndex:
    from helpers.data.coco import read_index
    from helpers.data.layouts import find_dataset

    if args.annotations is None:
        raise UserError("--annotations is missing: give the ground truth's file")
    annotations, images = args.annotations.expanduser(), args.images
    if annotations.is_dir():
        found = find_dataset(annotations)
        pair = found.get("all", found.get(args.split))
        if pair is None:
            known = ", ".join(sorted(found))
            raise UserError(f"{annotations} has no split {args.split!r}: choose --split {known}")
        annotations, images = pair[0], images or pair[1]
    return read_index(
        annotations,
        images,
        label_space=label_space,
        check_images=check_images or args.images is not None,
        taxonomy=taxonomy,
    )
