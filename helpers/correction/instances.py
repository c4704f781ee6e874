"""Correction of the annotations of one picture: masks to one label map, correct it, and back.

COCO masks may overlap; a label map may not. A pixel claimed twice goes to the smaller instance,
which is likely the one in front. Ids, order and all other fields of the annotations are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from helpers.correction.colours import decode_colours, exact_palette
from helpers.correction.correct import REFERENCE_AREA, Correction, CorrectionConfig, correct_labels
from helpers.data import rle
from helpers.files import UserError

DUPLICATE_IOU = 0.9
BLENDED_SHARE = 1e-3  # an id-map with fewer blended pixels was not anti-aliased
SAME_IOU = 0.5  # an id-map's region and an annotation's mask are the same object from this on

Annotation = Mapping[str, Any]


@dataclass(frozen=True)
class ImageReport:
    """What was done to the annotations of one picture; ids are those of annotations."""

    changed: dict[str, int]  # pixels of the label map by cause
    source: str  # "masks", "id-map", or "blended id-map"
    passes: int
    settled: bool
    overlap: int  # pixels that more than one mask claimed
    instances: dict[int, int]  # id -> changed pixels, of those that changed
    duplicates: list[tuple[int, int]] = field(default_factory=list)  # id kept, id dropped
    vanished: list[int] = field(default_factory=list)  # dropped: hardly a pixel was left
    review: dict[int, float] = field(default_factory=dict)  # id -> changed share, when large

    @property
    def dropped(self) -> set[int]:
        return {later for _, later in self.duplicates} | set(self.vanished)


def correct_image(
    annotations: Sequence[Annotation],
    size: tuple[int, int],
    *,
    idmap: np.ndarray | None = None,
    picture: np.ndarray | None = None,
    config: CorrectionConfig | None = None,
) -> tuple[list[dict[str, Any]], ImageReport]:
    """Corrected copies of the annotations of one picture of `size` (height, width), and a report.

    idmap: its (H, W, 3) uint8 colour id-map, if there is one; it is used when every mask is found
    in it. picture: the (H, W, 3) uint8 picture itself, if it is to be looked at. Masks keep their
    kind of encoding (polygons become RLE), `area` and `bbox` are those of the new mask. Crowd
    regions pass unchanged. Raises `UserError` naming the annotation whose mask can not be read.
    """
    config = config or CorrectionConfig()
    objects = [a for a in annotations if not a.get("iscrowd")]
    masks = [_read_mask(a, size) for a in objects]
    duplicates = _duplicates(objects, masks)
    gone = {later for _, later in duplicates}
    kept = [n for n, a in enumerate(objects) if a["id"] not in gone and masks[n].any()]
    labels, overlap = paint_instances([masks[n] for n in kept], size)
    correction, source = _correct(labels, [masks[n] for n in kept], idmap, picture, config)
    new = {objects[n]["id"]: correction.labels == label for label, n in enumerate(kept, start=1)}
    old = {objects[n]["id"]: masks[n] for n in kept}
    report = ImageReport(
        changed=correction.changed,
        source=source,
        passes=correction.passes,
        settled=correction.settled,
        overlap=overlap,
        instances={k: int((new[k] ^ old[k]).sum()) for k in old if (new[k] ^ old[k]).any()},
        duplicates=duplicates,
        vanished=_vanished(old, new, config.vanished * size[0] * size[1] / REFERENCE_AREA),
    )
    shares = {k: pixels / int(old[k].sum()) for k, pixels in report.instances.items()}
    review = {k: round(share, 4) for k, share in shares.items() if share > config.review}
    result = [
        _with_mask(a, new[a["id"]]) if a["id"] in new else dict(a)
        for a in annotations
        if a["id"] not in report.dropped
    ]
    return result, replace(report, review=review)


def paint_instances(masks: Sequence[np.ndarray], size: tuple[int, int]) -> tuple[np.ndarray, int]:
    """(H, W) int32 map with n + 1 where mask n is, smaller ones on top; pixels claimed twice."""
    labels, claims = np.zeros(size, np.int32), np.zeros(size, np.int16)
    for n in sorted(range(len(masks)), key=lambda n: (-int(masks[n].sum()), n)):
        labels[masks[n]] = n + 1
        claims += masks[n]
    return labels, int((claims > 1).sum())


def _correct(
    labels: np.ndarray,
    masks: Sequence[np.ndarray],
    idmap: np.ndarray | None,
    picture: np.ndarray | None,
    config: CorrectionConfig,
) -> tuple[Correction, str]:
    """The corrected map with labels 1.. in the order of the masks, and where it is from."""
    decoded = None if idmap is None else _from_colours(idmap, masks)
    if decoded is None:
        return correct_labels(labels, config, picture=picture), "masks"
    regions, blended = decoded
    if blended < BLENDED_SHARE * labels.size:
        return correct_labels(regions, config, picture=picture), "id-map"
    careful = replace(config, speck_max=config.speck_min, smooth_border=False)
    correction = correct_labels(regions, careful)
    changed = correction.changed | {"blend": int((np.clip(regions, 0, None) != labels).sum())}
    return replace(correction, changed=changed), "blended id-map"


def _from_colours(idmap: np.ndarray, masks: Sequence[np.ndarray]) -> tuple[np.ndarray, int] | None:
    """The id-map as labels 1.. of the masks, others negative, the most common of these 0; and the
    number of blended pixels. None when some mask is not found in it, or two in one region."""
    palette = exact_palette(idmap, masks)
    rows, blends = decode_colours(idmap, palette)
    lookup = -1 - np.arange(len(palette))
    for n, mask in enumerate(masks, start=1):
        row = int(np.bincount(rows[mask]).argmax())
        region = rows == row
        if lookup[row] > 0 or (region & mask).sum() < SAME_IOU * (region | mask).sum():
            return None
        lookup[row] = n
    area = np.bincount(rows.ravel(), minlength=len(palette))
    other = np.where(lookup < 0, area, -1).argmax()
    if lookup[other] < 0:
        lookup[other] = 0
    return lookup[rows].astype(np.int32), blends


def _read_mask(annotation: Annotation, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool from polygons or any RLE."""
    segmentation = annotation.get("segmentation")
    try:
        if isinstance(segmentation, list):
            segmentation = rle.from_polygons(segmentation, size)
        mask = rle.decode(segmentation)
        if mask.shape != tuple(size):
            raise UserError(f"the mask is {mask.shape} pixels, the picture {tuple(size)}")
    except UserError as error:
        raise UserError(f"annotation {annotation['id']}: {error}") from None
    return mask


def _duplicates(
    objects: Sequence[Annotation], masks: Sequence[np.ndarray]
) -> list[tuple[int, int]]:
    """(id kept, id dropped) of instances of one category with nearly the same mask."""
    area = [int(mask.sum()) for mask in masks]
    found: dict[int, int] = {}
    for later in range(len(objects)):
        for first in range(later):
            if (
                objects[first]["category_id"] == objects[later]["category_id"]
                and first not in found
                and min(area[first], area[later]) >= DUPLICATE_IOU * max(area[first], area[later])
                and _iou(masks[first], masks[later]) >= DUPLICATE_IOU
            ):
                found[later] = first
                break
    return [(objects[first]["id"], objects[later]["id"]) for later, first in found.items()]


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def _vanished(
    old: Mapping[int, np.ndarray], new: Mapping[int, np.ndarray], least: float
) -> list[int]:
    """Ids of instances that fell below `least` pixels, or to nothing."""
    areas = {k: (int(old[k].sum()), int(new[k].sum())) for k in old}
    return [k for k, (before, after) in areas.items() if after == 0 or after < least <= before]


def _with_mask(annotation: Annotation, mask: np.ndarray) -> dict[str, Any]:
    """The annotation with another mask, in the same kind of RLE."""
    packed: dict[str, Any] = rle.encode(mask)
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, Mapping) and isinstance(segmentation["counts"], list):
        packed = {"size": packed["size"], "counts": rle.runs(packed).tolist()}
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = [0, 0, 0, 0]
    if len(rows):
        x, y = int(columns[0]), int(rows[0])
        box = [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y]
    return dict(annotation) | {"segmentation": packed, "area": int(mask.sum()), "bbox": box}
