"""Where things stand: footprints, walls, and one function for each way to place a piece.

A room is [-width / 2, width / 2] x [0, depth] x [0, height] metres; the back wall lies at
y = depth. A piece that is placed with yaw 0 looks towards -y, out of the back wall. Placing tries
a few times and leaves a piece out rather than let it stand in another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import atan2, cos, pi, sin
from typing import NamedTuple

import numpy as np

from helpers.scenes.materials import Palette
from helpers.scenes.pieces import SIDES, Piece
from helpers.scenes.random import Stream

BACK, LEFT, RIGHT, FRONT = range(4)
CLEARANCE = 0.03  # metres between two pieces
CURTAIN = 0.24  # metres that a piece keeps from a wall with curtains
TRIES = 14  # places tried for a piece before it is left out
WALL_CHANCE = {BACK: 0.46, LEFT: 0.26, RIGHT: 0.26, FRONT: 0.02}  # of storage
BEDS = (13, 15, 16)
DESKS = (7, 23, 25)
DINING_TABLE, PENDANT = 24, 33


@dataclass(frozen=True)
class Standing:
    """Whatever has a place on the floor plan and a turn: yaw, radians anticlockwise."""

    x: float
    y: float
    yaw: float

    def point(self, a: float, b: float) -> tuple[float, float]:
        """World x, y of its own a, b."""
        c, s = cos(self.yaw), sin(self.yaw)
        return self.x + c * a - s * b, self.y + s * a + c * b


@dataclass(frozen=True)
class Footprint(Standing):
    """A rectangle on the floor around its middle, sizes in metres."""

    width: float
    depth: float

    def corners(self) -> list[tuple[float, float]]:
        return [self.point(a * self.width / 2, b * self.depth / 2) for a in SIDES for b in SIDES]

    def overlaps(self, other: Footprint) -> bool:
        """Whether the two rectangles share more than a border (separating axes)."""
        mine, theirs = self.corners(), other.corners()
        for angle in (self.yaw, self.yaw + pi / 2, other.yaw, other.yaw + pi / 2):
            c, s = cos(angle), sin(angle)
            a = [c * x + s * y for x, y in mine]
            b = [c * x + s * y for x, y in theirs]
            if max(a) <= min(b) + 1e-9 or max(b) <= min(a) + 1e-9:
                return False
        return True


@dataclass(frozen=True)
class Placed(Standing):
    """A piece, turned by yaw about its own z axis and then moved to (x, y, z)."""

    piece: Piece
    z: float = 0.0

    def footprint(self, margin: float = 0.0) -> Footprint:
        width, depth = self.piece.width + margin, self.piece.depth + margin
        return Footprint(self.x, self.y, self.yaw, width, depth)


class Window(NamedTuple):
    """An opening: horizontal range along its wall (0 in the middle) and heights, metres."""

    low: float
    high: float
    sill: float
    top: float


@dataclass(frozen=True)
class Wall(Standing):
    """A wall as seen from the room: x runs along it from -length / 2, y points out of the room."""

    index: int
    length: float
    windows: tuple[Window, ...]

    def covers_window(self, low: float, high: float, height: float = 9.0) -> bool:
        return any(low < w.high and high > w.low and height > w.sill for w in self.windows)


def make_walls(
    width: float, depth: float, windows: dict[int, tuple[Window, ...]]
) -> tuple[Wall, ...]:
    """The four walls in the order BACK, LEFT, RIGHT, FRONT."""
    places = ((0.0, depth, 0.0), (-width / 2, depth / 2, pi / 2))
    places += ((width / 2, depth / 2, -pi / 2), (0.0, 0.0, pi))
    lengths = (width, depth, depth, width)
    return tuple(Wall(*places[i], i, lengths[i], windows.get(i, ())) for i in range(4))


@dataclass
class Room:
    """A room, empty at first. furniture: what is labelled; decor and shell: what is not."""

    width: float
    depth: float
    height: float
    walls: tuple[Wall, ...]
    palette: Palette  # and the materials of everything
    furniture: list[Placed] = field(default_factory=list)
    decor: list[Placed] = field(default_factory=list)
    shell: list[Placed] = field(default_factory=list)
    lights: np.ndarray | None = None  # (L,) records of shading.LIGHT
    feature: int | None = None  # index into furniture of the piece that the room was made for

    @property
    def anchor(self) -> Placed:
        """What the others are placed around: the first piece that found its place."""
        return self.furniture[0]

    def fits(self, placed: Placed) -> bool:
        """Whether a floor piece stands inside the room and clear of all others."""
        inside = all(
            abs(x) <= self.width / 2 - 0.01 and 0.01 <= y <= self.depth - 0.01
            for x, y in placed.footprint().corners()
        )
        return inside and not any(
            placed.footprint(CLEARANCE).overlaps(other.footprint())
            for other in self.furniture
            if other.piece.support == "floor"
        )

    def add(self, placed: Placed) -> bool:
        """Keep the piece if it fits; ceiling pieces always do."""
        if placed.piece.support == "floor" and not self.fits(placed):
            return False
        self.furniture.append(placed)
        return True


@dataclass(frozen=True)
class Slot:
    """Room for one kind of thing: candidates, how they are placed, how often, and in what number.

    place: a key of the tables at the end, relative to the anchor (the first slot of a programme) or
    to the room; chance: that it is used at all; copies: least and most equal pieces.
    """

    place: str
    categories: tuple[int, ...]
    chance: float = 1.0
    copies: tuple[int, int] = (1, 1)


def place(room: Room, slot: Slot, piece: Piece, draw: Stream) -> None:
    """Put the piece (or copies of it) where the slot says, if there is room."""
    if slot.place in _COPIED:
        if room.furniture:
            _COPIED[slot.place](room, slot, piece, draw)
        return
    candidate, tries = _SINGLE[slot.place]
    for _ in range(tries):
        placed = candidate(room, piece, draw)
        if placed is not None and room.add(placed):
            return


def _at_back_wall(room: Room, piece: Piece, draw: Stream) -> Placed:
    """Sofas and beds: about the middle of the back wall, even before a window."""
    spare = max(0.0, room.width - piece.width - 1.2)
    x = draw.uniform(-0.35, 0.35) * spare
    gap = 0.26 if room.walls[BACK].windows else draw.uniform(0.05, 0.12)
    return Placed(x, room.depth - piece.depth / 2 - gap, 0.0, piece)


def _table(room: Room, piece: Piece, draw: Stream) -> Placed:
    """Dining tables: in the farther half of the room."""
    yaw = (0.0 if draw.chance(0.7) else pi / 2) + draw.normal(0.0, 0.03)
    y = room.depth - draw.uniform(1.75, 2.4)
    return Placed(draw.uniform(-0.3, 0.3), y, yaw, piece)


def _desk(room: Room, piece: Piece, draw: Stream) -> Placed:
    """Desks: at the back wall, or free in the room and facing it."""
    if draw.chance(0.5):
        return _at_back_wall(room, piece, draw)
    y = room.depth - draw.uniform(1.3, 1.7)
    return Placed(draw.uniform(-0.4, 0.4), y, pi + draw.normal(0.0, 0.04), piece)


def _before(room: Room, piece: Piece, draw: Stream) -> Placed | None:
    """Coffee tables and benches: in front of the anchor."""
    if not room.furniture:
        return None
    anchor = room.anchor
    bed = anchor.piece.category_id in BEDS
    gap = draw.uniform(0.04, 0.12) if bed else draw.uniform(0.3, 0.5)
    away = anchor.piece.depth / 2 + gap + piece.depth / 2
    x, y = anchor.point(draw.normal(0.0, 0.08), -away)
    return Placed(x, y, anchor.yaw + draw.normal(0.0, 0.04), piece)


def _at_wall(room: Room, piece: Piece, draw: Stream) -> Placed | None:
    """Storage: with its back to any wall, clear of windows."""
    width, depth = piece.width, piece.depth
    index = draw.weighted(WALL_CHANCE)
    wall = room.walls[index]
    spare = wall.length / 2 - width / 2 - 0.08
    along = draw.uniform(-spare, spare)
    if index in (LEFT, RIGHT) and draw.chance(0.85):  # the half where the anchor is
        along = abs(along) if index == LEFT else -abs(along)
    low, high = along - width / 2, along + width / 2
    if wall.covers_window(low, high, piece.height):
        return None
    curtained = wall.covers_window(low - 0.45, high + 0.45)
    x, y = wall.point(along, -(depth / 2 + (CURTAIN if curtained else 0.04)))
    return Placed(x, y, wall.yaw, piece)


def _seat(room: Room, piece: Piece, draw: Stream) -> Placed:
    """A chair at the desk or dressing table, turned half into the room; at a desk that stands free,
    on the side of the camera."""
    desk = next((p for p in room.furniture if p.piece.category_id in DESKS), None)
    if desk is None:
        return _in_corner(room, piece, draw)
    away = desk.piece.depth / 2 + piece.depth / 2 + draw.uniform(0.02, 0.2)
    if abs(cos(desk.yaw) + 1) < 0.5:  # it stands free in the room
        x, y = desk.point(draw.uniform(-0.25, 0.25), away)
        return Placed(x, y, draw.uniform(-0.3, 0.3), piece)
    x, y = desk.point(draw.uniform(-0.25, 0.25), -away)
    turn = draw.choice((-1, 1)) * draw.uniform(0.5, 1.7)
    return Placed(x, y, desk.yaw + turn, piece)


def _in_corner(room: Room, piece: Piece, draw: Stream) -> Placed:
    """Easy chairs: somewhere along a side of the room, turned to its middle."""
    side = draw.choice((-1, 1))
    x = side * (room.width / 2 - max(piece.width, piece.depth) / 2 - draw.uniform(0.1, 0.5))
    y = room.depth - draw.uniform(0.6, 3.2)
    return Placed(x, y, atan2(-x, y - room.depth * 0.45) + draw.normal(0.0, 0.25), piece)


def _overhead(room: Room, piece: Piece, draw: Stream) -> Placed:
    """Lamps: pendants over the table or before the anchor, flat ones farther into the room."""
    x, y = draw.normal(0.0, 0.15), room.depth - draw.uniform(1.2, 2.2)
    if piece.category_id == PENDANT and room.furniture:
        anchor = room.anchor
        table = anchor.piece.category_id == DINING_TABLE
        ahead = 0.0 if table else -(anchor.piece.depth / 2 + 0.5) * draw.uniform(0.3, 1.0)
        x, y = anchor.point(draw.normal(0.0, 0.05), ahead)
    return Placed(x, y, draw.uniform(0.0, 2 * pi), piece, room.height)


def _beside(room: Room, slot: Slot, piece: Piece, draw: Stream) -> None:
    """Nightstands and side tables: left and right of the anchor, backs in line."""
    anchor = room.anchor
    sides = (-1, 1) if draw.chance(0.5) else (1, -1)
    for side in sides[: _copies(slot, draw)]:
        for _ in range(TRIES // 2):
            aside = (anchor.piece.width + piece.width) / 2 + draw.uniform(0.05, 0.2)
            back = (anchor.piece.depth - piece.depth) / 2 - draw.uniform(0.0, 0.04)
            x, y = anchor.point(side * aside, back)
            if room.add(Placed(x, y, anchor.yaw, piece)):
                break


def _facing(room: Room, slot: Slot, piece: Piece, draw: Stream) -> None:
    """Armchairs and the like: beside the carpet in front of the anchor, turned to its middle."""
    anchor = room.anchor
    first = -1 if draw.chance(0.5) else 1
    middle = anchor.point(0.0, -(anchor.piece.depth / 2 + 0.6))
    for copy in range(_copies(slot, draw)):
        for attempt in range(TRIES):
            side = first * (-1) ** (copy + attempt // (TRIES // 2))
            aside = max(0.9, anchor.piece.width / 2 + draw.uniform(-0.35, 0.35))
            before = anchor.piece.depth / 2 + draw.uniform(0.1, 1.0)
            x, y = anchor.point(side * (aside + piece.width / 2), -before)
            yaw = atan2(middle[0] - x, y - middle[1]) + draw.normal(0.0, 0.12)
            if room.add(Placed(x, y, yaw, piece)):
                break


def _around(room: Room, slot: Slot, piece: Piece, draw: Stream) -> None:
    """Chairs: around the table, all looking at it."""
    anchor = room.anchor
    width, depth = anchor.piece.width, anchor.piece.depth
    gap = draw.uniform(0.05, 0.15)
    out = depth / 2 + piece.depth / 2 + gap
    end = width / 2 + piece.depth / 2 + gap
    if width / depth < 1.2:
        seats = [(0.0, -out, pi), (0.0, out, 0.0), (end, 0.0, -pi / 2), (-end, 0.0, pi / 2)]
    else:
        a = width * 0.23
        seats = [(-a, -out, pi), (a, out, 0.0), (a, -out, pi), (-a, out, 0.0)]
        seats += [(end, 0.0, -pi / 2), (-end, 0.0, pi / 2)]
    for x, y, yaw in seats[: _copies(slot, draw)]:
        x, y = anchor.point(x + draw.normal(0.0, 0.03), y + draw.normal(0.0, 0.03))
        turn = anchor.yaw + yaw + draw.normal(0.0, 0.1)
        room.add(Placed(x, y, turn, piece))


def _copies(slot: Slot, draw: Stream) -> int:
    return draw.integers(slot.copies[0], slot.copies[1] + 1)


_SINGLE = {  # one candidate at a time, and how many are tried
    "wall_anchor": (_at_back_wall, 1),
    "table_anchor": (_table, 1),
    "desk_anchor": (_desk, 1),
    "before": (_before, TRIES),
    "wall": (_at_wall, TRIES),
    "seat": (_seat, TRIES),
    "corner": (_in_corner, TRIES),
    "over": (_overhead, 1),
}
_COPIED = {"beside": _beside, "facing": _facing, "around": _around}
