"""Correction of a whole data set: annotation files in, corrected copies of them out.

Pictures are read only if asked for and never copied; the new files go with the old image folders.
What is not changed stays as it is in the file: all other fields, annotations without a usable mask,
crowd regions, and the order. The work is resumable at any point and its result does not depend on
the number of processes: every picture leaves its result in a hidden work folder, and `report.json`,
written last, marks the end.
"""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from helpers.correction.correct import CorrectionConfig
from helpers.correction.instances import correct_image
from helpers.data import rle
from helpers.data.coco import read_document, read_index, write_document
from helpers.data.index import InstanceIndex
from helpers.data.layouts import find_dataset
from helpers.data.parallel import available_cores, work_on
from helpers.data.pictures import read_picture
from helpers.files import (
    RunBusyError,
    UserError,
    existing,
    is_locked,
    locked,
    make_folder,
    read_json,
    sha256,
    write_json,
)

METHOD = 3  # raised whenever the same masks and config are corrected to others than before
SHOWN = 10  # ids listed in a report
WORK, REPORT = ".work", "report.json"


@dataclass(frozen=True)
class _Task:
    """One picture with usable masks, and where the result goes.

    size: height, width; masks: (annotation id, category id, compressed mask) each.
    """

    result: Path
    image_id: int
    size: tuple[int, int]
    idmap: Path | None
    picture: Path | None
    masks: list[tuple[int, int, rle.Rle]]


def correct_dataset(
    source: Path,
    target: Path,
    *,
    images: Path | None = None,
    config: CorrectionConfig | None = None,
    pictures: bool = False,
    jobs: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Correct the annotation files of a data set's folder, or one file, into the folder `target`.

    images: folder of the pictures of one file, by default where `check` finds them. A folder
    `idmap` beside it is used; with `pictures`, the pictures are looked at too. Files without
    annotations are left out. Returns the report: per file the totals and, per picture that changed
    or has masks that overlap on purpose, what was done.

    Raises UserError when there is nothing to correct, a file cannot be used, or `target` holds
    something else; nothing that exists is overwritten.
    """
    config, source = config or CorrectionConfig(), existing(source)
    root = source if source.is_dir() else source.parent
    found = find_dataset(source, images).values()
    pairs = {str(file.relative_to(root)): (file, folder) for file, folder in found}
    identity = {
        "method": METHOD,
        "config": asdict(config),
        "pictures": pictures,
        "files": {name: sha256(file) for name, (file, _) in pairs.items()},
    }
    done = _finished(root, target, identity)
    if done is not None:
        return done
    reports, left_out = {}, []
    make_folder(target / WORK)
    with locked(target / WORK):
        for name, (file, folder) in pairs.items():
            document = read_document(file, "predict")
            if not document.get("annotations") and source.is_dir():
                left_out.append(name)
                continue
            index = read_index(file, folder, check_images=pictures)
            tasks = _tasks(index, folder, target / WORK / name.replace("/", "-"), pictures)
            _work(tasks, config, name, jobs or available_cores(), progress)
            reports[name] = _join(document, tasks, target / name)
        if not reports:
            files = ", ".join(pairs)
            raise UserError(f"{source}: no annotations in {files}. Give another data set.")
        report = {"identity": identity, "left_out": left_out, "files": reports}
        write_json(target / REPORT, report)
    shutil.rmtree(target / WORK, ignore_errors=True)
    return report


def _finished(root: Path, target: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The report of work that is done; else prepares the folder, refusing one that holds anything
    else."""
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file: give a folder to write to")
    if target.resolve() == root.resolve():
        raise UserError(f"{target} holds the originals: give another folder to write to")
    report, begun, done, found = target / REPORT, target / WORK / "identity.json", None, None
    if report.is_file():
        done = read_json(report)
        found = done.get("identity")
    elif begun.is_file():
        found = read_json(begun)
    if found == identity:
        whole = done is not None and all((target / name).is_file() for name in done["files"])
        return done if whole else None
    if target.exists() and any(path.name[0] != "." for path in target.iterdir()):
        raise UserError(
            f"{target} is not empty, and not a correction of these files by this version with "
            "these options: give an empty folder to write to, or delete this one"
        )
    if is_locked(target / WORK):
        raise RunBusyError(f"{target} is being written with other options: give another folder")
    shutil.rmtree(target / WORK, ignore_errors=True)  # begun with other files or options
    make_folder(target / WORK)
    write_json(begun, identity)
    return None


def _tasks(index: InstanceIndex, folder: Path, results: Path, look: bool) -> list[_Task]:
    """The pictures with usable masks, in the order of their ids."""
    make_folder(results)
    tasks = []
    for row, number in enumerate(index.image_ids.tolist()):
        found = index.instances(row)
        columns = (found.annotation_ids.tolist(), found.category_ids.tolist(), found.rles)
        rows = zip(*columns, found.crowd, strict=True)
        masks = [(n, k, mask) for n, k, mask, crowd in rows if not crowd]
        if masks:
            idmap = folder.absolute().parent / "idmap" / f"{index.paths[row].stem}.png"
            picture = index.paths[row] if look else None
            idmap = idmap if idmap.is_file() else None
            size, result = index.image_size(row), results / f"{number}.json"
            tasks.append(_Task(result, number, size, idmap, picture, masks))
    return tasks


def _work(
    tasks: Sequence[_Task], config: CorrectionConfig, name: str, jobs: int, progress: bool
) -> None:
    """Does all tasks that have no result yet."""
    left = [task for task in tasks if not task.result.is_file()]
    done = len(tasks) - len(left)
    one = functools.partial(_correct_one, config)
    with (
        tqdm(total=len(tasks), initial=done, desc=name, unit="image", disable=not progress) as bar,
        work_on(one, left, min(jobs, len(left))) as results,
    ):
        for _ in results:
            bar.update()


def _correct_one(config: CorrectionConfig, task: _Task) -> None:
    """Corrects one picture and writes [(id, mask) of what changed, report]."""
    new, report = correct_image(
        {number: rle.decode(mask) for number, _, mask in task.masks},
        {number: category for number, category, _ in task.masks},
        idmap=_read_rgb(task.idmap, task.size),
        picture=_read_rgb(task.picture, task.size),
        config=config,
    )
    changed = [(n, rle.encode(new[n])) for n in report.instances if n in new]
    write_json(task.result, [changed, asdict(report)])


def _read_rgb(path: Path | None, size: tuple[int, int]) -> np.ndarray | None:
    """(H, W, 3) uint8 of the size declared, or None."""
    return None if path is None else np.asarray(read_picture(path, size))


def _join(document: Mapping[str, Any], tasks: Sequence[_Task], target: Path) -> dict[str, Any]:
    """Writes the corrected file, annotations in their old order, and returns its report."""
    new, dropped, changed = {}, set(), Counter()
    images, overlaps = {}, []
    for task in tasks:
        masks, report = read_json(task.result)
        new |= dict(masks)
        dropped |= {n for _, n in report["duplicates"]} | set(report["vanished"])
        changed.update(report["changed"])
        overlaps += [pixels for *_, pixels in report["kept_overlaps"]]
        if any(report[key] for key in ("instances", "duplicates", "vanished", "kept_overlaps")):
            images[str(task.image_id)] = report
    annotations = document["annotations"]
    kept = [_with_mask(a, new.get(a["id"])) for a in annotations if a["id"] not in dropped]
    write_document(target, {**document, "annotations": kept})
    used = {number for task in tasks for number, *_ in task.masks}
    unused = [a["id"] for a in annotations if a["id"] not in used]
    return {
        "images": len(tasks),
        "annotations": len(annotations),
        "passed_on": {"total": len(unused), "first": unused[:SHOWN]},
        "dropped": len(annotations) - len(kept),
        "flagged": sum(len(report["review"]) for report in images.values()),
        "changed": dict(sorted(changed.items())),
        "overlaps": {"total": len(overlaps), "pixels": sum(overlaps)},
        "changed_images": images,
    }


def _with_mask(annotation: dict[str, Any], mask: Mapping[str, Any] | None) -> dict[str, Any]:
    """The annotation itself, or with another mask: uncompressed runs stay such, all else becomes
    compressed."""
    if mask is None:
        return annotation
    area, box = rle.measure(mask)
    old = annotation["segmentation"]
    if isinstance(old, Mapping) and not isinstance(old["counts"], str):
        mask = {"size": mask["size"], "counts": rle.runs(mask).tolist()}
    return annotation | {"segmentation": mask, "area": area, "bbox": list(box)}
