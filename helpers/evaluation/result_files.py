"""Files of results: reading any of them, finding their pictures in an annotation file, and writing
them as the file that the 3D-FUTURE challenge asks for.

`predict` keeps beside its predictions an about.json with the pictures' ids and file names. Where a
bare folder was predicted those ids were invented ("ids": "invented"), so they mean nothing in an
annotation file: pictures are matched by file name wherever both sides know it.
"""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from helpers.data.locate import clean_name
from helpers.data.pictures import EXTENSIONS
from helpers.evaluation.results import FIELDS, Results, check_results, result_list
from helpers.files import UserError, read_json, replace_file

MEMBER = "segmentation_results.json"  # of the archive that the 3D-FUTURE challenge asks for
Images = Sequence[Mapping[str, Any]]


def results_file(path: Path) -> Path:
    """The file itself, or that of a folder that `predict` made. UserError without one."""
    path = path.expanduser()
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


def about_results(file: Path) -> dict[str, Any]:
    """The about.json beside predictions.json; empty where there is none."""
    about = file.with_name("about.json")
    if file.name != "predictions.json" or not about.exists():
        return {}
    return read_json(about)


def write_submission(results: Results, truth: Mapping[str, Any], path: Path) -> Path:
    """Write `results` as a submission, one object {"annotations": [...]} in a .zip archive, checked
    against the images and categories of `truth`.

    `truth` is plain COCO; annotations are not needed. Equal results give equal bytes. Raises
    UserError for results that cannot be scored, and if `path` exists or is no .zip.
    """
    if path.suffix != ".zip":
        raise UserError(f"{path}: a submission is a .zip file, choose such a name")
    if path.exists():
        raise UserError(f"{path} exists already: choose another name or move it away")
    rows = [{field: row[field] for field in FIELDS} for row in check_results(results, truth)]
    member = zipfile.ZipInfo(MEMBER)  # dated 1980, whenever it is made
    member.compress_type = zipfile.ZIP_DEFLATED

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(member, json.dumps({"annotations": rows}))

    replace_file(path, write)
    return path


def matched_results(file: Path, truth: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The results of a file under the image ids of `truth`, and lines that say what was matched.

    truth: plain COCO; annotations are not needed. Raises UserError for pictures and classes that
    `truth` does not have, and where a picture's id and its file name contradict each other.
    """
    results, about, images = read_results(file), about_results(file), truth["images"]
    predicted, how = _ids(results, "image_id"), "image id"
    if about:
        _check_classes(about["categories"], results, truth["categories"], file)
        try:
            ids = match_pictures(about["images"], images, invented=about.get("ids") == "invented")
        except UserError as error:
            raise UserError(
                f"{file} is not of the pictures of the annotation file: {error}. Predict with that "
                "file: `python -m helpers predict RUN FILE`"
            ) from None
        if predicted - set(ids):
            raise UserError(f"{file} has images that its about.json lacks: predict once more")
        results = [row | {"image_id": ids[row["image_id"]]} for row in results]
        predicted, how = set(ids.values()), "file name"
    told = (
        f"pictures: {len(images)} in the annotation file, {len(predicted)} predicted, matched by "
        f"{how}\nclasses: {len(truth['categories'])} in the annotation file, "
        f"{len(_ids(results, 'category_id'))} in the {len(results)} results"
    )
    missed = [image["file_name"] for image in images if image["id"] not in predicted]
    if missed:
        told += f"\nwithout predictions, so that all they show is missed: {_first(missed)}"
    return results, told


def _ids(rows: Sequence[Any], field: str) -> set[Any]:
    values = [row.get(field) for row in rows if isinstance(row, Mapping)]
    return {value for value in values if isinstance(value, int)}


def _check_classes(predicted: Images, results: Sequence[Any], known: Images, file: Path) -> None:
    there = {category["id"]: category["name"] for category in known}
    found = {category["id"]: category["name"] for category in predicted}
    used = _ids(results, "category_id")
    other = [f"{n} {found.get(n, '?')}" for n in sorted(used) if n not in there]
    other += [f"{n} {name}" for n, name in found.items() if there.get(n, name) != name]
    if other:
        names = ", ".join(f"{n} {name}" for n, name in there.items())
        raise UserError(
            f"{file} holds other classes than the annotation file: {_first(other)}; the file has "
            f"{names:.300}. Predict with a run of these classes, or choose another --label-space"
        )


def match_pictures(predicted: Images, images: Images, *, invented: bool) -> dict[int, int]:
    """Id of each predicted picture -> id of the same picture in `images`, by file name.

    invented: the predicted ids mean nothing, and so cannot contradict a name. UserError names the
    first pictures that are not there, or there with another id or size.
    """
    by_id, ids_of = {image["id"]: image for image in images}, defaultdict(list)
    theirs, ours = _comparable_names(predicted, images)
    for name, image in zip(ours, images, strict=True):
        ids_of[name].append(image["id"])
    matched, wrong = {}, []
    for name, image in zip(theirs, predicted, strict=True):
        number, ids, told = image["id"], ids_of[name], image["file_name"]
        named = not invented and number in by_id  # its id stands for a picture there
        if named and number not in ids:
            wrong.append(f"{told} has id {number} here, {ids or 'none'} there")
        elif not named and len(ids) != 1:
            wrong.append(f"{told} is there {len(ids)} times" if ids else f"{told} is not there")
        else:
            other = by_id[number if named else ids[0]]
            matched[number] = other["id"]
            if any(image[side] != other[side] for side in ("width", "height")):
                wrong.append(f"{told} has another size there")
    if wrong:
        raise UserError(_first(wrong))
    return matched


def _comparable_names(*sides: Images) -> list[list[str]]:
    """Comparable file names of each side: whole paths where both sides have folders or where these
    are what tells two pictures apart, else without folders and endings (3D-FUTURE has none)."""
    whole = [[clean_name(image["file_name"]) for image in images] for images in sides]
    short = [[_stem(name) for name in names] for names in whole]
    distinct = all(len(set(a)) == len(set(b)) for a, b in zip(short, whole, strict=True))
    bare = any(not any("/" in name for name in names) for names in whole)
    return short if distinct and bare else whole


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in EXTENSIONS else path.name


def _first(names: Sequence[str], count: int = 5) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return f"{', '.join(names[:count])}{more}"
