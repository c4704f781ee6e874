"""How well a set of anchors can cover the boxes of a data set, before any training.

Letters: N boxes, L pyramid levels, A anchor shapes per level. Boxes are xyxy in pixels of the
resized picture. Anchors sit at (x * stride, y * stride) of their level, unrounded, as in the
specification's section 3; ratios are height / width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

STRIDES = (4, 8, 16, 32, 64)  # P2..P6
PAPER_SIZES = (64.0, 128.0, 256.0, 512.0, 1024.0)
PAPER_RATIOS = (0.5, 1.0, 2.0)
LEVELS = ("P2", "P3", "P4", "P5", "P6")


@dataclass(frozen=True)
class AnchorSet:
    """Anchor shapes of each level: `shapes[level]` is a tuple of (width, height) in pixels."""

    name: str
    shapes: tuple[tuple[tuple[float, float], ...], ...]

    @property
    def count(self) -> int:
        """Shapes over all levels."""
        return sum(len(level) for level in self.shapes)


def grid_anchors(
    name: str, sizes: tuple[float, ...] = PAPER_SIZES, ratios: tuple[float, ...] = PAPER_RATIOS
) -> AnchorSet:
    """One size per level (side of the square of equal area, px), in every height/width ratio."""
    return AnchorSet(name, tuple(tuple((s / r**0.5, s * r**0.5) for r in ratios) for s in sizes))


def kmeans_anchors(
    name: str, boxes: np.ndarray, *, per_level: int = 3, seed: int = 0, iterations: int = 100
) -> AnchorSet:
    """Shapes that fit the boxes: k-means with distance 1 - IoU, dealt to five levels by area.

    `boxes`: (N, 4). The centres are medians of their members' widths and heights; the first ones
    are drawn from the boxes as k-means++ does. Raises ValueError for fewer boxes than shapes.
    """
    sizes = box_sizes(boxes)
    k = per_level * len(STRIDES)
    if len(sizes) < k:
        raise ValueError(f"{len(sizes)} boxes cannot make {k} anchor shapes: give more pictures")
    centres = _spread_centres(sizes, k, np.random.default_rng(seed))
    for _ in range(iterations):
        nearest = shape_iou(sizes, centres).argmax(axis=1)
        moved = np.array([_median(sizes[nearest == j], centres[j]) for j in range(k)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    ordered = centres[np.argsort(centres.prod(axis=1), kind="stable")].tolist()
    levels = [ordered[i : i + per_level] for i in range(0, k, per_level)]
    return AnchorSet(name, tuple(tuple((w, h) for w, h in level) for level in levels))


def _spread_centres(sizes: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    """(k, 2) boxes, each drawn with chances (1 - IoU)^2 to the nearest one drawn before."""
    chosen = [int(random.integers(len(sizes)))]
    for _ in range(k - 1):
        far = (1 - shape_iou(sizes, sizes[chosen]).max(axis=1)) ** 2 + 1e-12
        chosen.append(int(random.choice(len(sizes), p=far / far.sum())))
    return sizes[chosen]


def _median(members: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    return np.median(members, axis=0) if len(members) else otherwise


def resize_scale(
    width: np.ndarray, height: np.ndarray, *, short_side: float, max_side: float
) -> np.ndarray:
    """Factor by which a picture grows so that its short side is `short_side` and none exceeds
    `max_side`: min(short_side / min(W, H), max_side / max(W, H))."""
    return np.minimum(short_side / np.minimum(width, height), max_side / np.maximum(width, height))


def resized_boxes(
    table: pd.DataFrame, *, short_side: float = 1200, max_side: float = 1500
) -> np.ndarray:
    """(N, 4) float64 xyxy boxes of an `instance_table` after the resize of training."""
    scale = resize_scale(
        table["width"].to_numpy(float),
        table["height"].to_numpy(float),
        short_side=short_side,
        max_side=max_side,
    )
    x, y, w, h = (table[f"bbox_{side}"].to_numpy(float) for side in "xywh")
    return np.stack([x, y, x + w, y + h], axis=1) * scale[:, None]


def box_sizes(boxes: np.ndarray) -> np.ndarray:
    """(N, 2) width and height of (N, 4) xyxy boxes."""
    return boxes[:, 2:] - boxes[:, :2]


def shape_iou(sizes: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """(N, A) IoU of boxes (N, 2) and shapes (A, 2) of (width, height), laid on one centre."""
    inter = np.minimum(sizes[:, None], shapes[None]).prod(axis=2)
    return inter / (sizes.prod(axis=1)[:, None] + shapes.prod(axis=1)[None] - inter)


def best_iou(
    boxes: np.ndarray, anchors: AnchorSet, *, strides: tuple[int, ...] = STRIDES
) -> np.ndarray:
    """(N, L) float64: the IoU of the best anchor of each level with each box.

    The anchor's place counts: for a given shape the overlap only falls with the distance of the
    centres, so the nearest point of the level's grid is the best one. Anchors may reach over the
    border of the picture, as they may in training.
    """
    return np.stack(
        [
            _best_iou_of_level(boxes, np.array(shapes, dtype=float), stride)
            for shapes, stride in zip(anchors.shapes, strides, strict=True)
        ],
        axis=1,
    )


def _best_iou_of_level(boxes: np.ndarray, shapes: np.ndarray, stride: int) -> np.ndarray:
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    place = np.rint(centre / stride) * stride
    low = np.maximum(boxes[:, None, :2], place[:, None] - shapes[None] / 2)
    high = np.minimum(boxes[:, None, 2:], place[:, None] + shapes[None] / 2)
    inter = np.clip(high - low, 0, None).prod(axis=2)
    areas = box_sizes(boxes).prod(axis=1)[:, None] + shapes.prod(axis=1)[None]
    return (inter / (areas - inter)).max(axis=1)


def best_anchors(
    boxes: np.ndarray, anchors: AnchorSet, *, strides: tuple[int, ...] = STRIDES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The anchor that covers each of (N, 4) boxes best: itself (N, 4) xyxy, its level (N,) as a
    place in `strides`, and its IoU (N,). Its place on the grid is chosen as by `best_iou`.
    """
    ious = best_iou(boxes, anchors, strides=strides)
    levels = ious.argmax(axis=1)
    found = np.zeros((len(boxes), 4))
    for n, (box, level) in enumerate(zip(boxes, levels, strict=True)):
        place = np.rint((box[:2] + box[2:]) / 2 / strides[level]) * strides[level]
        shapes = np.array(anchors.shapes[level], dtype=float)
        candidates = np.concatenate([place - shapes / 2, place + shapes / 2], axis=1)
        found[n] = max(candidates, key=lambda candidate: _iou(candidate, box))
    return found, levels, ious.max(axis=1, initial=0)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    inter = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return inter / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inter)


def recall_curves(
    boxes: np.ndarray,
    sets: tuple[AnchorSet, ...],
    *,
    thresholds: np.ndarray,
    strides: tuple[int, ...] = STRIDES,
) -> pd.DataFrame:
    """Best-possible recall: share of boxes with an anchor of IoU >= threshold, over all levels.

    One row per threshold (the index), one column per anchor set.
    """
    return pd.DataFrame(
        {
            a.name: recall_of(best_iou(boxes, a, strides=strides).max(axis=1), thresholds)
            for a in sets
        },
        index=pd.Index(thresholds, name="IoU"),
    )


def recall_of(best: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(T,) share of the (N,) best IoUs that reach each threshold; nan where N is 0."""
    if len(best) == 0:
        return np.full(len(thresholds), np.nan)
    return (best[:, None] >= thresholds[None]).mean(axis=0)


def level_recall(best: np.ndarray, *, thresholds: tuple[float, ...] = (0.5, 0.7)) -> pd.DataFrame:
    """What each level does: share of boxes it serves best, and recall among those.

    `best`: (N, L) of `best_iou`. Rows P2..P6 and "all".
    """
    owner = best.argmax(axis=1)
    rows = {
        name: _level_row(best[owner == level, level], len(best), thresholds)
        for level, name in enumerate(LEVELS[: best.shape[1]])
    }
    rows["all"] = _level_row(best.max(axis=1), len(best), thresholds)
    return pd.DataFrame.from_dict(rows, orient="index")


def _level_row(best: np.ndarray, total: int, thresholds: tuple[float, ...]) -> dict[str, float]:
    recalls = recall_of(best, np.array(thresholds))
    row = {"share of boxes": len(best) / max(total, 1)}
    row["mean best IoU"] = float(best.mean()) if len(best) else float("nan")
    return row | {f"recall at {t}": float(r) for t, r in zip(thresholds, recalls, strict=True)}


def group_recall(best: np.ndarray, groups: pd.Series) -> pd.DataFrame:
    """Mean best IoU and recall at 0.5 and 0.7 of each group of boxes, worst first.

    `best`: (N, L) of `best_iou`; `groups`: (N,) names, e.g. the super-category of each box.
    """
    rows = {
        name: _level_row(best[(groups == name).to_numpy()].max(axis=1), len(best), (0.5, 0.7))
        for name in groups.unique()
    }
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("recall at 0.7")


def compare_sets(
    boxes: np.ndarray, sets: tuple[AnchorSet, ...], *, strides: tuple[int, ...] = STRIDES
) -> pd.DataFrame:
    """One row per anchor set: shapes, mean best IoU, recall at 0.5 and at 0.7 (RPN's positives)."""
    rows = {}
    for anchors in sets:
        best = best_iou(boxes, anchors, strides=strides).max(axis=1)
        at_half, at_positive = recall_of(best, np.array([0.5, 0.7]))
        rows[anchors.name] = {
            "shapes": anchors.count,
            "mean best IoU": best.mean(),
            "recall at 0.5": at_half,
            "recall at 0.7": at_positive,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def roi_levels(boxes: np.ndarray, *, canonical: float = 224.0) -> np.ndarray:
    """(N,) int64 level 2..5 a box is pooled from: floor(4 + log2(sqrt(area) / canonical))."""
    side = np.sqrt(box_sizes(boxes).prod(axis=1))
    level = np.floor(4 + np.log2(side / canonical + 1e-8))
    return np.clip(level, 2, 5).astype(np.int64)


def scale_table(
    table: pd.DataFrame,
    anchors: AnchorSet,
    *,
    short_sides: tuple[int, ...],
    max_side: float = 1500,
) -> pd.DataFrame:
    """What the training size does: one row per short side.

    Columns: shares of boxes that P2..P6 serve best as anchors ("anchor P2"...), shares pooled from
    P2..P5 ("RoI P2"...), and the best-possible recall at IoU 0.7.
    """
    return pd.DataFrame.from_dict(
        {
            side: _scale_row(resized_boxes(table, short_side=side, max_side=max_side), anchors)
            for side in short_sides
        },
        orient="index",
    ).rename_axis("short side")


def _scale_row(boxes: np.ndarray, anchors: AnchorSet) -> dict[str, float]:
    best = best_iou(boxes, anchors)
    owner, pooled = best.argmax(axis=1), roi_levels(boxes) - 2
    row = {f"anchor {name}": float((owner == i).mean()) for i, name in enumerate(LEVELS)}
    row |= {f"RoI {name}": float((pooled == i).mean()) for i, name in enumerate(LEVELS[:4])}
    return row | {"recall at 0.7": float((best.max(axis=1) >= 0.7).mean())}


def moved_share(
    table: pd.DataFrame, anchors: AnchorSet, *, short_sides: tuple[int, int], max_side: float = 1500
) -> dict[str, float]:
    """Share of boxes whose level differs between two short sides, for anchors and for pooling."""
    first, second = (
        resized_boxes(table, short_side=side, max_side=max_side) for side in short_sides
    )
    owners = [best_iou(boxes, anchors).argmax(axis=1) for boxes in (first, second)]
    return {
        "anchor level": float((owners[0] != owners[1]).mean()),
        "RoI level": float((roi_levels(first) != roi_levels(second)).mean()),
    }
