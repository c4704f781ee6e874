"""From COCO dicts to arrays, and from them to precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from helpers.evaluation.matching import Curves, Detected, Truths, precision_recall
from helpers.evaluation.overlaps import Keys, Overlaps, box_overlaps, mask_overlaps
from helpers.masks.packed import normalised

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
    found: Rows,
    kinds: Sequence[Kind],
    *,
    ranges: Sequence[tuple[float, float]],
    limits: Sequence[int],
    ignore_crowds: bool,
) -> dict[Kind, Curves]:
    """Precision and recall for each kind of overlap, classes sorted by id.

    coco: plain ground truth; found: as `check_results` gives them. ranges: areas in pixels; limits:
    detections an image and class, rising; ignore_crowds: else crowd regions count like all others.
    """
    return {
        kind: precision_recall(
            one.found,
            one.true,
            one.overlaps,
            kinds=len(coco["categories"]),
            ranges=ranges,
            limits=limits,
        )
        for kind, one in compare(coco, found, kinds, ignore_crowds=ignore_crowds).items()
    }


def compare(
    coco: Mapping[str, Any], found: Rows, kinds: Sequence[Kind], *, ignore_crowds: bool
) -> dict[Kind, Compared]:
    """Each kind of overlap measured; images and classes are numbered in the order of their ids.

    Arguments as for `make_curves`.
    """
    classes = sorted(category["id"] for category in coco["categories"])
    images = sorted(image["id"] for image in coco["images"])
    known_images, known_classes = set(images), set(classes)
    annotations = [
        annotation
        for annotation in coco["annotations"]
        if annotation["image_id"] in known_images and annotation["category_id"] in known_classes
    ]
    true_key, order = _keys(annotations, images, classes)
    found_key, _ = _keys(found, images, classes)
    annotations = [annotations[n] for n in order.tolist()]
    crowd = [bool(ignore_crowds and a.get("iscrowd", 0)) for a in annotations]
    keys = Keys(found_key, true_key[order], np.array(crowd, dtype=bool))
    true = Truths(*np.divmod(keys.true, len(classes)), keys.crowd, _column(annotations, "area"))
    compared = {}
    for kind in kinds:
        overlaps, areas = _overlaps(kind, keys, found, annotations)
        rank = np.arange(len(found)) - np.searchsorted(keys.found, keys.found)
        image, label = np.divmod(keys.found, len(classes))
        detected = Detected(image, label, rank, _column(found, "score"), areas)
        compared[kind] = Compared(detected, true, overlaps)
    return compared


def _overlaps(
    kind: Kind,
    keys: Keys,
    found: Rows,
    annotations: Rows,
) -> tuple[Overlaps, NDArray[np.float64]]:
    """Overlaps of one kind, and the detections' areas as that kind sees them."""
    if kind == "bbox":
        boxes = [_column(rows, "bbox").reshape(-1, 4) for rows in (found, annotations)]
        return box_overlaps(keys, *boxes), boxes[0][:, 2] * boxes[0][:, 3]
    masks = [result["segmentation"] for result in found]
    truths = normalised([annotation["segmentation"] for annotation in annotations])
    overlaps = mask_overlaps(keys, masks, truths, boundary=kind == "boundary")
    return overlaps, _column(found, "area")


def _keys(
    rows: Rows, images: Sequence[int], classes: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Image and class as one number that sorts by both, and a stable order by it."""
    image = np.searchsorted(images, _column(rows, "image_id"))
    key = image * len(classes) + np.searchsorted(classes, _column(rows, "category_id"))
    return key, np.argsort(key, kind="stable")


def _column(rows: Rows, name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows], dtype=np.float64)
