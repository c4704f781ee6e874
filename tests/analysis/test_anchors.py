"""Anchor geometry against brute force and hand-worked numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from helpers.series.analysis.anchors import (
    AnchorSet,
    best_anchors,
    best_iou,
    compare_sets,
    grid_anchors,
    group_recall,
    kmeans_anchors,
    level_recall,
    moved_share,
    recall_curves,
    recall_of,
    resize_scale,
    resized_boxes,
    roi_levels,
    scale_table,
    shape_iou,
)


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (areas - width * height)


def brute_force(box: tuple[float, ...], shapes: tuple, stride: int, side: int) -> float:
    """The best anchor of one level, by trying every place of a picture of `side` pixels."""
    places = range(0, side + stride, stride)
    return max(
        iou(box, (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
        for x, y, (w, h) in itertools.product(places, places, shapes)
    )


def table(rows: list[tuple[float, ...]], *, side: int = 400) -> pd.DataFrame:
    """An instance table of xywh boxes in square pictures."""
    frame = pd.DataFrame(rows, columns=["bbox_x", "bbox_y", "bbox_w", "bbox_h"])
    return frame.assign(width=side, height=side)


def test_grid_anchors_keep_area_and_ratio():
    anchors = grid_anchors("a", (64.0, 128.0), (0.5, 1.0, 2.0))
    for size, level in zip((64.0, 128.0), anchors.shapes, strict=True):
        for ratio, (w, h) in zip((0.5, 1.0, 2.0), level, strict=True):
            assert w * h == pytest.approx(size**2)
            assert h / w == pytest.approx(ratio)
    assert anchors.count == 6


def test_shape_iou_by_hand():
    found = shape_iou(np.array([[10.0, 10.0], [10.0, 20.0]]), np.array([[10.0, 10.0], [5.0, 20.0]]))
    assert found == pytest.approx(np.array([[1.0, 50 / 150], [0.5, 0.5]]))


def test_best_iou_is_that_of_trying_every_anchor():
    random = np.random.default_rng(1)
    corner, size = random.uniform(0, 90, (12, 2)), random.uniform(3, 38, (12, 2))
    boxes = np.concatenate([corner, corner + size], axis=1)
    anchors = grid_anchors("a", (8.0, 16.0), (0.5, 1.0, 2.0))
    found = best_iou(boxes, anchors, strides=(4, 8))
    for row, box in enumerate(boxes.tolist()):
        for level, stride in enumerate((4, 8)):
            wanted = brute_force(box, anchors.shapes[level], stride, 128)
            assert found[row, level] == pytest.approx(wanted)


def test_the_best_anchor_is_the_one_with_the_best_iou():
    boxes = np.array([[3.0, 5, 70, 40], [100, 100, 360, 350], [0, 0, 1000, 990]])
    anchors = grid_anchors("paper")
    found, levels, ious = best_anchors(boxes, anchors)
    wanted = best_iou(boxes, anchors)
    assert levels.tolist() == wanted.argmax(axis=1).tolist()
    np.testing.assert_allclose(ious, wanted.max(axis=1))
    low, high = np.maximum(found[:, :2], boxes[:, :2]), np.minimum(found[:, 2:], boxes[:, 2:])
    inter = np.clip(high - low, 0, None).prod(axis=1)
    areas = (found[:, 2:] - found[:, :2]).prod(axis=1) + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    np.testing.assert_allclose(inter / (areas - inter), ious)
    centre = (found[:, :2] + found[:, 2:]) / 2
    strides = np.array([4, 8, 16, 32, 64])[levels]
    np.testing.assert_allclose(centre % strides[:, None], 0)
    assert [len(part) for part in best_anchors(boxes[:0], anchors)] == [0, 0, 0]


def test_recall_counts_boxes_that_reach_the_threshold():
    found = recall_of(np.array([0.2, 0.5, 0.7, 0.9]), np.array([0.1, 0.5, 0.71, 0.95]))
    assert found.tolist() == [1.0, 0.75, 0.25, 0.0]
    assert np.isnan(recall_of(np.zeros(0), np.array([0.5]))).all()
    boxes = resized_boxes(table([(10, 10, 80, 60), (100, 50, 33, 120), (0, 0, 390, 200)]))
    curves = recall_curves(boxes, (grid_anchors("paper"),), thresholds=np.linspace(0, 1, 11))
    best = best_iou(boxes, grid_anchors("paper")).max(axis=1)
    assert curves["paper"].tolist() == recall_of(best, np.linspace(0, 1, 11)).tolist()


def test_kmeans_finds_the_clusters_there_are():
    random = np.random.default_rng(0)
    sizes = np.array([(20.0 * 1.6**i, 26.0 * 1.6**i) for i in range(5)])
    boxes = np.concatenate(
        [np.pad(size * random.uniform(0.97, 1.03, (40, 2)), ((0, 0), (2, 0))) for size in sizes]
    )
    anchors = kmeans_anchors("k", boxes, per_level=1, seed=3)
    found = np.array([level[0] for level in anchors.shapes])
    best = shape_iou(boxes[:, 2:], found).max(axis=1)
    assert (np.diff(found.prod(axis=1)) > 0).all()
    assert best.mean() > 0.85
    assert kmeans_anchors("k", boxes, per_level=1, seed=3) == anchors


def test_kmeans_needs_as_many_boxes_as_shapes():
    with pytest.raises(ValueError, match="14 boxes cannot make 15"):
        kmeans_anchors("k", np.tile([0.0, 0.0, 5.0, 5.0], (14, 1)))


@pytest.mark.parametrize(
    ("width", "height", "wanted"),
    [(400, 400, 3.0), (600, 300, 2.5), (300, 600, 2.5), (480, 400, 3.0)],
)
def test_resize_scale_obeys_both_sides(width: int, height: int, wanted: float):
    found = resize_scale(np.array([width]), np.array([height]), short_side=1200, max_side=1500)
    assert found == pytest.approx([wanted])


def test_resized_boxes_are_corners_at_the_new_size():
    found = resized_boxes(table([(10, 20, 30, 40)]), short_side=1200)
    assert found.tolist() == [[30.0, 60.0, 120.0, 180.0]]


@pytest.mark.parametrize(
    ("side", "wanted"), [(10, 2), (112, 3), (223, 3), (224, 4), (447, 4), (448, 5), (2000, 5)]
)
def test_roi_levels_by_hand(side: int, wanted: int):
    assert roi_levels(np.array([[5.0, 5.0, 5.0 + side, 5.0 + side]])).tolist() == [wanted]


def test_level_recall_shares_sum_to_one_and_empty_levels_are_nan():
    best = np.array([[0.9, 0.1, 0.0], [0.2, 0.6, 0.0], [0.3, 0.8, 0.1], [0.4, 0.3, 0.1]])
    found = level_recall(best)
    assert found["share of boxes"].tolist() == [0.5, 0.5, 0.0, 1.0]
    assert found.loc["P2", "recall at 0.5"] == 0.5
    assert found.loc["P3", "recall at 0.7"] == 0.5
    assert np.isnan(found.loc["P4", "mean best IoU"])
    assert found.loc["all", "mean best IoU"] == pytest.approx((0.9 + 0.6 + 0.8 + 0.4) / 4)


def test_group_recall_puts_the_worst_group_first():
    best = np.array([[0.9, 0.1], [0.2, 0.6], [0.75, 0.8]])
    found = group_recall(best, pd.Series(["lamp", "sofa", "lamp"]))
    assert found.index.tolist() == ["sofa", "lamp"]
    assert found.loc["lamp", "mean best IoU"] == pytest.approx(0.85)
    assert found.loc["sofa", ["recall at 0.5", "recall at 0.7"]].tolist() == [1, 0]
    assert found["share of boxes"].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_compare_sets_prefers_shapes_that_fit():
    boxes = np.array([[0.0, 0.0, 64.0, 64.0], [128.0, 0.0, 256.0, 128.0]])
    right = grid_anchors("right")
    wrong = AnchorSet("wrong", tuple(((600.0, 20.0),) for _ in range(5)))
    found = compare_sets(boxes, (right, wrong))
    assert found.loc["right", "recall at 0.7"] == 1
    assert found.loc["wrong", "recall at 0.5"] == 0
    assert found["shapes"].tolist() == [15, 5]


def test_larger_pictures_move_boxes_to_higher_levels():
    rows = table([(0, 0, w, w) for w in (20, 50, 100, 140, 149)])
    found = scale_table(rows, grid_anchors("paper"), short_sides=(1200, 1500))
    anchor, roi = (
        found.filter(like=kind).to_numpy() @ np.arange(n) for kind, n in (("anchor", 5), ("RoI", 4))
    )
    assert anchor[1] >= anchor[0]
    assert roi[1] > roi[0]
    assert found.filter(like="anchor").sum(axis=1).tolist() == pytest.approx([1, 1])
    moved = moved_share(rows, grid_anchors("paper"), short_sides=(1200, 1500))
    assert moved["RoI level"] == pytest.approx(2 / 5)  # 140 and 149 px: 420 -> 525, 447 -> 559
