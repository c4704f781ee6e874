"""Panels for grids of several notebooks: truth beside prediction; the square around a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from helpers.data.index import InstanceIndex
from helpers.drawing import Panel
from helpers.series.viz.sources import picture, predicted, truth


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
