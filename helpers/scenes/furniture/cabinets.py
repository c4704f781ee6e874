"""Cabinets and shelves: what stores things, from the nightstand to the wine cabinet.

Most are a carcass: side boards, a grid of doors, drawers and niches, handles, legs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from helpers.scenes.materials import Colour
from helpers.scenes.pieces import SIDES, Maker
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Vector, box, lathe

Cell = Literal["door", "drawer", "open"]
Handle = Literal["knob", "bar", "none"]
Contents = Literal["books", "toys", "none"]
Size = tuple[float, float, float]  # width, depth, height in metres

THICKNESS = 0.02  # m, of all boards
FRONT_LIFT = 0.013  # m, by which doors and drawers stand proud of the body
BOOK_COLOURS: tuple[Colour, ...] = (
    (0.75, 0.72, 0.66), (0.30, 0.35, 0.42), (0.55, 0.25, 0.20),
    (0.85, 0.82, 0.76), (0.35, 0.42, 0.35),
)  # fmt: skip
TOY_COLOURS: tuple[Colour, ...] = ((0.55, 0.75, 0.90), (0.95, 0.70, 0.40), (0.60, 0.80, 0.60))
PASTELS: tuple[Colour, ...] = (
    (0.95, 0.80, 0.82), (0.75, 0.88, 0.93), (0.97, 0.93, 0.75), (0.80, 0.90, 0.78),
)  # fmt: skip
BOTTLES: tuple[Colour, ...] = ((0.12, 0.20, 0.12), (0.25, 0.10, 0.10), (0.10, 0.10, 0.12))
OFF_WHITE: Colour = (0.95, 0.95, 0.93)


class Row(NamedTuple):
    """One row of equal cells; its height is its share of the sum of all shares."""

    share: float
    columns: int
    cell: Cell


class Opening(NamedTuple):
    """One cell of a carcass: its row, its number in the row, its place and size in the front."""

    row: Row
    column: int
    x: float  # of the middle
    z: float  # of the bottom
    width: float
    height: float


class Look(NamedTuple):
    """Material indices of a cabinet."""

    body: int
    front: int
    metal: int
    top: int


@dataclass(frozen=True)
class Carcass:
    """A cabinet to be built: sizes in metres, rows from the top down; handle None: drawn."""

    size: Size
    rows: Sequence[Row]
    leg: float
    handle: Handle | None = None
    contents: Contents = "none"
    panelled: bool = False

    def openings(self) -> list[Opening]:
        """Every cell, from the top down and from left to right."""
        found, (width, _, height) = [], self.size
        free = height - self.leg - 2 * THICKNESS
        z = height - THICKNESS
        for row in self.rows:
            high = free * row.share / sum(r.share for r in self.rows)
            wide = (width - 2 * THICKNESS) / row.columns
            z -= high
            for column in range(row.columns):
                x = wide * (column + 0.5) - width / 2 + THICKNESS
                found.append(Opening(row, column, x, z, wide, high))
        return found


def carcass(make: Maker, plan: Carcass, look: Look) -> None:
    """The parts of the cabinet; the stream decides about legs and what lies in open cells."""
    draw, (w, d, h), t, leg, body = make.draw, plan.size, THICKNESS, plan.leg, look.body
    handle = plan.handle or draw.choice(("knob", "bar", "none"))
    middle, tall = (leg + h) / 2, h - leg
    make.board(((w - t) / 2, 0, middle), (t, d, tall), body, both=True)
    make.board((0, 0, h - t / 2), (w + 0.004, d + 0.004, t + 0.002), look.top)
    make.board((0, 0, leg + t / 2), (w - 0.04, d, t), body)
    make.board((0, d / 2 - 0.006, middle), (w - 0.04, 0.01, tall - 0.02), body)
    if leg <= 0.05:  # a set-back plinth
        make.board((0, 0.01, (leg + 0.01) / 2), (w - 0.06, d - 0.06, leg + 0.01), body)
    else:
        splay = draw.choice((0.0, 0.03))
        foot = look.metal if draw.chance(0.5) else body
        make.legs((w - 0.12, d - 0.10), leg + 0.01, (0.020, 0.012), foot, splay=splay)
    books = (*BOOK_COLOURS, make.palette.accent_colour)
    colours = {"books": books, "toys": TOY_COLOURS, "none": ()}[plan.contents]
    things = [make.plain(colour) for colour in colours]
    for cell in plan.openings():
        if cell.column == 0 and cell.z > leg + 2 * t:
            make.board((0, 0, cell.z), (w - 0.04, d - 0.02, 0.016), body)
        if cell.row.cell != "open":
            _front(make, plan, look, cell, handle)
            continue
        if cell.column:
            side = (cell.x - cell.width / 2, 0, cell.z + cell.height / 2)
            make.board(side, (0.016, d - 0.02, cell.height), body)
        span, z = (cell.x - cell.width / 2 + 0.03, cell.x + cell.width / 2 - 0.03), cell.z + 0.008
        if plan.contents == "books":
            _book_row(make, span, z, (min(0.2, d * 0.7), min(0.36, cell.height)), things)
        elif plan.contents == "toys":
            _blocks(make, span, z, min(0.12, cell.height * 0.4), things)


def _front(make: Maker, plan: Carcass, look: Look, cell: Opening, handle: Handle) -> None:
    """One door or drawer front; its handle is in the middle, or at the edge where a door opens."""
    x, y, z = cell.x, -plan.size[1] / 2 - FRONT_LIFT, cell.z + cell.height / 2
    size, upright = (cell.width - 0.008, 0.018, cell.height - 0.008), cell.row.cell == "door"
    make.board((x, y + 0.009, z), size, look.front)
    u, v = size[0] / 2 - 0.05, size[2] / 2 - 0.05
    if plan.panelled and min(u, v) > 0.03:
        bead = [(x - u, y, z - v), (x + u, y, z - v), (x + u, y, z + v), (x - u, y, z + v)]
        make.bar(bead, 0.011, look.front, 4, closed=True)
    if upright:  # doors meet in pairs, their handles side by side
        paired = cell.column % 2 == 0 and cell.column + 1 < cell.row.columns
        x += (cell.width / 2 - 0.05) * (1 if paired or cell.row.columns == 1 else -1)
    if handle == "knob":
        make.knob((x, y, z), look.metal)
    elif handle == "bar":
        half = min(0.15, 0.18 * cell.height) if upright else min(0.08, 0.18 * cell.width)
        across, along = (0.0, half) if upright else (half, 0.0)
        ends = [(x + s * across, y - 0.022, z + s * along) for s in SIDES]
        make.bar(ends, 0.007, look.metal)
        for end in ends:
            make.bar([(end[0], y, end[2]), end], 0.005, look.metal, 6)


def _book_row(make: Maker, span: Vector, z: float, size: Vector, looks: list[int]) -> None:
    """Books standing from span[0] to span[1] at height z, with gaps here and there.

    size: (depth, height of the tallest book's limit); looks: materials to choose from.
    """
    draw, x = make.draw, span[0]
    while x < span[1] - 0.05:
        thick, tall = draw.uniform(0.018, 0.045), draw.uniform(0.5, 0.85) * size[1]
        block = box((x + thick / 2, 0, z + tall / 2), (thick * 0.94, size[0], tall), steps=0)
        make.add(draw.choice(looks), block)
        x += thick if draw.chance(0.9) else draw.uniform(0.08, 0.2)


def _blocks(make: Maker, span: Vector, z: float, size: float, looks: list[int]) -> None:
    """Toy bricks, some of them stacked."""
    draw, x = make.draw, span[0] + size / 2
    while x < span[1] - size / 2:
        for level in range(draw.integers(1, 3)):
            middle = (x, draw.uniform(-0.03, 0.03), z + size * (level + 0.5))
            make.board(middle, (size * 0.95,) * 3, draw.choice(looks), 0.01)
        x += size * draw.uniform(1.1, 1.9)


def _look(make: Maker, *, axis: int = 0, marble: bool = False) -> Look:
    """The room's woods, the grain along the axis; `marble` allows a stone top."""
    body = make.wood(axis=axis)
    front = make.front(axis=axis) if make.draw.chance(0.7) else body
    return Look(body, front, make.metal(), make.top() if marble else body)


def children_cabinet(make: Maker, draw: Stream) -> None:
    """1: pastel and white, small drawers and toy niches, mostly under a little house roof."""
    roofed, width = draw.chance(0.7), draw.uniform(0.7, 1.0)
    height = draw.uniform(0.95, 1.3)
    rise = 0.3 * width
    base = height - rise if roofed else height
    pastel, white = make.plain(draw.choice(PASTELS)), make.plain(OFF_WHITE)
    kinds: tuple[Cell, ...] = ("open", draw.choice(("open", "drawer")), "drawer")
    rows = [Row(1, 2, kind) for kind in kinds[: draw.integers(2, 4)]]
    if len(rows) < 3:
        rows = [rows[0], Row(1, 2, "door")]
    metal, size = make.metal(), (width, 0.4, base)
    carcass(make, Carcass(size, rows, 0.05, "knob", "toys"), Look(white, pastel, metal, pastel))
    if roofed:
        half = width / 2 + 0.02
        slope = math.atan2(rise - 0.03, half)
        for side in SIDES:
            long = math.hypot(half, rise - 0.03) + 0.01
            plank = box((0, 0, 0), (long, 0.42, 0.028), radius=0.005).turned("y", side * slope)
            make.add(pastel, plank.moved(side * half / 2, 0, base + rise / 2 - 0.015))


def nightstand(make: Maker, draw: Stream) -> None:
    """2: a cube by the bed, two or three drawers or a drawer over a niche, on legs."""
    lower: Cell = draw.choice(("drawer", "drawer", "open"))
    rows = [Row(1, 1, "drawer"), *[Row(1, 1, lower)] * draw.integers(1, 3)]
    size = (draw.uniform(0.42, 0.56), draw.uniform(0.36, 0.42), draw.uniform(0.45, 0.60))
    if lower == "open":
        rows = rows[:2]
    carcass(make, Carcass(size, rows, draw.uniform(0.06, 0.20), contents="books"), _look(make))


def bookcase(make: Maker, draw: Stream) -> None:
    """3: tall, a closed back, four or five shelves full of books."""
    size = (draw.uniform(0.8, 1.3), 0.32, draw.uniform(1.7, 2.2))
    columns = 2 if size[0] > 1.0 and draw.chance(0.6) else 1
    rows = [Row(1, columns, "open")] * draw.integers(4, 6)
    carcass(make, Carcass(size, rows, 0.05, contents="books"), _look(make, axis=2))


def wardrobe(make: Maker, draw: Stream) -> None:
    """4: tall and closed, two to four doors with long handles, sometimes a top row."""
    size = (draw.uniform(1.3, 2.0), 0.6, draw.uniform(2.0, 2.35))
    doors = draw.integers(2, 5)
    rows = [Row(1, doors, "door")]
    if draw.chance(0.5):
        rows.append(Row(4.5, doors, "door"))
    panelled = draw.chance(0.5)
    plan = Carcass(size, rows, draw.uniform(0.03, 0.10), "bar", panelled=panelled)
    carcass(make, plan, _look(make, axis=2))


def sideboard(make: Maker, draw: Stream) -> None:
    """7: waist high and wide; three drawers over doors, or an open console table."""
    if not draw.chance(0.4):
        size = (draw.uniform(1.1, 1.6), 0.42, draw.uniform(0.78, 0.92))
        rows = [Row(1, 3, "drawer"), Row(2, draw.choice((2, 3, 4)), "door")]
        plan = Carcass(size, rows, draw.uniform(0.10, 0.20))
        return carcass(make, plan, _look(make, marble=True))
    width, depth, height = draw.uniform(1.0, 1.4), 0.34, draw.uniform(0.78, 0.86)
    base = make.metal() if draw.chance(0.5) else make.wood(axis=2)
    make.board((0, 0, height - 0.017), (width, depth, 0.034), make.top(), 0.008)
    make.board((0, 0, height - 0.10), (width - 0.08, depth - 0.04, 0.13), make.wood())
    make.board((0, 0, 0.16), (width - 0.08, depth - 0.04, 0.02), base)
    spread = (width - 0.06, depth - 0.06)
    return make.legs(spread, height - 0.03, (0.022, 0.017), base, splay=0, sides=4)


def tv_stand(make: Maker, draw: Stream) -> None:
    """9: long and low, one row of two to four drawers, doors and niches."""
    size = (draw.uniform(1.5, 2.1), 0.4, draw.uniform(0.42, 0.55))
    kind: Cell = draw.choice(("drawer", "door", "open"))
    columns = draw.integers(2, 5)
    rows = [Row(1, columns, kind)]
    if kind == "open":
        rows.append(Row(1, columns, "drawer"))
    carcass(make, Carcass(size, rows, draw.uniform(0.08, 0.18)), _look(make, marble=True))


def drawer_chest(make: Maker, draw: Stream) -> None:
    """10: nothing but drawers, three to five rows of one or two."""
    size = (draw.uniform(0.7, 1.1), 0.45, draw.uniform(0.85, 1.2))
    rows = [Row(1, draw.integers(1, 3), "drawer")] * draw.integers(3, 6)
    carcass(make, Carcass(size, rows, draw.uniform(0.05, 0.14)), _look(make))


def shelf(make: Maker, draw: Stream) -> None:
    """11: an etagere, boards on thin metal frames; no back, the wall shows through."""
    width, depth, height = draw.uniform(0.7, 1.1), 0.32, draw.uniform(1.5, 1.95)
    metal, wood = make.metal(), make.wood()
    colours = (make.palette.accent_colour, make.palette.second_fabric_colour, BOOK_COLOURS[3])
    things = [make.plain(colour) for colour in colours]
    x, y, top = width / 2 - 0.011, depth / 2 - 0.011, height - 0.011
    make.bar([(x, -y, 0), (x, -y, top), (x, y, top), (x, y, 0)], 0.011, metal, both=True)
    for end in (-y, y):
        make.bar([(-width / 2, end, top), (width / 2, end, top)], 0.011, metal)
    for z in np.linspace(0.12, height - 0.28, draw.integers(4, 6)):
        make.board((0, 0, z), (width - 0.02, depth - 0.02, 0.022), wood)
        start = draw.uniform(-0.42, 0.0) * width
        span = (start, start + draw.uniform(0.2, 0.4) * width)
        _book_row(make, span, z + 0.011, (0.2, 0.28), things)


def wine_cabinet(make: Maker, draw: Stream) -> None:
    """8: tall; glasses above, a lattice of bottles in the middle, doors below."""
    size, wood = (draw.uniform(0.75, 1.05), 0.36, draw.uniform(1.7, 2.1)), make.wood(axis=2)
    front = make.front(axis=2) if draw.chance(0.5) else wood
    rows = [Row(0.75, 1, "open"), Row(0.75, 1, "open"), Row(1.1, 1, "open"), Row(1.1, 2, "door")]
    plan = Carcass(size, rows, 0.08, "bar")
    carcass(make, plan, Look(wood, front, make.metal(), wood))
    crystal = make.plain((0.85, 0.90, 0.92), specular=0.2, roughness=0.05)
    glass = [(0, 0), (0.035, 0), (0.035, 0.003), (0.005, 0.012), (0.005, 0.08), (0.033, 0.12)]
    glass += [(0.036, 0.15), (0.030, 0.19), (0.027, 0.19), (0.030, 0.12), (0, 0.09)]
    upper, lower, rack, _, _ = plan.openings()
    for cell in (upper, lower):
        for x in np.linspace(-size[0] / 2 + 0.12, size[0] / 2 - 0.12, draw.integers(4, 7)):
            centre = (x, draw.uniform(-0.06, 0.04), cell.z + 0.008)
            make.add(crystal, lathe(glass, segments=14, centre=centre))
    bottles = [make.plain(colour, specular=0.08, roughness=0.1) for colour in BOTTLES]
    _bottle_rack(make, size[0], rack, bottles, wood)


def _bottle_rack(make: Maker, width: float, cell: Opening, bottles: list[int], wood: int) -> None:
    """Crossed slats in three bays, bottles lying in the openings with their necks to the front."""
    draw, z, high, wide = make.draw, cell.z, cell.height, (width - 0.06) / 3
    profile = [(0, 0), (0.036, 0), (0.038, 0.006), (0.038, 0.19), (0.014, 0.25), (0.014, 0.30)]
    bottle = lathe([*profile, (0, 0.30)], segments=14).facing_front().moved(y=0.12)
    for bay in range(3):
        x = -width / 2 + 0.03 + wide * bay
        for low, top in ((z, z + high), (z + high, z)):
            make.bar([(x, -0.08, low), (x + wide, -0.08, top)], 0.013, wood, 4)
        for u, v in ((0.5, 0.2), (0.5, 0.8), (0.2, 0.5), (0.8, 0.5)):
            if draw.chance(0.8):
                make.add(draw.choice(bottles), bottle.moved(x=x + wide * u, z=z + high * v))
