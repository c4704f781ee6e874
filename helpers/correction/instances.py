"""Correction of the masks of one picture: to label maps, which are corrected, and back.

Masks may overlap, a label map may not. Where masks overlap on purpose, as a drawer and its desk or
amodal masks do, they are put on label maps of their own, so that each stays whole. What else is
claimed twice goes to the smaller mask, which is likely the one in front.

N masks of H x W pixels, each named by the id of its annotation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from helpers.correction.colours import regions_of
from helpers.correction.correct import (
    CAUSES,
    REFERENCE_AREA,
    Correction,
    CorrectionConfig,
    correct_labels,
)

DUPLICATE_IOU = 0.9
BLENDED_SHARE = 1e-3  # an id-map with fewer blended pixels was not anti-aliased
THINNEST = 5  # px: in small pictures, too, an overlap on purpose is at least so wide
ALL_CAUSES = (*CAUSES, "id-map", "overlap")  # another label in the id-map; lost to a smaller mask
ID_MAP, OVERLAP = len(CAUSES) + 1, len(CAUSES) + 2

Masks = Mapping[int, np.ndarray]  # annotation id -> (H, W) bool, not empty


@dataclass(frozen=True)
class ImageReport:
    """What was done to the masks of one picture; ids are those of annotations.

    changed: pixels that belong to other masks than before, by cause. Each counts once, or once on
    each label map where masks overlap on purpose; those of dropped duplicates do not count.
    """

    changed: dict[str, int]
    source: str  # "masks", "id-map", or "blended id-map"
    instances: dict[int, int]  # id -> changed pixels, of those that changed
    kept_overlaps: list[tuple[int, int, int]]  # on purpose: id, id of the smaller, pixels of both
    duplicates: list[tuple[int, int]] = field(default_factory=list)  # id kept, id dropped
    vanished: list[int] = field(default_factory=list)  # dropped: hardly a pixel was left
    review: dict[int, float] = field(default_factory=dict)  # id -> changed share, when large

    @property
    def dropped(self) -> set[int]:
        return {later for _, later in self.duplicates} | set(self.vanished)


def correct_image(
    masks: Masks,
    categories: Mapping[int, int],
    *,
    idmap: np.ndarray | None = None,
    picture: np.ndarray | None = None,
    config: CorrectionConfig | None = None,
) -> tuple[dict[int, np.ndarray], ImageReport]:
    """The corrected masks of one picture without those that are dropped, and a report.

    categories: of each id. idmap: its (H, W, 3) uint8 colour id-map, if there is one; it is used
    when every mask is found in it and none overlap on purpose. picture: the (H, W, 3) uint8 picture
    itself, if it is to be looked at.
    """
    config = config or CorrectionConfig()
    area = {n: int(mask.sum()) for n, mask in masks.items()}
    shared = _shared_pixels(masks)
    duplicates = _duplicates(categories, area, shared)
    gone = {later for _, later in duplicates}
    old = {n: mask for n, mask in masks.items() if n not in gone}
    meant = [] if config.resolve_overlaps else _meant_overlaps(old, area, shared, config)
    layers = _layers(list(old), meant)
    new: dict[int, np.ndarray] = {}
    changed, source = Counter(), "masks"
    for ids in layers:
        colours = idmap if len(layers) == 1 else None
        labels, causes, source = _correct([old[n] for n in ids], colours, picture, config)
        changed.update(causes)
        new |= {n: labels == label for label, n in enumerate(ids, start=1)}
    pixels = {n: int((new[n] ^ old[n]).sum()) for n in old}
    review = {n: round(pixels[n] / area[n], 4) for n in old if pixels[n] > config.review * area[n]}
    least = config.vanished * labels.size / REFERENCE_AREA
    after = {n: int(new[n].sum()) for n in old}
    report = ImageReport(
        changed=dict(changed),
        source=source,
        instances={n: count for n, count in pixels.items() if count},
        kept_overlaps=meant,
        duplicates=duplicates,
        vanished=[n for n in old if after[n] == 0 or after[n] < least <= area[n]],
        review=review,
    )
    return {n: new[n] for n in old if n not in report.dropped}, report


def _correct(
    masks: Sequence[np.ndarray],
    idmap: np.ndarray | None,
    picture: np.ndarray | None,
    config: CorrectionConfig,
) -> tuple[np.ndarray, dict[str, int], str]:
    """The corrected map with labels 1.. in the order of the masks, how many pixels belong to other
    masks than before, by cause, and where the labels are from."""
    painted, twice = paint_instances(masks)
    found = None if idmap is None else regions_of(idmap, masks)
    correction, source = _correct_map(painted, found, picture, config)
    labels = np.clip(correction.labels, 0, None)  # what is in no mask is background
    causes = np.where(correction.causes > 0, correction.causes, ID_MAP)
    causes[labels == painted] = 0
    causes[(causes == 0) & twice] = OVERLAP
    counts = np.bincount(causes.ravel(), minlength=OVERLAP + 1)
    return labels, {ALL_CAUSES[n - 1]: int(counts[n]) for n in np.flatnonzero(counts) if n}, source


def _correct_map(
    painted: np.ndarray,
    found: tuple[np.ndarray, int] | None,
    picture: np.ndarray | None,
    config: CorrectionConfig,
) -> tuple[Correction, str]:
    if found is None:
        return correct_labels(painted, config, picture=picture), "masks"
    regions, blended = found
    if blended < BLENDED_SHARE * regions.size:
        return correct_labels(regions, config, picture=picture), "id-map"
    careful = replace(config, speck_max=config.speck_min, smooth_border=False)
    return correct_labels(regions, careful), "blended id-map"


def paint_instances(masks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) int32 map with n + 1 where mask n is, smaller ones on top; bool: claimed twice."""
    labels, claims = np.zeros(masks[0].shape, np.int32), np.zeros(masks[0].shape, np.int16)
    for n in sorted(range(len(masks)), key=lambda n: (-int(masks[n].sum()), n)):
        labels[masks[n]] = n + 1
        claims += masks[n]
    return labels, claims > 1


# Overlaps.

Shared = dict[tuple[int, int], int]  # ids of two masks -> pixels of both, in order of the later one


def _shared_pixels(masks: Masks) -> Shared:
    """The pairs of masks that overlap."""
    claimed = np.sum(list(masks.values()), axis=0, dtype=np.int16) > 1
    inside = np.stack([mask[claimed] for mask in masks.values()]).astype(np.float32)
    pixels, ids = np.tril(inside @ inside.T, -1), list(masks)
    return {(ids[first], ids[n]): int(pixels[n, first]) for n, first in np.argwhere(pixels)}


def _duplicates(
    categories: Mapping[int, int], area: Mapping[int, int], shared: Shared
) -> list[tuple[int, int]]:
    """(id kept, id dropped) of masks of one category that are nearly the same."""
    dropped: dict[int, int] = {}
    for (first, later), pixels in shared.items():
        alike = pixels >= DUPLICATE_IOU * (area[first] + area[later] - pixels)
        if alike and categories[first] == categories[later] and first not in dropped:
            dropped.setdefault(later, first)
    return [(first, later) for later, first in dropped.items()]


def _meant_overlaps(
    masks: Masks, area: Mapping[int, int], shared: Shared, config: CorrectionConfig
) -> list[tuple[int, int, int]]:
    """(id, id of the smaller mask, pixels of both) where masks overlap on purpose."""
    found = []
    for pair, pixels in shared.items():
        if pair[0] in masks and pair[1] in masks:
            large, small = sorted(pair, key=lambda n: -area[n])
            both = masks[large] & masks[small]
            width = max(THINNEST, config.overlap_width * (both.size / REFERENCE_AREA) ** 0.5)
            wide = pixels >= width**2 and _widest(both) >= width
            if wide or pixels >= config.overlap_share * area[small]:
                found.append((large, small, pixels))
    return found


def _widest(mask: np.ndarray) -> int:
    """Side in pixels of the largest square of odd side inside the mask."""
    return 2 * int(ndimage.distance_transform_cdt(np.pad(mask, 1)).max()) - 1


def _layers(ids: Sequence[int], meant: Sequence[tuple[int, int, int]]) -> list[list[int]]:
    """The ids in as few groups as come by, none with two masks that overlap on purpose."""
    apart = {(a, b) for large, small, _ in meant for a, b in ((large, small), (small, large))}
    layers: list[list[int]] = []
    for n in ids:
        free = (layer for layer in layers if not any((n, other) in apart for other in layer))
        layer = next(free, None)
        if layer is None:
            layers.append([n])
        else:
            layer.append(n)
    return layers
