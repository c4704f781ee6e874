"""`python -m helpers submit`: predictions as the file that the 3D-FUTURE challenge asks for.

That is one object {"annotations": [...]}, zipped as segmentation_results.json.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from helpers.evaluation.result_files import (
    MEMBER,
    about_results,
    matched_results,
    read_results,
    results_file,
)
from helpers.evaluation.results import Results, check_results
from helpers.files import UserError, read_json, replace_file

_FIELDS = ("image_id", "category_id", "segmentation", "bbox", "score")


def write_submission(results: Results, truth: Mapping[str, Any], path: Path) -> Path:
    """Write `results` as a submission, checked against the images and categories of `truth`.

    `truth` is plain COCO; annotations are not needed. Equal results give equal bytes. Raises
    UserError for results that can not be scored, and if `path` exists or is no .zip.
    """
    if path.suffix != ".zip":
        raise UserError(f"{path}: a submission is a .zip file, choose such a name")
    if path.exists():
        raise UserError(f"{path} exists already: choose another name or move it away")
    rows = [{field: row[field] for field in _FIELDS} for row in check_results(results, truth)]
    member = zipfile.ZipInfo(MEMBER)  # dated 1980, whenever it is made
    member.compress_type = zipfile.ZIP_DEFLATED

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(member, json.dumps({"annotations": rows}))

    replace_file(path, write)
    return path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `submit`."""
    parser.add_argument(
        "predictions", type=Path, help="folder that `predict` made, or a file of COCO results"
    )
    parser.add_argument(
        "--annotations", type=Path, help="the data set's file, for its pictures and their ids"
    )
    parser.add_argument("--output", type=Path, help="a .zip (default: submission.zip beside them)")


def run(args: argparse.Namespace) -> int:
    """Write the submission and say what it holds."""
    source = args.predictions.expanduser()
    file = results_file(source)
    about = about_results(file)
    _refuse_supercategories(file, about)
    if args.annotations is not None:
        from helpers.data.coco import read_index

        truth = read_index(args.annotations, mode="predict", check_images=False).to_coco()
        results, told = matched_results(file, truth)
        print(told)
    elif not about:
        raise UserError(f"{source}: add --annotations, to check pictures and categories")
    elif about.get("ids") == "invented":
        raise UserError(
            f"{source} holds predictions of a bare folder, whose image ids were invented: add "
            "--annotations with the data set's file, which has the ids to submit"
        )
    else:
        truth, results = about, read_results(file)
    output = (args.output or file.with_name("submission.zip")).expanduser()
    write_submission(results, truth, output)
    pictures = len({row["image_id"] for row in results})
    print(f"{output}: {MEMBER}, {len(results)} instances in {pictures} pictures")
    return 0


def _refuse_supercategories(file: Path, about: Mapping[str, Any]) -> None:
    config = file.with_name("config.json")  # of a run
    if not about and config.exists():
        about = read_json(config).get("data", {})
    if about.get("label_space") == "super":
        raise UserError(
            f"{file} holds super-categories: the challenge wants its 34 categories, predict with "
            'a run of label_space "fine"'
        )
