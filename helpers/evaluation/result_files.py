"""Files of results: reading any of them, and finding their pictures in an annotation file.

`predict` keeps beside its predictions an about.json with the pictures' ids and file names. Where a
bare folder was predicted those ids were invented ("ids": "invented"), so they mean nothing in an
annotation file: pictures are matched by file name wherever both sides know it.
"""

from __future__ import annotations

import json
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from helpers.evaluation.results import result_list
from helpers.files import UserError, read_json

MEMBER = "segmentation_results.json"  # of the archive that the 3D-FUTURE challenge asks for
Images = Sequence[Mapping[str, Any]]


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


def about_results(file: Path) -> dict[str, Any]:
    """The about.json beside predictions.json; empty where there is none."""
    about = file.with_name("about.json")
    if file.name != "predictions.json" or not about.exists():
        return {}
    content = read_json(about)
    if not (isinstance(content, dict) and {"images", "categories"} <= content.keys()):
        raise UserError(f"{about} is damaged: move its folder away, and predict anew")
    return content


def matched_results(file: Path, truth: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The results of a file under the image ids of `truth`, and lines that say what was matched.

    truth: plain COCO; annotations are not needed. Raises UserError for pictures and classes that
    `truth` does not have, and where a picture's id and its file name contradict each other.
    """
    results, about, images = read_results(file), about_results(file), truth["images"]
    predicted, how = _ids(results, "image_id"), "image id"
    if about:
        _check_classes(about["categories"], results, truth["categories"], file)
        ids = _match(about["images"], images, file, invented=about.get("ids") == "invented")
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


def _match(predicted: Images, images: Images, file: Path, *, invented: bool) -> dict[int, int]:
    """Id of a predicted picture -> id in the annotation file."""
    known, ids_of = {image["id"] for image in images}, defaultdict(list)
    theirs, ours = _names(predicted, images)
    for name, image in zip(ours, images, strict=True):
        ids_of[name].append(image["id"])
    matched, wrong = {}, []
    for name, image in zip(theirs, predicted, strict=True):
        number, ids = image["id"], ids_of[name]
        free = invented or number not in known  # the id says nothing against another one
        if number in ids and not invented:
            matched[number] = number
        elif len(ids) == 1 and free:
            matched[number] = ids[0]
        elif free:
            times = f"there {len(ids)} times" if ids else "not there"
            wrong.append(f"{image['file_name']} is {times}")
        else:
            wrong.append(f"{image['file_name']} has id {number} here, {ids or 'none'} there")
    if wrong:
        raise UserError(
            f"{file} is not of the pictures of the annotation file: {_first(wrong)}. Predict with "
            "that file: `python -m helpers predict RUN FILE`"
        )
    return matched


def _names(*sides: Images) -> list[list[str]]:
    """Comparable file names of each side: whole paths where both sides have folders or where these
    are what tells two pictures apart, else without folders and endings (3D-FUTURE has none)."""
    whole = [[_plain_name(image["file_name"]) for image in images] for images in sides]
    short = [[_stem(name) for name in names] for names in whole]
    distinct = all(len(set(a)) == len(set(b)) for a, b in zip(short, whole, strict=True))
    bare = any(not any("/" in name for name in names) for names in whole)
    return short if distinct and bare else whole


def _plain_name(file_name: str) -> str:
    """One way to write it: "rooms\\my%20room.jpg" is "rooms/my room.jpg"."""
    return unicodedata.normalize("NFC", unquote(file_name)).replace("\\", "/")


def _stem(name: str) -> str:
    from helpers.data.pictures import EXTENSIONS

    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in EXTENSIONS else path.name


def _first(names: Sequence[str], count: int = 5) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return f"{', '.join(names[:count])}{more}"
