"""The box all cabinets are: side boards, a grid of doors, drawers and niches, handles, legs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from helpers.scenes.furniture.common import SIDES, bar, board, knob, legs
from helpers.scenes.materials import Colour, Palette
from helpers.scenes.pieces import Part, part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import box, tube

Cell = Literal["door", "drawer", "open"]
Handle = Literal["knob", "bar", "none"]
Contents = Literal["books", "toys", "none"]

THICKNESS = 0.02  # m, of all boards
FRONT_LIFT = 0.013  # m, by which doors and drawers stand proud of the body
BOOK_COLOURS: tuple[Colour, ...] = (
    (0.75, 0.72, 0.66),
    (0.30, 0.35, 0.42),
    (0.55, 0.25, 0.20),
    (0.85, 0.82, 0.76),
    (0.35, 0.42, 0.35),
)
TOY_COLOURS: tuple[Colour, ...] = ((0.55, 0.75, 0.90), (0.95, 0.70, 0.40), (0.60, 0.80, 0.60))


@dataclass(frozen=True)
class Row:
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


@dataclass(frozen=True)
class Carcass:
    """A cabinet to be built: sizes in metres, rows from the top down, material indices."""

    width: float
    depth: float
    height: float
    rows: Sequence[Row]
    body: int
    front: int
    metal: int
    top: int
    leg: float = 0.08
    handle: Handle = "bar"
    contents: Contents = "none"
    panelled: bool = False
    back: bool = True

    def openings(self) -> list[Opening]:
        """Every cell, from the top down and from left to right."""
        found = []
        free = self.height - self.leg - 2 * THICKNESS
        z = self.height - THICKNESS
        for row in self.rows:
            high = free * row.share / sum(r.share for r in self.rows)
            wide = (self.width - 2 * THICKNESS) / row.columns
            z -= high
            for column in range(row.columns):
                x = wide * (column + 0.5) - self.width / 2 + THICKNESS
                found.append(Opening(row, column, x, z, wide, high))
        return found


def carcass(stream: Stream, palette: Palette, plan: Carcass) -> list[Part]:
    """The parts of the cabinet; the stream decides about legs and what lies in open cells."""
    made = _body(plan) + _foot(stream, plan)
    things = _content_materials(stream, palette, plan.contents)
    deep = plan.depth - 0.02
    for cell in plan.openings():
        if cell.column == 0 and cell.z > plan.leg + 2 * THICKNESS:
            made.append(board((0, 0, cell.z), (plan.width - 0.04, deep, 0.016), plan.body))
        if cell.row.cell != "open":
            made += _front(plan, cell)
            continue
        if cell.column:
            middle = (cell.x - cell.width / 2, 0, cell.z + cell.height / 2)
            made.append(board(middle, (0.016, deep, cell.height), plan.body))
        made += _contents(stream, plan, cell, things)
    return made


def _body(plan: Carcass) -> list[Part]:
    w, d, h, t = plan.width, plan.depth, plan.height, THICKNESS
    middle, tall = (plan.leg + h) / 2, h - plan.leg
    made = [board((s * (w - t) / 2, 0, middle), (t, d, tall), plan.body) for s in SIDES]
    made.append(board((0, 0, h - t / 2), (w + 0.004, d + 0.004, t + 0.002), plan.top))
    made.append(board((0, 0, plan.leg + t / 2), (w - 0.04, d, t), plan.body))
    if plan.back:
        made.append(board((0, d / 2 - 0.006, middle), (w - 0.04, 0.01, tall - 0.02), plan.body))
    return made


def _foot(stream: Stream, plan: Carcass) -> list[Part]:
    """Four legs, or a set-back plinth under low cabinets."""
    if plan.leg <= 0.05:
        size = (plan.width - 0.06, plan.depth - 0.06, plan.leg + 0.01)
        return [board((0, 0.01, size[2] / 2), size, plan.body)]
    spread, splay = (plan.width - 0.12, plan.depth - 0.10), stream.choice((0.0, 0.03))
    material = plan.metal if stream.chance(0.5) else plan.body
    return legs(spread, (0, plan.leg + 0.01), (0.020, 0.012), material, splay=splay)


def _front(plan: Carcass, cell: Opening) -> list[Part]:
    """One door or drawer front with its handle."""
    y, middle = -plan.depth / 2 - FRONT_LIFT, cell.z + cell.height / 2
    size = (cell.width - 0.008, 0.018, cell.height - 0.008)
    made = [board((cell.x, y + 0.009, middle), size, plan.front)]
    u, v = size[0] / 2 - 0.05, size[2] / 2 - 0.05
    if plan.panelled and min(u, v) > 0.03:
        corners = [(-u, -v), (u, -v), (u, v), (-u, v)]
        bead = [(cell.x + a, y, middle + b) for a, b in corners]
        made.append(part(tube(bead, 0.011, sides=4, closed=True), plan.front))
    return made + _handle(plan, cell, y)


def _handle(plan: Carcass, cell: Opening, y: float) -> list[Part]:
    """A knob or bar in the middle of a drawer, or at the edge where a door opens."""
    x, z, upright = cell.x, cell.z + cell.height / 2, cell.row.cell == "door"
    if upright:  # doors meet in pairs, their handles side by side
        paired = cell.column % 2 == 0 and cell.column + 1 < cell.row.columns
        x += (cell.width / 2 - 0.05) * (1 if paired or cell.row.columns == 1 else -1)
    if plan.handle == "knob":
        return [knob((x, y, z), plan.metal)]
    if plan.handle == "none":
        return []
    half = min(0.15, 0.18 * cell.height) if upright else min(0.08, 0.18 * cell.width)
    across, along = (0.0, half) if upright else (half, 0.0)
    ends = [(x + s * across, y - 0.022, z + s * along) for s in SIDES]
    posts = [bar((e[0], y, e[2]), e, 0.005, plan.metal, sides=6) for e in ends]
    return [bar(ends[0], ends[1], 0.007, plan.metal), *posts]


def _content_materials(stream: Stream, palette: Palette, contents: Contents) -> list[int]:
    if contents == "none":
        return []
    if contents == "toys":
        return [palette.plain(stream, colour) for colour in TOY_COLOURS]
    return [palette.plain(stream, c) for c in (*BOOK_COLOURS, palette.accent_colour)]


def _contents(stream: Stream, plan: Carcass, cell: Opening, materials: Sequence[int]) -> list[Part]:
    span, z = (cell.x - cell.width / 2 + 0.03, cell.x + cell.width / 2 - 0.03), cell.z + 0.008
    if plan.contents == "books":
        size = (min(0.2, plan.depth * 0.7), min(0.36, cell.height))
        return book_row(stream, span, z, size, materials)
    if plan.contents == "toys":
        return _blocks(stream, span, z, min(0.12, cell.height * 0.4), materials)
    return []


def book_row(
    stream: Stream,
    span: tuple[float, float],
    z: float,
    size: tuple[float, float],
    materials: Sequence[int],
    *,
    fill: float = 0.9,
) -> list[Part]:
    """Books standing from span[0] to span[1] at height z, with gaps here and there.

    size: (depth, height of the tallest book's limit); fill: probability that no gap follows.
    """
    made, x = [], span[0]
    while x < span[1] - 0.05:
        thick, tall = stream.uniform(0.018, 0.045), stream.uniform(0.5, 0.85) * size[1]
        block = box((x + thick / 2, 0, z + tall / 2), (thick * 0.94, size[0], tall), steps=0)
        made.append(part(block, stream.choice(materials)))
        x += thick if stream.chance(fill) else stream.uniform(0.08, 0.2)
    return made


def _blocks(
    stream: Stream, span: tuple[float, float], z: float, size: float, materials: Sequence[int]
) -> list[Part]:
    """Toy bricks, some of them stacked."""
    made, x = [], span[0] + size / 2
    while x < span[1] - size / 2:
        for level in range(stream.integers(1, 3)):
            middle = (x, stream.uniform(-0.03, 0.03), z + size * (level + 0.5))
            made.append(board(middle, (size * 0.95,) * 3, stream.choice(materials), radius=0.01))
        x += size * stream.uniform(1.1, 1.9)
    return made
