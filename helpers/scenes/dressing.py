"""Decorating a furnished room with what nobody labels: rugs, curtains, pictures, plants, vases."""

from __future__ import annotations

from math import pi

from helpers.scenes import decor
from helpers.scenes.layout import BACK, LEFT, RIGHT, Layout, Placed, Wall, Window
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Piece
from helpers.scenes.random import Stream, stream

TABLES = (2, 5, 6, 7, 9, 10, 12, 24)  # categories whose top is free for small things
LOW_ANCHORS = (13, 15, 16, 17, 26, 27, 28, 29, 31)  # a picture fits on the wall above them
NIGHTSTAND, DINING_TABLE = 2, 24
CURTAIN_GAP = 0.12  # metres between curtain rod and wall


def decorate(layout: Layout, palette: Palette, draw: Stream) -> None:
    """Add decoration to a room whose furniture stands."""
    curtains = draw.integers(2**31) if draw.chance(0.8) else None
    for wall in layout.walls:
        for window in wall.windows:
            if curtains is not None:  # of the same cloth at all windows
                _hang_curtains(layout, wall, window, palette, stream(curtains))
    if layout.furniture and draw.chance(0.7):
        _lay_rug(layout, palette, draw)
    _hang_pictures(layout, palette, draw)
    for placed in layout.furniture:
        if placed.piece.category_id in TABLES and draw.chance(0.45):
            _set_on(layout, placed, palette, draw)
    if draw.chance(0.4):
        _stand_plant(layout, decor.plant(draw, palette), draw)


def _hang_curtains(
    layout: Layout, wall: Wall, window: Window, palette: Palette, draw: Stream
) -> None:
    height = min(window.top + draw.uniform(0.1, 0.25), layout.height - 0.12)
    curtains = decor.curtains(draw, palette, width=window.high - window.low, height=height)
    x, y = wall.point((window.low + window.high) / 2, CURTAIN_GAP)
    layout.decor.append(Placed(curtains, x, y, 0.0, wall.yaw))


def _lay_rug(layout: Layout, palette: Palette, draw: Stream) -> None:
    """Under the dining table, before the sofa, half under the bed."""
    anchor = layout.furniture[0]
    width = min(draw.uniform(2.2, 3.0), layout.width - 0.7)
    depth = draw.uniform(1.5, 2.0)
    if draw.chance(0.15):
        depth = width = min(width, 2.2)
    ahead = anchor.piece.footprint[1] / 2 + 0.3
    x, y = anchor.x, anchor.y
    if anchor.piece.category_id != DINING_TABLE:
        x, y = anchor.point(0.0, -ahead)
    free = layout.width / 2 - width / 2 - 0.2
    rug = decor.rug(draw, palette, size=(width, depth))
    layout.decor.append(Placed(rug, max(-free, min(free, x)), max(depth / 2 + 0.2, y)))


def _hang_pictures(layout: Layout, palette: Palette, draw: Stream) -> None:
    """One above the anchor, perhaps one on each side wall, never over a window behind storage."""
    places = []
    if layout.furniture and layout.furniture[0].piece.category_id in LOW_ANCHORS:
        anchor = layout.furniture[0]
        top = max(1.55, anchor.piece.height + 0.35)
        places.append((layout.walls[BACK], anchor.x, min(top, layout.height - 0.6)))
    for index in (BACK, LEFT, RIGHT):
        if draw.chance(0.5):
            wall = layout.walls[index]
            places.append((wall, draw.uniform(-0.38, 0.38) * wall.length, draw.uniform(1.5, 1.7)))
    hung: list[tuple[int, float]] = []
    for wall, along, z in places:
        picture = decor.picture(draw, palette)
        half = picture.footprint[0] / 2
        x, y = wall.point(along, 0.0)
        crowded = any(w == wall.index and abs(s - along) < 1.1 for w, s in hung)
        windowed = wall.covers_window(along - half - 0.5, along + half + 0.5, 9.0)
        if crowded or windowed or _hidden(layout, x, y, half, z - picture.height / 2):
            continue
        hung.append((wall.index, along))
        layout.decor.append(Placed(picture, x, y, z, wall.yaw))


def _hidden(layout: Layout, x: float, y: float, half: float, bottom: float) -> bool:
    """Whether tall furniture stands before a stretch of wall."""
    return any(
        p.piece.support == "floor"
        and p.piece.height > bottom
        and abs(p.x - x) < half + max(p.piece.footprint) / 2
        and abs(p.y - y) < half + max(p.piece.footprint) / 2
        for p in layout.furniture
    )


def _set_on(layout: Layout, table: Placed, palette: Palette, draw: Stream) -> None:
    """A vase, books or a bedside lamp on a table top."""
    if table.piece.category_id == NIGHTSTAND and draw.chance(0.6):
        thing: Piece = decor.table_lamp(draw, palette)
    else:
        thing = decor.vase(draw, palette) if draw.chance(0.65) else decor.books(draw, palette)
    spare = max(0.0, table.piece.footprint[0] / 2 - 0.2)
    x, y = table.point(draw.uniform(-0.6, 0.6) * spare, draw.uniform(-0.03, 0.03))
    layout.decor.append(Placed(thing, x, y, table.piece.height, draw.uniform(0.0, 2 * pi)))


def _stand_plant(layout: Layout, plant: Piece, draw: Stream) -> None:
    """In a free corner of the farther half."""
    for _ in range(8):
        x = draw.choice((-1, 1)) * (layout.width / 2 - draw.uniform(0.45, 0.6))
        placed = Placed(plant, x, layout.depth - draw.uniform(0.45, 2.0))
        if layout.fits(placed):
            layout.decor.append(placed)
            return
