"""Where things stand: oriented footprints, walls, and placing without intersection.

A room is [-width / 2, width / 2] x [0, depth] x [0, height] metres; the back wall lies at
y = depth. A piece that is placed with yaw 0 looks towards -y, out of the back wall.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import NamedTuple

from helpers.scenes.pieces import Piece

BACK, LEFT, RIGHT, FRONT = range(4)
CLEARANCE = 0.03  # metres between two pieces
CURTAIN = 0.24  # metres that a piece keeps from a wall with curtains


class Footprint(NamedTuple):
    """A rectangle on the floor: middle, size (metres) and turn (radians, anticlockwise)."""

    x: float
    y: float
    width: float
    depth: float
    yaw: float

    def corners(self) -> list[tuple[float, float]]:
        c, s = cos(self.yaw), sin(self.yaw)
        halves = [(a * self.width / 2, b * self.depth / 2) for a in (-1, 1) for b in (-1, 1)]
        return [(self.x + c * a - s * b, self.y + s * a + c * b) for a, b in halves]

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
class Placed:
    """A piece, turned by yaw about its own z axis and then moved to (x, y, z)."""

    piece: Piece
    x: float
    y: float
    z: float = 0.0
    yaw: float = 0.0

    def point(self, a: float, b: float) -> tuple[float, float]:
        """World x, y of the piece's own a, b."""
        c, s = cos(self.yaw), sin(self.yaw)
        return self.x + c * a - s * b, self.y + s * a + c * b

    def footprint(self, margin: float = 0.0) -> Footprint:
        width, depth = self.piece.footprint
        return Footprint(self.x, self.y, width + margin, depth + margin, self.yaw)


class Window(NamedTuple):
    """An opening: horizontal range along its wall (0 in the middle) and heights, metres."""

    low: float
    high: float
    sill: float
    top: float


@dataclass(frozen=True)
class Wall:
    """A wall as seen from the room: x runs along it from -length / 2, y points out of the room."""

    index: int
    x: float
    y: float
    yaw: float
    length: float
    windows: tuple[Window, ...] = ()

    def point(self, along: float, inward: float) -> tuple[float, float]:
        c, s = cos(self.yaw), sin(self.yaw)
        return self.x + c * along + s * inward, self.y + s * along - c * inward

    def covers_window(self, low: float, high: float, height: float) -> bool:
        return any(low < w.high and high > w.low and height > w.sill for w in self.windows)


def make_walls(
    width: float, depth: float, windows: dict[int, tuple[Window, ...]]
) -> tuple[Wall, ...]:
    """The four walls in the order BACK, LEFT, RIGHT, FRONT."""
    places = ((0.0, depth, 0.0), (-width / 2, depth / 2, pi / 2))
    places += ((width / 2, depth / 2, -pi / 2), (0.0, 0.0, pi))
    lengths = (width, depth, depth, width)
    return tuple(
        Wall(i, *place, length, windows.get(i, ()))
        for i, (place, length) in enumerate(zip(places, lengths, strict=True))
    )


@dataclass
class Layout:
    """A room while it is being furnished."""

    width: float
    depth: float
    height: float
    walls: tuple[Wall, ...]
    furniture: list[Placed] = field(default_factory=list)
    decor: list[Placed] = field(default_factory=list)

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

    def at_wall(self, piece: Piece, wall: Wall, along: float) -> Placed | None:
        """The piece with its back to a wall, or None where it would hide a window."""
        width, depth = piece.footprint
        low, high = along - width / 2, along + width / 2
        if wall.covers_window(low, high, piece.height):
            return None
        curtained = wall.covers_window(low - 0.45, high + 0.45, 9.0)
        x, y = wall.point(along, depth / 2 + (CURTAIN if curtained else 0.04))
        return Placed(piece, x, y, 0.0, wall.yaw)
