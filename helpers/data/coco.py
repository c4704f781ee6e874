"""Read COCO-style annotation files, 3D-FUTURE's dialect among them, into a validated index.

3D-FUTURE differs from COCO in ways that break stock readers: categories without `name`, file names
without extension, no `iscrowd`, masks as uncompressed runs, a test file without categories, and
file names that repeat across splits (so annotation file and image folder always come as a pair).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from helpers.data.annotations import AnnotationRecord, ImageRecord, read_annotations, read_images
from helpers.data.errors import DataError, Findings
from helpers.data.formats import advice
from helpers.data.index import InstanceIndex, pack_masks
from helpers.data.layouts import HOLDOUT, picture_folder
from helpers.data.locate import Pictures, locate_pictures
from helpers.data.taxonomy import FUTURE3D, LabelSpace, Taxonomy, read_categories, require_same
from helpers.files import existing, make_folder, outputs_dir, replace_file

log = logging.getLogger(__name__)

Mode = Literal["train", "predict"]


def read_index(
    annotations: Path | str,
    images: Path | str | None = None,
    *,
    mode: Mode | None = "train",
    label_space: LabelSpace = "fine",
    check_images: bool = True,
    decode_images: bool = False,
    skip_bad_images: bool = False,
    taxonomy: Taxonomy | None = None,
    findings: Findings | None = None,
) -> InstanceIndex:
    """Read and check one annotation file with its image folder.

    mode: "train" (and evaluation) wants categories and at least one usable annotation; "predict"
        takes a file of images alone, whose classes are `taxonomy` or else 3D-FUTURE's 34; None
        decides by what the file has.
    images: the folder that `file_name` is relative to; by default that of a known layout, or the
        annotation file's own.
    check_images: find every picture and compare its size with the declared one, by its header.
    decode_images: look at all of each picture, as `pictures.check_pictures` does.
    skip_bad_images: the same, and leave out those that cannot be used, with a warning.
    taxonomy: classes the file must agree with (those of a trained model, or `FUTURE3D`).
    findings: the caller's ledger, which holds all findings even when this raises; by default
        warnings are logged, one line a kind.

    Warnings are kept in `index.warnings`. Raises DataError that lists every error of the file:
    kind, ids, fields, the first ten places each, and the remedy.
    """
    file, silent = existing(annotations), findings is not None
    findings = findings or Findings(file)
    index = _read(read_json(file), findings, mode, taxonomy)
    pictures: Pictures | None = "header" if check_images else None
    pictures = "skip" if skip_bad_images else "decode" if decode_images else pictures
    folders = (existing(images) if images is not None else picture_folder(file), file.parent)
    index = locate_pictures(index, folders, pictures, findings)
    findings.raise_errors()
    if not len(index):
        raise DataError(f"{file}: no images to read ('images' has none that can be used).")
    index = replace(index, warnings=findings.report())
    for warning in () if silent else index.warnings:
        log.warning("%s: %s", file, warning.brief())
    return index.in_space(label_space)


def read_document(file: Path, mode: Mode | None = "train") -> dict[str, Any]:
    """The parsed annotation file with the lists its mode needs. DataError says what is missing."""
    return _checked(read_json(file), file, mode)


def read_json(file: Path) -> Any:
    """Any JSON file. DataError when it is missing, cut short, or not JSON."""
    try:
        return json.loads(file.read_bytes(), object_hook=_compact)
    except OSError as error:
        remedy = advice(file) or "Give the path of an annotation file."
        if file.parent.name == HOLDOUT:
            remedy = f"Make it with `python -m helpers split {file.parent.parent}`."
        elif outputs_dir() / "scenes" in file.parents:
            remedy = (
                "Make the generated scenes with `python -m helpers scenes make`; of your own data "
                "give all four: --annotations, --images, --val-annotations, --val-images."
            )
        raise DataError(f"{file}: {error.strerror or error}. {remedy}") from error
    except (ValueError, RecursionError) as error:
        remedy = advice(file) or "Download or export it again."
        message = f"{file}: not a JSON file, or cut short ({error}). {remedy}"
        raise DataError(message) from error


def write_document(file: Path, document: Mapping[str, Any]) -> None:
    """Write what `read_json` gave, changed or not, into a folder that is made if need be."""
    text = json.dumps(document, ensure_ascii=False, default=np.ndarray.tolist)  # see `_compact`
    make_folder(file.parent)
    replace_file(file, lambda out: out.write(text.encode()))


def _compact(entry: dict[str, Any]) -> dict[str, Any]:
    """Ids written as text, as VIA does, become numbers, and uncompressed runs an array right away:
    as numbers of Python they take gigabytes."""
    for key in ("id", "image_id", "category_id"):
        text = entry.get(key)
        if isinstance(text, str) and text.isdecimal() and len(text) < 19:
            entry[key] = int(text)
    counts = entry.get("counts")
    if isinstance(counts, list) and counts:
        try:
            array = np.array(counts)
        except (ValueError, OverflowError):
            return entry
        if array.ndim == 1 and array.dtype == np.int64 and np.abs(array).max() < 2**31:
            entry["counts"] = array.astype(np.int32)
    return entry


def _checked(document: Any, file: Path, mode: Mode | None) -> dict[str, Any]:
    if not isinstance(document, dict):
        remedy = advice(file) or "Give the annotations, not a result file."
        raise DataError(
            f"{file}: a COCO file is an object with 'images' and 'annotations', found a "
            f"{type(document).__name__} at top level. {remedy}"
        )
    for key in ("images", "annotations", "categories") if mode == "train" else ("images",):
        if key not in document:
            found = ", ".join(sorted(map(str, document))[:10]) or "nothing"
            hint = advice(file) or "To predict only, `check --predict`, or mode='predict', does."
            raise DataError(f"{file}: the key '{key}' is missing; found {found}. {hint}")
    for key in ("images", "annotations", "categories"):
        if not isinstance(document.get(key, []), list):
            kind = type(document[key]).__name__
            raise DataError(f"{file}: '{key}' must be a list, found {kind}. Export it as COCO.")
    return document


def _read(
    document: Any, findings: Findings, mode: Mode | None, taxonomy: Taxonomy | None
) -> InstanceIndex:
    """What of the file can be used, in the fine label space, without the paths of pictures."""
    has = document if isinstance(document, dict) else {}
    bare = "annotations" not in has or not (has["annotations"] or "categories" in has)
    mode = mode or ("predict" if bare else "train")
    document = _checked(document, findings.file, mode)
    demanded, found = taxonomy or FUTURE3D, ()
    if "categories" in document:
        found = read_categories(document, findings)
        if taxonomy is None:
            demanded = Taxonomy(found)
        require_same(found, demanded, findings)
    demanded = demanded.in_space("fine")
    images, image_ids = read_images(document["images"], findings)
    names = {category.id: category.name for category in (*found, *demanded.categories)}
    declared = tuple(category.id for category in found)
    entries = document.get("annotations", [])
    rows = read_annotations(entries, images, image_ids, names, findings)
    if mode == "train" and all(row.crowd for row in rows) and not findings.errors():
        reason = (
            f"none of its {len(entries)} annotations has a usable mask. A file with boxes only has "
            "to be exported with segmentation"
            if entries
            else "it has no annotations. To predict only, `check --predict` or mode='predict' does"
        )
        if rows:
            reason = (
                f"iscrowd is 1 in all {len(rows)} usable annotations: regions to ignore. CVAT "
                "exports masks drawn by brush so: set iscrowd to 0 where they are single objects "
                f"(for all: sed -E 's/(\"iscrowd\": *)1/\\10/g' '{findings.file}' > corrected.json)"
            )
        raise DataError(f"{findings.file}: {reason}.", findings.report())
    return _assemble(demanded, declared, images, rows)


def _assemble(
    taxonomy: Taxonomy,
    declared: tuple[int, ...],
    images: Mapping[int, ImageRecord],
    annotations: list[AnnotationRecord],
) -> InstanceIndex:
    pictures = [images[number] for number in sorted(images)]
    row_of = {picture.id: row for row, picture in enumerate(pictures)}
    rows = sorted(annotations, key=lambda a: (a.image_id, a.id))
    blob, ends = pack_masks([a.rle["counts"] for a in rows])
    return InstanceIndex(
        taxonomy=taxonomy,
        image_ids=np.array([p.id for p in pictures], dtype=np.int64),
        widths=np.array([p.width for p in pictures], dtype=np.int64),
        heights=np.array([p.height for p in pictures], dtype=np.int64),
        file_names=tuple(p.file_name for p in pictures),
        paths=(),
        annotation_ids=np.array([a.id for a in rows], dtype=np.int64),
        image_rows=np.array([row_of[a.image_id] for a in rows], dtype=np.int64),
        category_ids=np.array([a.category_id for a in rows], dtype=np.int64),
        crowd=np.array([a.crowd for a in rows], dtype=bool),
        areas=np.array([a.area for a in rows], dtype=np.int64),
        boxes=np.array([a.box for a in rows], dtype=np.float64).reshape(-1, 4),
        mask_bytes=blob,
        mask_ends=ends,
        declared=declared,
    )
