"""From COCO dicts to arrays, and from them to precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from helpers.evaluation.matching import Curves, Detected, Truths, precision_recall
from helpers.evaluation.overlaps import (
    Keys,
    Overlaps,
    boundary_overlaps,
    box_overlaps,
    mask_overlaps,
)
from helpers.evaluation.results import CheckedResults, Known
from helpers.inference.packed import PackedMasks

Kind = Literal["segm", "boundary", "bbox"]
KINDS: tuple[Kind, ...] = ("segm", "boundary", "bbox")
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Compared:
    """Detections and truths of all images with their overlaps of one kind: all that scores need."""

    found: Detected
    true: Truths
    overlaps: Overlaps


def make_curves(
    coco: Mapping[str, Any],
    found: CheckedResults,
    kinds: Sequence[Kind],
    *,
    ranges: Sequence[tuple[float, float]],
    limits: Sequence[int],
    ignore_crowds: bool,
) -> dict[Kind, Curves]:
    """Precision and recall for each kind of overlap, classes sorted by id.

    coco: plain ground truth; ranges: areas in pixels; limits:
    detections an image and class, rising; ignore_crowds: else crowd regions count like all others.
    """
    return {
        kind: precision_recall(
            one.found,
            one.true,
            one.overlaps,
            kinds=len(found.known.categories),
            ranges=ranges,
            limits=limits,
        )
        for kind, one in compare(coco, found, kinds, ignore_crowds=ignore_crowds).items()
    }


def compare(
    coco: Mapping[str, Any],
    found: CheckedResults,
    kinds: Sequence[Kind],
    *,
    ignore_crowds: bool,
) -> dict[Kind, Compared]:
    """Each kind of overlap measured; images and classes are numbered as in `found.known`.

    Arguments as for `make_curves`.
    """
    annotations, true_key = _sorted_truths(coco["annotations"], found.known)
    crowd = [bool(ignore_crowds and a.get("iscrowd", 0)) for a in annotations]
    keys = Keys(found.key, true_key, np.array(crowd, dtype=bool))
    numbers = np.divmod(keys.true, len(found.known.categories))
    true = Truths(*numbers, keys.crowd, _column(annotations, "area"))
    rank = np.arange(len(found)) - np.searchsorted(keys.found, keys.found)
    overlaps = _overlaps(kinds, keys, found, annotations)
    compared = {}
    for kind in kinds:
        areas = found.boxes[:, 2] * found.boxes[:, 3] if kind == "bbox" else found.masks.areas
        detected = Detected(found.image, found.kind, rank, found.score, areas)
        compared[kind] = Compared(detected, true, overlaps[kind])
    return compared


def _overlaps(
    kinds: Sequence[Kind], keys: Keys, found: CheckedResults, annotations: Rows
) -> dict[Kind, Overlaps]:
    overlaps: dict[Kind, Overlaps] = {}
    if "bbox" in kinds:
        boxes = _column(annotations, "bbox").reshape(-1, 4)
        overlaps["bbox"] = box_overlaps(keys, found.boxes, boxes)
    if set(kinds) != {"bbox"}:
        masks = PackedMasks.read([annotation["segmentation"] for annotation in annotations])
        overlaps["segm"] = mask_overlaps(keys, found.masks, masks)
        if "boundary" in kinds:
            overlaps["boundary"] = boundary_overlaps(keys, found.masks, masks, overlaps["segm"])
    return overlaps


def _sorted_truths(annotations: Rows, known: Known) -> tuple[Rows, NDArray[np.int64]]:
    """Those of known image and category by both, else in their order, and their keys."""
    images = [known.images.get(annotation["image_id"], -1) for annotation in annotations]
    kinds = [known.categories.get(annotation["category_id"], -1) for annotation in annotations]
    image, kind = (np.array(numbers, dtype=np.int64) for numbers in (images, kinds))
    key = np.where((image < 0) | (kind < 0), -1, image * len(known.categories) + kind)
    order = np.argsort(key, kind="stable")
    order = order[key[order] >= 0]
    return [annotations[n] for n in order.tolist()], key[order]


def _column(rows: Rows, name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows], dtype=np.float64)
