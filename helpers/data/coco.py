"""Read COCO-style annotation files, 3D-FUTURE's dialect among them, into a validated index.

3D-FUTURE differs from COCO in ways that break stock readers: categories without `name`, file names
without extension, no `iscrowd`, masks as uncompressed runs, a test file without categories, and
file names that repeat across splits (so annotation file and image folder always come as a pair).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from helpers.data.cache import Headers, headers_file, index_file, load_index, save_index
from helpers.data.errors import DataError, Findings
from helpers.data.index import InstanceIndex, pack_masks
from helpers.data.layouts import HOLDOUT
from helpers.data.locate import PICTURE_WARNINGS, Pictures, locate_pictures
from helpers.data.records import AnnotationRecord, ImageRecord, read_annotations, read_images
from helpers.data.taxonomy import (
    FUTURE3D,
    Category,
    LabelSpace,
    Taxonomy,
    is_placeholder,
    read_categories,
    require_same,
)

log = logging.getLogger(__name__)

Mode = Literal["train", "predict"]


def read_index(
    annotations: Path | str,
    images: Path | str | None = None,
    *,
    mode: Mode = "train",
    label_space: LabelSpace = "fine",
    check_images: bool = True,
    skip_bad_images: bool = False,
    taxonomy: Taxonomy | None = None,
    cache: bool = True,
) -> InstanceIndex:
    """Read and check one annotation file with its image folder.

    mode: "train" (and evaluation) wants categories and at least one usable annotation; "predict"
        takes a file of images alone, whose classes are `taxonomy` or else 3D-FUTURE's 34.
    images: the folder that `file_name` is relative to; by default the annotation file's own.
    check_images: find every picture and compare its size with the declared one (headers only).
    skip_bad_images: decode every picture and leave out those that can not be used, with a warning.
    taxonomy: classes the file must agree with (those of a trained model, or `FUTURE3D`).
    cache: keep what is read of a large file in outputs/cache/ and start from there next time; the
        pictures are checked nevertheless.

    Warnings are logged, one line a kind, and kept in `index.warnings`. Raises DataError that tells
    every error of the file: kind, ids, fields, the first ten places each, and the remedy.
    """
    findings = Findings(Path(annotations))
    pictures: Pictures | None = "header" if check_images else None
    index = build_index(
        findings,
        Path(images) if images is not None else None,
        mode=mode,
        label_space=label_space,
        pictures="skip" if skip_bad_images else pictures,
        taxonomy=taxonomy,
        cache=cache and not skip_bad_images,
    )
    for warning in index.warnings:
        log.warning("%s: %s", findings.file, warning.brief())
    return index


def build_index(
    findings: Findings,
    images: Path | None,
    *,
    mode: Mode,
    label_space: LabelSpace,
    pictures: Pictures | None,
    taxonomy: Taxonomy | None = None,
    cache: bool = False,
) -> InstanceIndex:
    """`read_index` with the caller's ledger, which holds all findings even when this raises."""
    folders = (images or findings.file.parent, findings.file.parent)
    kept = index_file(findings.file, mode, taxonomy) if cache else None
    headers = Headers(headers_file(kept, folders) if kept and pictures else None)
    index = load_index(kept) if kept else None
    if index is None:
        index = _read(findings, folders, mode, pictures, taxonomy, headers)
        if kept and kept == index_file(findings.file, mode, taxonomy):  # not changed meanwhile
            told = (w for w in index.warnings if w.kind not in PICTURE_WARNINGS)
            save_index(kept, replace(index, warnings=tuple(told)))
        return index.in_space(label_space)
    findings.include(index.warnings)
    paths = locate_pictures(_records(index), folders, pictures, findings, headers=headers)
    findings.raise_errors()
    index = replace(index, paths=tuple(paths.values()), warnings=findings.report())
    return index.in_space(label_space)


def _read(
    findings: Findings,
    folders: tuple[Path, ...],
    mode: Mode,
    pictures: Pictures | None,
    taxonomy: Taxonomy | None,
    headers: Headers,
) -> InstanceIndex:
    """The index of the file itself, in the fine label space."""
    document = read_document(findings.file, mode)
    categories, declared = _declared(document, findings, taxonomy)
    records = read_images(document["images"], findings)
    paths = locate_pictures(records, folders, pictures, findings, headers=headers)
    skipped = pictures == "skip"  # else a picture that is missing is an error, and reading goes on
    used = {n: record for n, record in records.items() if n in paths or not skipped}
    entries = document.get("annotations", [])
    rows = read_annotations(
        entries, used, {c.id for c in categories}, findings, image_ids=records.keys()
    )
    findings.raise_errors()
    if mode == "train" and not any(not row.crowd for row in rows):
        raise DataError(_nothing_usable(findings, len(entries)), findings.report())
    if not used:
        raise DataError(f"{findings.file}: no images to read ('images' has none that can be used).")
    index = _assemble(Taxonomy(categories), used, paths, rows, findings)
    return replace(index, declared=declared)


def _records(index: InstanceIndex) -> dict[int, ImageRecord]:
    columns = (index.image_ids, index.widths, index.heights)
    rows = zip(*(column.tolist() for column in columns), index.file_names, strict=True)
    return {row[0]: ImageRecord(*row) for row in rows}


def read_document(file: Path, mode: Mode = "train") -> dict[str, Any]:
    """The parsed annotation file with the lists its mode needs. DataError says what is missing."""
    document = read_json(file)
    if not isinstance(document, dict):
        raise DataError(
            f"{file}: a COCO file is an object with 'images' and 'annotations', found a "
            f"{type(document).__name__} at top level. Give the annotations, not a result file."
        )
    keys = ("images", "annotations", "categories") if mode == "train" else ("images",)
    for key in keys:
        if key not in document:
            found = ", ".join(sorted(map(str, document))[:10]) or "nothing"
            hint = "" if key == "images" else " To predict only, read it with mode='predict'."
            raise DataError(f"{file}: the key '{key}' is missing; found {found}.{hint}")
    for key in ("images", "annotations"):
        if not isinstance(document.get(key, []), list):
            kind = type(document[key]).__name__
            raise DataError(f"{file}: '{key}' must be a list, found {kind}. Export it as COCO.")
    return document


def read_json(file: Path) -> Any:
    """Any JSON file. DataError when it is missing, cut short, or not JSON."""
    try:
        raw = file.read_bytes()
        text = raw.decode(json.detect_encoding(raw))
        del raw  # hundreds of megabytes for a large data set
        return json.loads(text, object_hook=_compact)
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "Give the path of an annotation file"
        if file.parent.name == HOLDOUT:
            remedy = f"Make it with `python -m helpers split {file.parent.parent}`"
        raise DataError(f"{file}: {reason}. {remedy}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{file}: not a JSON file, or cut short ({error}). Download or export it again."
        ) from error


def _compact(entry: dict[str, Any]) -> dict[str, Any]:
    """Uncompressed runs become an array right away: as numbers of Python they take gigabytes."""
    counts = entry.get("counts")
    if isinstance(counts, list) and counts:
        try:
            array = np.array(counts)
        except (ValueError, OverflowError):
            return entry
        if array.ndim == 1 and array.dtype == np.int64 and np.abs(array).max() < 2**31:
            entry["counts"] = array.astype(np.int32)
    return entry


def _declared(
    document: Mapping[str, Any], findings: Findings, demanded: Taxonomy | None
) -> tuple[tuple[Category, ...], tuple[int, ...]]:
    """The file's categories, or those demanded, or 3D-FUTURE's for a file that has none; and the
    ids in the order of the file."""
    if "categories" not in document:
        return (demanded or FUTURE3D).categories, ()
    declared = read_categories(document["categories"], findings)
    used = {e.get("category_id") for e in document.get("annotations", []) if _has_category(e)}
    for category in declared:
        others = [other for other in declared if other is not category]
        if category.id not in used and is_placeholder(category, others):
            findings.add("category-placeholder", f"category 0 {category.name!r}")
            declared = tuple(others)
    order = tuple(category.id for category in declared)
    if demanded is None:
        return declared, order
    require_same(declared, demanded, findings)
    return demanded.categories, order


def _has_category(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("category_id"), int)


def _nothing_usable(findings: Findings, annotations: int) -> str:
    boxes_only = annotations and findings.total("mask-missing") == annotations
    reason = (
        "this file has boxes only, no masks. Export it with segmentation"
        if boxes_only
        else f"none of its {annotations} annotations can be trained on. Check what was exported"
    )
    return f"{findings.file}: field segmentation: {reason}."


def _assemble(
    taxonomy: Taxonomy,
    images: Mapping[int, ImageRecord],
    paths: Mapping[int, Path],
    annotations: Sequence[AnnotationRecord],
    findings: Findings,
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
        paths=tuple(paths[p.id] for p in pictures),
        annotation_ids=np.array([a.id for a in rows], dtype=np.int64),
        image_rows=np.array([row_of[a.image_id] for a in rows], dtype=np.int64),
        category_ids=np.array([a.category_id for a in rows], dtype=np.int64),
        crowd=np.array([a.crowd for a in rows], dtype=bool),
        areas=np.array([a.area for a in rows], dtype=np.int64),
        boxes=np.array([a.box for a in rows], dtype=np.float64).reshape(-1, 4),
        mask_bytes=blob,
        mask_ends=ends,
        warnings=findings.report(),
    )
