"""Correction of a whole data set: annotation files in, corrected copies of them out.

Pictures are read only if asked for and never copied; the new files go with the old image folders.
The work is resumable at any point and its result does not depend on the number of processes: chunks
of pictures leave their results in a hidden work folder, and `report.json`, written last, marks the
end.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from helpers.correction.correct import CorrectionConfig
from helpers.correction.instances import correct_image
from helpers.data.parallel import available_cores, work_on
from helpers.files import UserError

METHOD = 2  # raised whenever the same masks and config are corrected to others than before
CHUNK = 16  # pictures per task
WORK, REPORT = ".work", "report.json"
PLACES = ("GT/*.json", "coco/*.json", "annotations/*.json", "*.json")  # of annotation files


@dataclass(frozen=True)
class _Task:
    """Some pictures of one file: where the result goes, and (image, its annotations) pairs."""

    result: Path
    file: Path
    idmaps: Path | None
    images: Path | None
    pictures: list[tuple[dict[str, Any], list[dict[str, Any]]]]


def correct_dataset(
    source: Path,
    target: Path,
    *,
    config: CorrectionConfig | None = None,
    pictures: bool = False,
    jobs: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Correct all annotation files of a folder, or one file, into the folder `target`.

    Files are looked for in `GT/`, `coco/`, `annotations/` and the folder itself; those without
    annotations are left out. Id-maps are used where `<split>/idmap/` holds them; with `pictures`,
    those in `<split>/image/` are looked at too, and all have to be there. Returns the report: per
    file the totals and, per picture that changed, what was done.

    Raises UserError when there is nothing to correct, a file is broken, or `target` holds
    something else; nothing that exists is overwritten.
    """
    config = config or CorrectionConfig()
    files = _annotation_files(source)
    root = source if source.is_dir() else source.parent
    identity = {
        "method": METHOD,
        "config": dataclasses.asdict(config),
        "pictures": pictures,
        "files": {str(f.relative_to(root)): _sha256(f) for f in files},
    }
    if _is_finished(root, target, identity):
        return json.loads((target / REPORT).read_text())
    reports = {}
    for file in files:
        name = str(file.relative_to(root))
        data = _load(file)
        tasks = _tasks(data, file, root, target / WORK / name.replace("/", "-"), look=pictures)
        _work(tasks, config, name, jobs or available_cores(), progress)
        reports[name] = _join(data, tasks, target, name)
    report = {"identity": identity, "files": reports}
    _write(target, REPORT, json.dumps(report, indent=1))
    shutil.rmtree(target / WORK, ignore_errors=True)
    return report


def _annotation_files(source: Path) -> list[Path]:
    """The annotation files at hand that hold any annotations, sorted."""
    if source.is_file():
        return [source]
    found = [file for place in PLACES for file in sorted(source.glob(place))]
    files = [file for file in found if b'"annotations"' in file.read_bytes()]
    if not files:
        places = ", ".join(PLACES)
        raise UserError(f"{source} has no annotation file (looked for {places}): give its path")
    return files


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _is_finished(root: Path, target: Path, identity: dict[str, Any]) -> bool:
    """Whether the work is done; else prepares the folder, refusing one that is not of this work."""
    if target.resolve() == root.resolve():
        raise UserError(f"{target} holds the originals: give another folder to write to")
    for place, done in ((target / REPORT, True), (target / WORK / "identity.json", False)):
        if place.is_file():
            found = json.loads(place.read_text())
            if (found.get("identity") if done else found) != identity:
                raise UserError(
                    f"{target} holds a correction of other files, with another config or by an "
                    "earlier version: give another folder or delete this one"
                )
            return done
    if target.exists() and any(path.name != WORK for path in target.iterdir()):
        raise UserError(f"{target} is not empty: give an empty folder to write to")
    _write(target, f"{WORK}/identity.json", json.dumps(identity))
    return False


def _load(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_bytes())
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}): export it again") from None
    lists = [isinstance(data, dict) and data.get(key) for key in ("images", "annotations")]
    if not all(isinstance(part, list) for part in lists):
        raise UserError(f"{file} has no lists 'images' and 'annotations': export it as COCO")
    ids = Counter(annotation.get("id") for annotation in data["annotations"])
    twice = [i for i, count in ids.items() if count > 1 or i is None]
    if twice:
        raise UserError(f"{file}: annotation ids missing or used twice: {twice[:10]}")
    return data


def _tasks(
    data: Mapping[str, Any], file: Path, root: Path, results: Path, *, look: bool = False
) -> list[_Task]:
    """The pictures with annotations in chunks, in the order of the file."""
    by_image: dict[Any, list[dict[str, Any]]] = {}
    for annotation in data["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    images = {image["id"]: image for image in data["images"]}
    unknown = by_image.keys() - images.keys()
    if unknown:
        raise UserError(f"{file}: annotations of undeclared images {sorted(unknown)[:10]}")
    pictures = [(image, by_image[i]) for i, image in images.items() if i in by_image]
    split = root / file.stem.removesuffix("_set")
    idmaps, images = split / "idmap", split / "image"
    if look and not images.is_dir():
        raise UserError(f"{file}: no folder {images} with its pictures: correct without them")
    return [
        _Task(
            results / f"{start // CHUNK:06d}.json",
            file,
            idmaps if idmaps.is_dir() else None,
            images if look else None,
            pictures[start : start + CHUNK],
        )
        for start in range(0, len(pictures), CHUNK)
    ]


def _work(
    tasks: Sequence[_Task], config: CorrectionConfig, name: str, jobs: int, progress: bool
) -> None:
    """Does all tasks that have no result yet."""
    left = [task for task in tasks if not task.result.is_file()]
    total = sum(len(task.pictures) for task in tasks)
    done = total - sum(len(task.pictures) for task in left)
    one = functools.partial(_correct_chunk, config)
    with (
        tqdm(total=total, initial=done, desc=name, unit="image", disable=not progress) as bar,
        work_on(one, left, min(jobs, len(left))) as results,
    ):
        for count in results:
            bar.update(count)


def _correct_chunk(config: CorrectionConfig, task: _Task) -> int:
    """Corrects some pictures and writes the result; returns how many."""
    found = []
    for image, old in task.pictures:
        size = (image["height"], image["width"])
        try:
            idmap = _read_idmap(task.idmaps, image) if task.idmaps else None
            picture = _read_picture(task.images, image) if task.images else None
            corrected, report = correct_image(
                old, size, idmap=idmap, picture=picture, config=config
            )
        except UserError as error:
            raise UserError(f"{task.file}: image {image['id']}: {error}") from None
        found.append([image["id"], corrected, dataclasses.asdict(report)])
    folder = task.result.parent
    _write(folder.parent.parent, f"{WORK}/{folder.name}/{task.result.name}", json.dumps(found))
    return len(task.pictures)


def _read_idmap(folder: Path, image: Mapping[str, Any]) -> np.ndarray | None:
    """(H, W, 3) uint8, or None when there is no id-map of this picture."""
    path = folder / (Path(image["file_name"]).stem + ".png")
    return _read_rgb(path, image) if path.is_file() else None


def _read_picture(folder: Path, image: Mapping[str, Any]) -> np.ndarray:
    """(H, W, 3) uint8; file names of the release lack their extension."""
    path = folder / image["file_name"]
    path = path if path.suffix else path.with_suffix(".jpg")
    if not path.is_file():
        raise UserError(f"{path} is missing: correct without pictures, or add it")
    return _read_rgb(path, image)


def _read_rgb(path: Path, image: Mapping[str, Any]) -> np.ndarray:
    with Image.open(path) as picture:
        if picture.size != (image["width"], image["height"]):
            raise UserError(
                f"{path} is {picture.size} pixels, the annotation file says "
                f"{(image['width'], image['height'])}: give the files of these pictures"
            )
        return np.asarray(picture.convert("RGB"))


def _join(
    data: Mapping[str, Any], tasks: Sequence[_Task], target: Path, name: str
) -> dict[str, Any]:
    """Writes the corrected file, annotations in their old order, and returns its report."""
    corrected, images, changed = {}, {}, Counter()
    for image_id, new, report in _results(tasks):
        corrected |= {a["id"]: a for a in new}
        changed.update(report["changed"])
        if report["instances"] or report["duplicates"] or report["vanished"]:
            images[str(image_id)] = report
    kept = [corrected[a["id"]] for a in data["annotations"] if a["id"] in corrected]
    _write(target, name, json.dumps({**data, "annotations": kept}, ensure_ascii=False))
    return {
        "images": sum(len(task.pictures) for task in tasks),
        "annotations": len(data["annotations"]),
        "dropped": len(data["annotations"]) - len(kept),
        "flagged": sum(len(report["review"]) for report in images.values()),
        "changed": dict(sorted(changed.items())),
        "changed_images": images,
    }


def _results(tasks: Sequence[_Task]) -> Iterator[tuple[Any, list[dict[str, Any]], dict[str, Any]]]:
    for task in tasks:
        yield from json.loads(task.result.read_bytes())


def _write(target: Path, name: str, text: str) -> None:
    """Writes target/name so that it is either complete or absent."""
    path, work = target / name, target / WORK
    for folder in (path.parent, work):
        folder.mkdir(parents=True, exist_ok=True)
    unfinished = work / f"{os.getpid()}-{path.name}.unfinished"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
