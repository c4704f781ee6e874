"""`python -m helpers evaluate`: score a result file or a run, or make of the results the file that
the 3D-FUTURE challenge asks for."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.data.layouts import find_split
from helpers.data.taxonomy import Taxonomy
from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.result_files import (
    about_results,
    matched_results,
    read_results,
    results_file,
    write_submission,
)
from helpers.files import UserError, read_json
from helpers.run_store import find_run

SPLIT = "of a data set's folder (default: val)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    add = parser.add_argument
    add("--annotations", type=Path, help="ground truth: a COCO-style file, or a data set's folder")
    add("--images", type=Path, help="its image folder (default: the file's own)")
    add("--split", help=SPLIT)
    add("--preset", choices=("coco", "future3d"), default="coco")
    add("--label-space", choices=("fine", "super"), help="of a file (default: the results')")
    add("--json", action="store_true", help="print all numbers for machines")
    add("--submission", type=Path, metavar="ZIP", help="score nothing: write --results as the file "
        "that the challenge asks for; --annotations for its pictures and their ids")  # fmt: skip
    add = parser.add_mutually_exclusive_group(required=True).add_argument
    add("--results", type=Path, help="a COCO list, the challenge's form, or a folder of `predict`")
    add("--run", dest="run_name", metavar="NAME",  # `run` is the function to call
        help="a trained run; without --annotations, its own validation split")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print what is scored against what, and the scores. UserError when they cannot be had."""
    if args.submission is not None:
        return _submit(args)
    index, results, matched = _from_run(args) if args.run_name else _from_results(args)
    print(matched, file=sys.stderr if args.json else sys.stdout)
    evaluation = evaluate(index, results, preset=args.preset)
    print(json.dumps(evaluation.to_dict(), indent=2) if args.json else evaluation)
    return 0


Scored = tuple[InstanceIndex, list[dict[str, Any]], str]  # truth, results, what was matched


def _from_run(args: argparse.Namespace) -> Scored:
    found = find_run(args.run_name)
    if args.label_space or (args.annotations is None and (args.split or args.images)):
        raise UserError(
            "--split and --images are of --annotations, and --label-space is of --results: a run "
            "has its own"
        )
    if args.annotations is None:
        index, results = found.index("val"), found.predictions()
        source = f"its own validation split, {found.config.data.val_annotations}"
    else:
        from helpers.inference.predict import predict_index  # torch is slow to import

        space = found.config.data.label_space
        index = _read(args, space, check_images=True, taxonomy=found.taxonomy)
        results = predict_index(found.model(), index, config=found.config)
        source = str(args.annotations)
    classes = ", ".join(index.taxonomy.names)
    return index, results, f"{found.name} on {source}: {len(index)} pictures; classes {classes}"


def _from_results(args: argparse.Namespace) -> Scored:
    file = results_file(args.results)
    index = _read(args, args.label_space or about_results(file).get("label_space", "fine"))
    return index, *matched_results(file, index.to_coco())


def _read(
    args: argparse.Namespace,
    label_space: str,
    *,
    check_images: bool = False,
    taxonomy: Taxonomy | None = None,
) -> InstanceIndex:
    if args.annotations is None:
        raise UserError("--annotations is missing: give the ground truth's file")
    return read_index(
        *find_split(args.annotations, args.split or "val", args.images),
        label_space=label_space,
        check_images=check_images or args.images is not None,
        taxonomy=taxonomy,
    )


def _submit(args: argparse.Namespace) -> int:
    """Write the results as a submission and say what it holds."""
    if args.results is None:
        raise UserError("a submission is made of --results: predict the test pictures first")
    file = results_file(args.results)
    about, config = about_results(file), file.with_name("config.json")  # the latter of a run
    space = about or (read_json(config).get("data", {}) if config.exists() else {})
    if space.get("label_space") == "super":
        raise UserError(
            f"{file} holds super-categories: the challenge wants its 34 categories, predict with "
            'a run of label_space "fine"'
        )
    if args.annotations is not None:
        pictures, _ = find_split(args.annotations, args.split or "val")
        truth = read_index(pictures, mode="predict", check_images=False).to_coco()
        results, told = matched_results(file, truth)
        print(told)
    elif about and about.get("ids") != "invented":
        truth, results = about, read_results(file)
    else:
        raise UserError(f"{file}: add --annotations, the data set's file, to have its image ids")
    write_submission(results, truth, args.submission.expanduser())
    shown = len({row["image_id"] for row in results})
    print(f"{args.submission}: {len(results)} instances in {shown} pictures")
    return 0
