"""Result files: reading any of them, and writing the form the 3D-FUTURE challenge asks for.

That form is one object {"annotations": [...]}, zipped as segmentation_results.json (data
specification A6). What is written is read back and compared before it gets its name.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.evaluation.results import Results, check_results, result_list
from helpers.files import UserError

MEMBER = "segmentation_results.json"
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
    part = path.with_name(f"{path.name}.part")
    member = zipfile.ZipInfo(MEMBER)  # dated 1980, whenever it is made
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(part, "w") as archive:
        archive.writestr(member, json.dumps({"annotations": rows}))
    if read_results(part) != rows:
        raise UserError(f"{part} does not read back as written: is the disk full?")
    os.replace(part, path)
    return path


def results_file(path: Path) -> Path:
    """The file itself, or that of a folder that `predict` made. UserError without one."""
    file = path / "predictions.json" if path.is_dir() else path
    if not file.exists():
        raise UserError(
            f"{file} is missing: give a file of results, or a folder of predictions, and let "
            "`python -m helpers predict` finish first"
        )
    return file


def read_results(path: Path) -> list[dict[str, Any]]:
    """The results of a .json file (either shape) or a submission, as they are, unchecked.

    Raises UserError when the file holds no such thing.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = json.loads(archive.read(MEMBER))
        else:
            content = json.loads(path.read_bytes())
        return list(result_list(content))
    except KeyError:
        raise UserError(f"{path}: the archive holds no {MEMBER}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not JSON ({error}): export the results again") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
