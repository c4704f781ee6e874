"""The lights of a room, and where each is drawn: daylight, sun, ceiling, lamps, the camera's own.

A light is one row of the table that shading reads, L rows of 17 columns: centre, two half sides,
normal, RGB radiance (three each), area, kind.
"""

from __future__ import annotations

from math import cos, sin, sqrt

import numpy as np

from helpers.scenes.layout import BACK, Layout, Placed
from helpers.scenes.pieces import Maker, Part, Piece
from helpers.scenes.shading import BULB, PANEL, SPOT, SUN
from helpers.scenes.shapes import cylinder

DAYLIGHT = (13.0, 14.0, 15.5)
SUNLIGHT = (9.0, 7.8, 6.2)
SUN_CHANCE = 0.65  # in rooms with a window in a side wall
NOWHERE = (0.0, 0.0, 0.0)

Vector = tuple[float, float, float]
Light = tuple[float, ...]


def _light(
    centre: Vector, u: Vector, v: Vector, normal: Vector, radiance: Vector, area: float, kind: int
) -> Light:
    return (*centre, *u, *v, *normal, *radiance, area, kind)


def room_lights(layout: Layout, make: Maker) -> np.ndarray:
    """All lights but the camera's, (L, 17) float64; the discs of down-lights become decor."""
    lights = [*_windows(layout), *_sun(layout, make), *_ceiling(layout, make)]
    lights += [_bulb(placed) for placed in layout.furniture if placed.piece.support == "ceiling"]
    return np.array(lights, dtype=np.float64)


def _windows(layout: Layout) -> list[Light]:
    """Daylight panels behind the openings."""
    lights = []
    for wall in layout.walls:
        for w in wall.windows:
            x, y = wall.point((w.low + w.high) / 2, -0.1)
            width, height = w.high - w.low, w.top - w.sill
            c, s = cos(wall.yaw), sin(wall.yaw)
            u, v = (c * width / 2, s * width / 2, 0.0), (0.0, 0.0, height / 2)
            centre = (x, y, (w.sill + w.top) / 2)
            lights.append(_light(centre, u, v, (s, -c, 0.0), DAYLIGHT, width * height, PANEL))
    return lights


def _sun(layout: Layout, make: Maker) -> list[Light]:
    """Sometimes the sun shines through a side window."""
    draw = make.draw
    sides = [wall for wall in layout.walls if wall.windows and wall.index != BACK]
    if not (sides and draw.chance(SUN_CHANCE)):
        return []
    wall = draw.choice(sides)
    out = (-sin(wall.yaw), cos(wall.yaw))
    x, y, z = out[0], out[1] + draw.uniform(-0.6, 0.3), draw.uniform(0.55, 1.0)
    length = sqrt(x * x + y * y + z * z)
    direction = (x / length, y / length, z / length)
    return [_light(NOWHERE, NOWHERE, NOWHERE, direction, SUNLIGHT, 1.0, SUN)]


def _ceiling(layout: Layout, make: Maker) -> list[Light]:
    """The soft light of the whole ceiling and a row of small down-lights along the back wall."""
    width, depth, height = layout.width, layout.depth, layout.height
    u, v, down = (width * 0.36, 0.0, 0.0), (0.0, depth * 0.36, 0.0), (0.0, 0.0, -1.0)
    area = 4 * u[0] * v[1]
    strength = 12.0 / area
    soft = (strength, 0.97 * strength, 0.93 * strength)
    lights = [_light((0.0, depth / 2, height - 0.05), u, v, down, soft, area, PANEL)]
    glow, count = make.glow(6.0), make.draw.integers(2, 5)
    disc = Part.of(cylinder(0.05, -0.004, 0.02, segments=18), glow)
    lamp = Piece(0, (disc,), (0.1, 0.1), 0.004, "ceiling")
    for i in range(count):
        x, y = (-0.5 + (i + 0.5) / count) * (width - 0.6), depth - 0.38
        layout.decor.append(Placed(lamp, x, y, height))
        side = ((0.03, 0.0, 0.0), (0.0, 0.03, 0.0))
        spot = (420.0, 380.0, 310.0)
        lights.append(_light((x, y, height - 0.02), *side, down, spot, 0.0144, SPOT))
    return lights


def _bulb(lamp: Placed) -> Light:
    """The light of a pendant or ceiling lamp, from just below it."""
    centre = (lamp.x, lamp.y, lamp.z - lamp.piece.height - 0.12)
    side = ((0.12, 0.0, 0.0), (0.0, 0.12, 0.0))
    return _light(centre, *side, (0.0, 0.0, -1.0), (5.0, 4.4, 3.4), 0.25, BULB)


def camera_light(position: Vector, yaw: float) -> np.ndarray:
    """(1, 17): a weak panel around the camera, as a photographer bounces it off the wall behind."""
    c, s = cos(yaw), sin(yaw)
    side = ((0.9 * c, -0.9 * s, 0.0), (0.0, 0.0, 0.6))
    return np.array([_light(position, *side, (s, c, 0.0), (0.45, 0.45, 0.45), 5.0, PANEL)])
