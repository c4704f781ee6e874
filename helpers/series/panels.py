"""From an index and results to what is drawn on a picture, and panels of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.pictures import read_picture
from helpers.drawing import Overlay, Panel

Result = Mapping[str, Any]


def picture(index: InstanceIndex, row: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB of picture number `row`. Raises DataError when it cannot be read, or when
    there is no such number."""
    if not 0 <= row < len(index):
        raise DataError(f"no picture {row}: the {len(index)} of this split are counted from 0")
    return np.asarray(read_picture(index.paths[row], index.image_size(row)))


def truth(index: InstanceIndex, row: int) -> Overlay:
    """The annotated instances of picture number `row`, crowd regions left out."""
    found, classes = index.instances(row), index.taxonomy.classes
    sure = [
        {"category_id": classes[label].id, "segmentation": mask, "score": 1.0}
        for label, mask, crowd in zip(found.labels, found.rles, found.crowd, strict=True)
        if not crowd
    ]
    return replace(_overlay(sure, index, row), scores=None)


def predicted(results: Sequence[Result], index: InstanceIndex, row: int) -> Overlay:
    """The COCO results of picture number `row`, best first; `category_id`s of the index's space."""
    image_id = int(index.image_ids[row])
    mine = sorted(
        (r for r in results if r["image_id"] == image_id), key=lambda r: r["score"], reverse=True
    )
    return _overlay(mine, index, row)


def _overlay(results: Sequence[Result], index: InstanceIndex, row: int) -> Overlay:
    names = {c.id: c.name for c in index.taxonomy.classes}
    return Overlay.of_results(results, names, index.image_size(row))


def spread_rows(index: InstanceIndex, count: int, *, least: int = 0) -> list[int]:
    """Rows of `count` pictures spread evenly over the index among those of at least `least`
    instances; all such rows when there are fewer."""
    instances = np.bincount(index.image_rows[~index.crowd], minlength=len(index))
    rows = np.flatnonzero(instances >= least)
    if len(rows) <= count:
        return rows.tolist()
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)].tolist()


def truth_and_prediction(
    index: InstanceIndex,
    results: Sequence[Result],
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
