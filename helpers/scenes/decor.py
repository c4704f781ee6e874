"""What makes a room lived in and is never labelled: rugs, curtains, pictures, plants, vases, books.

`decorate` adds it to a furnished room; the functions below it make one `Piece` of category 0 each.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from helpers.scenes.furniture.cabinets import BOOK_COLOURS
from helpers.scenes.layout import BACK, DINING_TABLE, LEFT, RIGHT, Placed, Room, Wall, Window
from helpers.scenes.materials import SHADE_CLOTH, Colour, Material, shade
from helpers.scenes.pieces import SIDES, Maker, Piece
from helpers.scenes.random import Stream, stream
from helpers.scenes.shapes import (
    Floats,
    Mesh,
    Point,
    Vector,
    box,
    cylinder,
    lathe,
    length,
    smoothed,
    sphere,
    surface,
)
from helpers.scenes.textures import PAINTING, RUG

TABLES = (2, 5, 6, 7, 9, 10, 12, 24)  # categories whose top is free for small things
LOW_ANCHORS = (13, 15, 16, 17, 26, 27, 28, 29, 31)  # a picture fits on the wall above them
NIGHTSTAND = 2
CURTAIN_GAP = 0.12  # metres between curtain rod and wall
GREENS: tuple[Colour, ...] = ((0.30, 0.42, 0.22), (0.22, 0.36, 0.20), (0.38, 0.47, 0.28))


def decorate(room: Room, draw: Stream) -> None:
    """Add decoration to a room whose furniture stands."""
    curtain_seed = draw.integers(2**31) if draw.chance(0.8) else None
    for wall in room.walls:
        for window in wall.windows:
            if curtain_seed is not None:  # of the same cloth at all windows
                _hang_curtains(room, wall, window, Maker(stream(curtain_seed), room.palette))
    if room.furniture and draw.chance(0.7):
        _lay_rug(room, Maker(draw, room.palette))
    _hang_pictures(room, draw)
    for placed in room.furniture:
        if placed.piece.category_id in TABLES and draw.chance(0.45):
            _set_on(room, placed, Maker(draw, room.palette))
    if draw.chance(0.4):
        _stand_plant(room, Maker(draw, room.palette))


def _hang_curtains(room: Room, wall: Wall, window: Window, make: Maker) -> None:
    """Two folded curtains left and right of a window, and the rod they hang from."""
    draw, style = make.draw, make.palette
    height = min(window.top + draw.uniform(0.1, 0.25), room.height - 0.12)
    colour = style.second_fabric_colour if draw.chance(0.6) else style.accent_colour
    cloth, metal = make.cloth(shade(colour, 1.1)), make.metal()
    half = (window.high - window.low) / 2
    reach = half + 0.40
    make.bar([(-reach, 0, height), (reach, 0, height)], 0.014, metal, 10)
    make.add(metal, *(sphere(0.026, (x, 0, height), segments=12) for x in (-reach, reach)))
    for side in SIDES:
        wide, phase = draw.uniform(0.24, 0.36), draw.uniform(0, 6)
        make.add(cloth, _folds(wide, height, phase).moved(x=side * (half + 0.08) - wide / 2))
    x, y = wall.point((window.low + window.high) / 2, -CURTAIN_GAP)
    room.decor.append(Placed(x, y, wall.yaw, make.piece()))


def _folds(width: float, height: float, phase: float) -> Mesh:
    """Hanging cloth whose folds open a little towards the floor."""

    def fold(a: Floats, b: Floats) -> Point:
        swing = np.sin(a * 28 + phase + 0.4 * np.sin(b * 3))
        return width * a, 0.032 * swing * (1.0 - 0.4 * b), 0.02 + (height - 0.01) * b

    return surface(fold, steps=(56, 8))


def _lay_rug(room: Room, make: Maker) -> None:
    """Under the dining table, before the sofa, half under the bed; sometimes round."""
    anchor, draw, style = room.anchor, make.draw, make.palette
    width = min(draw.uniform(2.2, 3.0), room.width - 0.7)
    depth = draw.uniform(1.5, 2.0)
    if draw.chance(0.15):
        depth = width = min(width, 2.2)
    x, y = anchor.x, anchor.y
    if anchor.piece.category_id != DINING_TABLE:
        x, y = anchor.point(0.0, -(anchor.piece.depth / 2 + 0.3))
    free = room.width / 2 - width / 2 - 0.2
    x, y = max(-free, min(free, x)), max(depth / 2 + 0.2, y)
    accent = style.accent_colour if draw.chance(0.6) else style.fabric_colour
    look = Material(RUG, style.second_fabric_colour, accent, motif=draw.integers(4), specular=0.0)
    woven = make.material(replace(look, half_size=(width / 2, depth / 2)))
    if width == depth:
        make.add(woven, cylinder(width / 2, 0.001, 0.015, segments=48))
    else:
        make.board((0, 0, 0.008), (width, depth, 0.014), woven, 0.006)
    room.decor.append(Placed(x, y, 0.0, make.piece()))


def _hang_pictures(room: Room, draw: Stream) -> None:
    """One above the anchor, perhaps one on each side wall, never over a window behind storage."""
    places = []
    if room.furniture and room.anchor.piece.category_id in LOW_ANCHORS:
        top = max(1.55, room.anchor.piece.height + 0.35)
        places.append((room.walls[BACK], room.anchor.x, min(top, room.height - 0.6)))
    for index in (BACK, LEFT, RIGHT):
        if draw.chance(0.5):
            wall = room.walls[index]
            places.append((wall, draw.uniform(-0.38, 0.38) * wall.length, draw.uniform(1.5, 1.7)))
    hung: list[tuple[int, float]] = []
    for wall, along, z in places:
        framed = picture(Maker(draw, room.palette))
        half = framed.width / 2
        x, y = wall.point(along, 0.0)
        crowded = any(w == wall.index and abs(s - along) < 1.1 for w, s in hung)
        windowed = wall.covers_window(along - half - 0.5, along + half + 0.5)
        if not (crowded or windowed or _hidden(room, x, y, half, z - framed.height / 2)):
            hung.append((wall.index, along))
            room.decor.append(Placed(x, y, wall.yaw, framed, z))


def _hidden(room: Room, x: float, y: float, half: float, bottom: float) -> bool:
    """Whether tall furniture stands before a stretch of wall."""
    return any(
        p.piece.support == "floor"
        and p.piece.height > bottom
        and abs(p.x - x) < half + max(p.piece.width, p.piece.depth) / 2
        and abs(p.y - y) < half + max(p.piece.width, p.piece.depth) / 2
        for p in room.furniture
    )


def _set_on(room: Room, table: Placed, make: Maker) -> None:
    """A vase, books or a bedside lamp on a table top."""
    draw = make.draw
    if table.piece.category_id == NIGHTSTAND and draw.chance(0.6):
        thing = table_lamp(make)
    else:
        thing = vase(make) if draw.chance(0.65) else books(make)
    spare = max(0.0, table.piece.width / 2 - 0.2)
    x, y = table.point(draw.uniform(-0.6, 0.6) * spare, draw.uniform(-0.03, 0.03))
    room.decor.append(Placed(x, y, draw.uniform(0.0, math.tau), thing, table.piece.height))


def _stand_plant(room: Room, make: Maker) -> None:
    """In a free corner of the farther half."""
    potted, draw = plant(make), make.draw
    for _ in range(8):
        x = draw.choice(SIDES) * (room.width / 2 - draw.uniform(0.45, 0.6))
        placed = Placed(x, room.depth - draw.uniform(0.45, 2.0), 0.0, potted)
        if room.fits(placed):
            return room.decor.append(placed)
    return None


def picture(make: Maker) -> Piece:
    """A framed painting to hang on a wall."""
    draw, style = make.draw, make.palette
    width, height = draw.uniform(0.5, 0.95), draw.uniform(0.45, 0.80)
    frame = make.metal() if draw.chance(0.5) else make.wood()
    second = style.fabric_colour if draw.chance(0.5) else style.second_accent_colour
    look = Material(PAINTING, style.accent_colour, second, specular=0.03)
    make.board((0, -0.013, 0), (width, 0.026, height), frame)
    make.board((0, -0.020, 0), (width - 0.06, 0.02, height - 0.06), make.material(look))
    return make.piece(support="wall")


def vase(make: Maker) -> Piece:
    """A glazed vase with a few leafy branches, for table tops."""
    draw = make.draw
    belly = smoothed([(0.055, 0), (0.085, 0.07), (0.08, 0.13), (0.045, 0.22), (0.055, 0.26)], 3)
    profile = [(0, 0), *belly, (0.045, 0.26), (0.035, 0.22), (0, 0.2)]
    size = draw.uniform(0.75, 1.15)
    glaze = make.plain(make.palette.second_accent_colour, specular=0.08, roughness=0.1)
    green = make.plain(draw.choice(GREENS))
    make.add(glaze, lathe(np.array(profile) * size, segments=24))
    for _ in range(draw.integers(7, 13)):
        reach, tall = draw.uniform(0.05, 0.20), draw.uniform(0.15, 0.40)
        _branch(make, (0.22 * size, reach, tall), (0.05, 0.09), green)
    return make.piece()


def plant(make: Maker) -> Piece:
    """A house plant in a pot that stands on the floor, 0.8 to 1.3 m high."""
    draw = make.draw
    radius = draw.uniform(0.13, 0.18)
    profile = [(0, 0), (0.75 * radius, 0), (radius, 0.26), (0.92 * radius, 0.26), (0, 0.23)]
    pot = make.plain(draw.choice(((0.9, 0.89, 0.86), make.palette.accent_colour)))
    green = make.plain(draw.choice(GREENS))
    make.add(pot, lathe(profile, segments=28))
    for _ in range(draw.integers(14, 22)):
        reach, tall = draw.uniform(0.10, 0.38), draw.uniform(0.35, 0.95)
        _branch(make, (0.22, reach, tall), (0.18, 0.30), green)
    return make.piece()


def _branch(make: Maker, shape: Vector, leaf_size: Vector, green: int) -> None:
    """A stem that bends outwards with three leaves; shape: (bottom z, reach, height), metres."""
    draw, (bottom, reach, tall) = make.draw, shape
    angle = draw.uniform(0, math.tau)
    out = np.array([math.cos(angle), math.sin(angle), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    knots = [bottom * up, bottom * up + 0.4 * reach * out + 0.6 * tall * up]
    knots.append(bottom * up + reach * out + tall * up)
    make.bar(knots, 0.003, green, 5)
    for share in (0.55, 0.8, 1.0):
        start = knots[1] + (knots[2] - knots[1]) * (2 * share - 1)
        sideways = np.array([draw.normal(), draw.normal(), 0.5 * draw.normal()])
        size = draw.uniform(*leaf_size)
        make.add(green, _leaf(start, out + 0.5 * up + 0.6 * sideways, size))


def _leaf(start: Floats, direction: Floats, size: float) -> Mesh:
    """A pointed leaf folded along its middle rib, tip drooping."""
    along = direction / max(float(length(direction)), 1e-6)
    across = np.cross(along, np.array([0.3, 0.2, 1.0]))
    across = across / max(float(length(across)), 1e-6)
    droop, rib = np.array([0, 0, -0.25 * size]), np.array([0, 0, -0.06 * size])
    middle, tip = start + 0.5 * size * along, start + size * along + droop
    edges = [middle - 0.27 * size * across, middle + 0.27 * size * across]
    faces = np.array([[0, 1, 4], [1, 3, 4], [0, 4, 2], [4, 3, 2]])
    return Mesh(np.stack([start, *edges, tip, middle + rib]), faces)


def books(make: Maker) -> Piece:
    """Three to six books lying on one another, none quite straight."""
    draw, z = make.draw, 0.0
    for _ in range(draw.integers(3, 7)):
        thick = draw.uniform(0.015, 0.04)
        size = (draw.uniform(0.20, 0.28), draw.uniform(0.15, 0.20), thick)
        block = box((0, 0, z + thick / 2), size, steps=0).turned("z", draw.uniform(-0.3, 0.3))
        make.add(make.plain(draw.choice((*BOOK_COLOURS, make.palette.accent_colour))), block)
        z += thick
    return make.piece()


def table_lamp(make: Maker) -> Piece:
    """A bedside lamp: a turned foot and a lit cloth shade."""
    r = make.draw.uniform(0.10, 0.15)
    stem = smoothed([(0.02, 0.02), (0.04, 0.08), (0.03, 0.14), (0.012, 0.20), (0.010, 0.3)], 3)
    foot = [(0, 0), (0.07, 0), (0.07, 0.015), (0.02, 0.015), *stem, (0, 0.3)]
    hood = [(0.7 * r - 0.004, 0.4), (r - 0.004, 0.22), (r, 0.22), (0.7 * r, 0.4)]
    make.add(make.metal(), lathe(foot, segments=24))
    make.add(make.glow(1.5, SHADE_CLOTH), lathe([*hood, hood[0]]))
    return make.piece()
