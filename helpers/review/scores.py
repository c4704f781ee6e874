"""What a review is sorted by: how noisy a mask looks, how far sources disagree, what it costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from helpers.correction.components import support
from helpers.data import rle as rles
from helpers.review.sources import Item, Mask

SMALL_PIECE = 16  # px; smaller islands and holes count as noise
THRESHOLDS = np.arange(0.5, 0.96, 0.05)  # mask IoU, those of COCO's AP


def defect_score(mask: Mask) -> float:
    """How noisy a mask looks by itself: noisy pixels per pixel of its outline, 0 for a clean one.

    Noisy are single bumps and notches (pixels with at most one direct neighbour of their own kind)
    and all pixels of islands and holes of fewer than 16. The outline is the mask's pixels with a
    direct neighbour outside.
    """
    if not mask.area:
        return 0.0
    plane = np.pad(rles.decode_box(mask.rle, mask.box), 2)
    inner = plane[1:-1, 1:-1]
    alike = support(plane)
    noisy = alike <= 1
    for part in (inner, ~inner):
        pieces, count = ndimage.label(part, np.ones((3, 3)) if part is inner else None)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        noisy |= part & (sizes < SMALL_PIECE)[pieces]
    return float(np.count_nonzero(noisy) / np.count_nonzero(inner & (alike < 4)))


def ap_losses(items: Sequence[Item]) -> np.ndarray:
    """(N,) mask AP (0..1) that fixing each item alone would bring, to first order.

    "before" is taken as the truth, "after" as detections (annotations count with score 1). At an
    IoU threshold where an instance is not found its class lacks one part in its instances; a
    detection that finds nothing lowers the precision at every later hit. Mean over thresholds and
    the classes of the truth; interpolation of the curve and the limit of detections are left out.
    """
    by_class: dict[int, list[int]] = defaultdict(list)
    for n, item in enumerate(items):
        for mask in {m.category_id: m for m in (item.before, item.after) if m}.values():
            by_class[mask.category_id].append(n)
    classes = {item.before.category_id for item in items if item.before}
    losses = np.zeros(len(items))
    for category in classes:
        rows = np.array(by_class[category])
        losses[rows] += _class_losses([items[n] for n in rows], category)
    return losses / max(len(classes), 1)


def _class_losses(items: Sequence[Item], category: int) -> np.ndarray:
    """(N,) the AP of one class that each item costs."""
    truth = np.array([bool(i.before and i.before.category_id == category) for i in items])
    found = np.array([bool(i.after and i.after.category_id == category) for i in items])
    iou = np.array([item.iou for item in items])
    scores = np.array([1.0 if i.score is None else i.score for i in items])
    order = np.lexsort((-iou, -scores))
    order = order[found[order]]
    losses = np.zeros(len(items))
    for threshold in THRESHOLDS:
        hit = truth & found & (iou >= threshold)
        losses += (truth & ~hit) / truth.sum()
        ranked = hit[order]
        rank = np.arange(2, len(order) + 2)  # of the detection after each
        gain = np.append(np.cumsum(ranked)[1:] * ranked[1:] / (rank[:-1] * (rank[:-1] - 1)), 0.0)
        later = np.cumsum(gain[::-1])[::-1]
        losses[order] += np.where(ranked, 0, later) / truth.sum()
    return losses / len(THRESHOLDS)


Order = Callable[[Sequence[Item]], np.ndarray]


def _each(score: Callable[[Item], float]) -> Order:
    return lambda items: np.array([score(item) for item in items], dtype=float)


# Highest first; equal ones stay in the order of the pictures.
ORDERS: dict[str, Order] = {
    "disagreement": _each(lambda item: 1 - item.iou),
    "changed pixels": _each(lambda item: item.added + item.removed),
    "defect score": _each(lambda item: defect_score(item.shown)),
    "AP loss": ap_losses,
    "size": _each(lambda item: item.shown.area),
    "low score": _each(lambda item: 1.0 if item.score is None else 1 - item.score),
    "picture": _each(lambda item: 0.0),
}
