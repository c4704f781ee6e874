"""Ready panels for grids: pictures with their truth, truth beside prediction, one of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.data.index import InstanceIndex
from helpers.drawing import Overlay, Panel, id_map
from helpers.drawing_style import short_names
from helpers.series.analysis.statistics import instance_table
from helpers.series.viz.sources import picture, predicted, truth


def one_picture(index: InstanceIndex, row: int) -> list[Panel]:
    """Four panels of one picture: as it is, its id-map, its masks with names, its boxes."""
    image, overlay = picture(index, row), truth(index, row)
    return [
        Panel(image, "picture"),
        Panel(id_map(overlay, image.shape[:2]), "id-map: one colour an instance"),
        Panel(image, "masks and classes", overlay, fill=0.5, outline=0.35),
        Panel(image, "boxes", overlay, fill=0.0, outline=0.0, labels=False, boxes=True),
    ]


def with_truth(index: InstanceIndex, rows: Sequence[int]) -> list[Panel]:
    """One panel a picture, with its annotated masks."""
    return [Panel(picture(index, row), "", truth(index, row)) for row in rows]


def truth_and_prediction(
    index: InstanceIndex,
    results: Sequence[Mapping[str, Any]],
    rows: Sequence[int],
    *,
    score: float = 0.5,
) -> list[Panel]:
    """Two panels a picture: the truth, and the predictions of at least `score`."""
    panels = []
    for row in rows:
        image, overlay = picture(index, row), truth(index, row)
        found = predicted(results, index, row).best(score=score)
        number = int(index.image_ids[row])
        panels.append(Panel(image, f"picture {number}: truth ({len(overlay)})", overlay))
        panels.append(Panel(image, f"prediction ({len(found)} of score ≥ {score:g})", found))
    return panels


def class_examples(index: InstanceIndex) -> list[Panel]:
    """One panel for each class that occurs: a large instance that stands as free as can be."""
    table = instance_table(index)
    table = table.assign(
        free=table["area_1200"] * free_shares(table) * (1 - 0.9 * table["truncated"])
    )
    table = table.sort_values("free", ascending=False, kind="stable")
    best = table.drop_duplicates("category_id").sort_values("category_id")
    titles = short_names(best["category"])
    return [
        _closeup(index, int(row.image_id), int(row.annotation_id), titles[row.category])
        for row in best.itertuples()
    ]


def free_shares(table: pd.DataFrame) -> np.ndarray:
    """(N,) share of each box that no other box of its picture reaches into, at least 0."""
    covered = np.zeros(len(table))
    x, y, w, h = (table[f"bbox_{side}"].to_numpy(float) for side in "xywh")
    for rows in table.groupby("image_id").indices.values():
        low_x, low_y = (np.maximum.outer(v[rows], v[rows]) for v in (x, y))
        high_x, high_y = (np.minimum.outer(v[rows], v[rows]) for v in (x + w, y + h))
        shared = np.clip(high_x - low_x, 0, None) * np.clip(high_y - low_y, 0, None)
        np.fill_diagonal(shared, 0)
        covered[rows] = shared.sum(axis=1) / (w[rows] * h[rows])
    return np.clip(1 - covered, 0, None)


def _closeup(index: InstanceIndex, image_id: int, annotation_id: int, title: str) -> Panel:
    row = int(np.searchsorted(index.image_ids, image_id))
    found = index.instances(row)
    place = int(np.flatnonzero(found.annotation_ids[~found.crowd] == annotation_id)[0])
    overlay, image = truth(index, row).keep(np.array([place])), picture(index, row)
    window = square_window(overlay.boxes[0], image.shape[:2])
    return Panel(image[window], title, cropped(overlay, window), fill=0.0, labels=False)


def square_window(box: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """(rows, columns) of a square around an xyxy box with some room, inside a picture of `size`
    (height, width); less than square only where the picture is too small for it."""
    x1, y1, x2, y2 = box
    side = int(np.ceil(1.2 * max(x2 - x1, y2 - y1, 16)))
    slices = []
    for middle, limit in (((y1 + y2) / 2, size[0]), ((x1 + x2) / 2, size[1])):
        length = min(side, limit)
        start = int(np.clip(round(middle - length / 2), 0, limit - length))
        slices.append(slice(start, start + length))
    return slices[0], slices[1]


def cropped(overlay: Overlay, window: tuple[slice, slice]) -> Overlay:
    """The overlay in the pixel frame of a window of the picture."""
    rows, columns = window
    corner = np.array([columns.start, rows.start] * 2)
    return replace(overlay, masks=overlay.masks[:, rows, columns], boxes=overlay.boxes - corner)
