"""Leafing through a data set: pictures with their masks, those of one class if wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.data.index import InstanceIndex
from helpers.drawing import Panel, grid
from helpers.drawing_style import Picture
from helpers.series.viz.controls import Controlled, choice, slider, tick
from helpers.series.viz.sources import picture, truth

EVERY = -1  # in the place of a category id: all classes


def rows_with(index: InstanceIndex, category_id: int) -> list[int]:
    """Picture numbers that hold an instance of the category, crowds aside; EVERY: all of them."""
    if category_id == EVERY:
        return list(range(len(index)))
    ids = np.array([c.id for c in index.taxonomy.classes])
    found = (ids[index.labels] == category_id) & ~index.crowd
    return np.unique(index.image_rows[found]).tolist()


def one_picture(
    index: InstanceIndex, row: int, *, category_id: int = EVERY, masks: bool = True,
    boxes: bool = False,
) -> Picture:  # fmt: skip
    """Picture number `row` with its instances, or with those of one category alone."""
    image, everything = picture(index, row), truth(index, row)
    shown = everything
    if category_id != EVERY:
        shown = everything.keep(everything.category_ids == category_id)
    title = f"picture {index.image_ids[row]}: {len(shown)} of {len(everything)} instances"
    panel = Panel(
        image, title, shown if masks or boxes else None,
        fill=0.32 if masks else 0.0, labels=masks, boxes=boxes,
    )  # fmt: skip
    return grid([panel], columns=1, alt=f"{title}: {', '.join(shown.names)}", cell=5.6)


def image_browser(index: InstanceIndex, *, category_id: int = EVERY) -> Controlled:
    """A class to choose, a slider over the pictures that show it, masks and boxes on or off.

    Where nobody watches, the first picture of the class stands in its place.
    """
    pictures = {c: len(rows_with(index, c.id)) for c in index.taxonomy.classes}
    options = [(f"all classes ({len(index)} pictures)", EVERY)]
    options += [(f"{c.name} ({count})", c.id) for c, count in pictures.items() if count]
    place = slider("number", 1, low=1, high=len(rows_with(index, category_id)), step=1)
    chosen = choice("class", options, category_id)

    def draw(category_id: int, place: int, masks: bool, boxes: bool) -> Picture:
        rows = rows_with(index, category_id)
        row = rows[min(place, len(rows)) - 1]
        return one_picture(index, row, category_id=category_id, masks=masks, boxes=boxes)

    def start_anew(change: Any) -> None:
        place.value = 1
        place.max = len(rows_with(index, change["new"]))

    chosen.observe(start_anew, names="value")
    controls = {
        "category_id": chosen,
        "place": place,
        "masks": tick("masks", True),
        "boxes": tick("boxes", False),
    }
    return Controlled(draw, controls)
