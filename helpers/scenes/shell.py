"""The room itself: floor, ceiling, walls with window openings, their materials; and its lights."""

from __future__ import annotations

from dataclasses import replace
from math import cos, sin, sqrt
from typing import Any, NamedTuple

import numpy as np

from helpers.scenes.layout import BACK, LEFT, RIGHT, Placed, Room, Wall, Window
from helpers.scenes.materials import WOODS, Colour, Material, shade
from helpers.scenes.pieces import Maker, Part, Piece
from helpers.scenes.random import Stream
from helpers.scenes.shading import BULB, LIGHT, PANEL, SPOT, SUN
from helpers.scenes.shapes import Mesh, Vector, box, cylinder, sheet
from helpers.scenes.textures import OUTDOORS, PLANK, TILE, WALL

WALL_COLOURS: tuple[Colour, ...] = (
    (0.93, 0.91, 0.87), (0.86, 0.84, 0.80), (0.80, 0.84, 0.85),
    (0.90, 0.85, 0.78), (0.75, 0.78, 0.74), (0.62, 0.68, 0.72),
)  # fmt: skip
FLOOR_WOODS = (0, 1, 2, 3, 5)
PAINT, STRIPES, MEDALLIONS, BRICKS = range(4)
BACKDROP = 1.5  # metres from a wall to the picture of the outdoors
SUN_CHANCE = 0.65  # in rooms with a window in a side wall
DOWN = (0.0, 0.0, -1.0)

Light = tuple[Any, ...]  # the fields of LIGHT


class Finish(NamedTuple):
    """Material indices of a room's surfaces."""

    wall: int
    accent_wall: int
    floor: int
    white: int
    outdoors: int
    mouldings: bool  # whether the back wall may have some


def draw_windows(
    draw: Stream, width: float, depth: float, height: float
) -> dict[int, tuple[Window, ...]]:
    """Windows of the back and side walls: {wall index: windows}; at least one wall has some."""
    sill = 0.25 if draw.chance(0.4) else 0.85
    top = min(2.35, height - 0.35)
    windows: dict[int, tuple[Window, ...]] = {}
    if draw.chance(0.45):
        half = draw.uniform(0.4, 0.6)
        left = -width / 2 + 0.5 + half
        both = draw.chance(0.5)
        middles = [left, -left] if both else [draw.choice((left, -left))]
        windows[BACK] = tuple(Window(x - half, x + half, sill, top) for x in sorted(middles))
    for side in (LEFT, RIGHT):
        if draw.chance(0.45) or (side == RIGHT and not windows):
            half, middle = draw.uniform(0.5, 0.85), draw.uniform(-0.22, 0.22) * depth
            windows[side] = (Window(middle - half, middle + half, sill, top),)
    return windows


def draw_finish(make: Maker) -> Finish:
    """Colours and patterns of floor and walls."""
    draw = make.draw
    colour = draw.choice(WALL_COLOURS)
    motif = draw.choice((PAINT, PAINT, STRIPES, MEDALLIONS, BRICKS))
    dull, scale = shade(colour, draw.uniform(0.86, 0.94)), draw.uniform(0.8, 1.5)
    pair = (colour, shade(colour, 0.88))
    if motif == BRICKS:
        pair, scale = ((0.66, 0.42, 0.32), (0.82, 0.78, 0.72)), 1.0
    tone, axis = WOODS[draw.choice(FLOOR_WOODS)], draw.integers(2)
    boards, tiles = draw.uniform(0.8, 1.2), draw.uniform(0.9, 1.5)
    floor = Material(TILE, (0.86, 0.84, 0.80), (0.70, 0.67, 0.62), scale=tiles)
    floor = replace(floor, specular=0.06, roughness=0.03)
    if draw.chance(0.7):
        floor = Material(PLANK, *tone, axis=axis, scale=boards)
        floor = replace(floor, specular=0.05, roughness=0.07)
    outdoors = Material(OUTDOORS, (0.50, 0.60, 0.42), (0.85, 0.93, 1.0), emission=2.6)
    walls = len(make.palette.materials)
    plain = Material(WALL, colour, dull, specular=0.0)
    paper = Material(WALL, *pair, motif=motif, scale=scale, specular=0.0)
    make.palette.materials.extend([plain, paper])
    ground, white = make.material(floor), make.plain((0.95, 0.94, 0.92))
    return Finish(walls, walls + 1, ground, white, make.material(outdoors), motif == PAINT)


def build_shell(room: Room, finish: Finish, make: Maker) -> None:
    """Add floor, ceiling and the four walls with everything fixed to them."""
    width, depth, height = room.width, room.depth, room.height
    ground = Maker(make.draw, make.palette)
    ground.add(finish.floor, sheet((-width / 2, 0, 0), (width, 0, 0), (0, depth, 0)))
    ground.add(finish.white, sheet((-width / 2, 0, height), (0, depth, 0), (width, 0, 0)))
    room.shell.append(_fixed(ground.parts, 0.0, 0.0, 0.0))
    panelled = finish.mouldings and make.draw.chance(0.6)
    for wall in room.walls:
        one = Maker(make.draw, make.palette)
        material = finish.accent_wall if wall.index == BACK else finish.wall
        _wall(one, wall, height, material, finish)
        if panelled and wall.index == BACK:
            _mouldings(one, wall, height, finish.white)
        room.shell.append(_fixed(one.parts, wall.x, wall.y, wall.yaw))


def _fixed(parts: list[Part], x: float, y: float, yaw: float) -> Placed:
    return Placed(x, y, yaw, Piece(0, tuple(parts), 0.0, 0.0, 0.0))


def _wall(make: Maker, wall: Wall, height: float, material: int, finish: Finish) -> None:
    """The wall around its openings, skirting and cornice, frames, and what is seen outside."""
    half = wall.length / 2
    cuts = [-half, *(x for w in wall.windows for x in (w.low, w.high)), half]
    panels = [(a, b, 0.0, height) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
    for w in wall.windows:
        panels += [(w.low, w.high, 0.0, w.sill), (w.low, w.high, w.top, height)]
    for a, b, low, high in panels:
        make.add(material, sheet((a, 0, low), (b - a, 0, 0), (0, 0, high - low)))
    make.board((0, -0.006, 0.05), (wall.length, 0.02, 0.1), finish.white)
    make.add(finish.white, sheet((-half, -0.09, height), (0, 0.09, -0.09), (2 * half, 0, 0)))
    for w in wall.windows:
        make.add(finish.white, *_window_frame(w))
    if wall.windows:
        outside = sheet((-5 * half, BACKDROP, -2), (10 * half, 0, 0), (0, 0, height + 6))
        make.add(finish.outdoors, outside)


def _window_frame(window: Window) -> list[Mesh]:
    low, high, sill, top = window
    middle, width, height = (low + high) / 2, high - low, top - sill
    frame = [box((x, 0.06, (sill + top) / 2), (0.05, 0.08, height)) for x in (low, middle, high)]
    rails = (sill, sill + 0.62 * height, top)
    frame += [box((middle, 0.06, z), (width, 0.08, 0.05)) for z in rails]
    return [*frame, box((middle, 0.0, sill - 0.02), (width + 0.1, 0.12, 0.04), radius=0.008)]


def _mouldings(make: Maker, wall: Wall, height: float, material: int) -> None:
    """Rectangular frames in two rows on the free stretches of a wall."""
    count = make.draw.integers(3, 6)
    for i in range(count):
        low = (-0.5 + (i + 0.08) / count) * wall.length
        high = (-0.5 + (i + 0.92) / count) * wall.length
        if wall.covers_window(low - 0.5, high + 0.5):
            continue
        for z0, z1 in ((0.2, 0.85), (1.0, height - 0.25)):
            path = [(x, -0.006, z) for x, z in ((low, z0), (high, z0), (high, z1), (low, z1))]
            make.bar(path, 0.018, material, closed=True)


def add_lights(room: Room, make: Maker) -> None:
    """Add all lights but the camera's, (L,) records of LIGHT, and the discs of down-lights."""
    lights: list[Light] = []
    for wall in room.walls:
        for w in wall.windows:  # daylight: a panel behind each
            x, y = wall.point((w.low + w.high) / 2, 0.1)
            width, height = w.high - w.low, w.top - w.sill
            c, s = cos(wall.yaw), sin(wall.yaw)
            centre, normal = (x, y, (w.sill + w.top) / 2), (s, -c, 0.0)
            u, v = (c * width / 2, s * width / 2, 0.0), (0.0, 0.0, height / 2)
            lights.append((centre, u, v, normal, (13.0, 14.0, 15.5), width * height, PANEL))
    lights += [*_sun(room, make), *_ceiling(room, make)]
    for lamp in room.furniture:
        if lamp.piece.support == "ceiling":  # its light comes from just below it
            centre = (lamp.x, lamp.y, lamp.z - lamp.piece.height - 0.12)
            u, v = (0.12, 0.0, 0.0), (0.0, 0.12, 0.0)
            lights.append((centre, u, v, DOWN, (5.0, 4.4, 3.4), 0.25, BULB))
    room.lights = np.array(lights, LIGHT)


def _sun(room: Room, make: Maker) -> list[Light]:
    """The sun, sometimes; but the outdoors, a sheet behind each window, hides it from all but a few
    points. A room that it reached would be another data set than the one that is measured."""
    draw = make.draw
    sides = [wall for wall in room.walls if wall.windows and wall.index != BACK]
    if not (sides and draw.chance(SUN_CHANCE)):
        return []
    wall = draw.choice(sides)
    x, y, z = -sin(wall.yaw), cos(wall.yaw) + draw.uniform(-0.6, 0.3), draw.uniform(0.55, 1.0)
    length, nowhere = sqrt(x * x + y * y + z * z), (0.0, 0.0, 0.0)
    direction = (x / length, y / length, z / length)
    return [(nowhere, nowhere, nowhere, direction, (9.0, 7.8, 6.2), 1.0, SUN)]


def _ceiling(room: Room, make: Maker) -> list[Light]:
    """The soft light of the whole ceiling and a row of small down-lights along the back wall."""
    width, depth, height = room.width, room.depth, room.height
    u, v = (width * 0.36, 0.0, 0.0), (0.0, depth * 0.36, 0.0)
    area = 4 * u[0] * v[1]
    strength = 12.0 / area
    soft = (strength, 0.97 * strength, 0.93 * strength)
    lights = [((0.0, depth / 2, height - 0.05), u, v, DOWN, soft, area, PANEL)]
    glow, count = make.glow(6.0), make.draw.integers(2, 5)
    disc = Part.of(cylinder(0.05, -0.004, 0.02, segments=18), glow)
    lamp = Piece(0, (disc,), 0.1, 0.1, 0.004, "ceiling")
    u, v = (0.03, 0.0, 0.0), (0.0, 0.03, 0.0)
    for i in range(count):
        x, y = (-0.5 + (i + 0.5) / count) * (width - 0.6), depth - 0.38
        room.decor.append(Placed(x, y, 0.0, lamp, height))
        centre = (x, y, height - 0.02)
        lights.append((centre, u, v, DOWN, (420.0, 380.0, 310.0), 0.0144, SPOT))
    return lights


def camera_light(position: Vector, yaw: float) -> np.ndarray:
    """(1,): a weak panel around the camera, as a photographer bounces it off the wall behind."""
    c, s = cos(yaw), sin(yaw)
    u, v, normal = (0.9 * c, -0.9 * s, 0.0), (0.0, 0.0, 0.6), (s, c, 0.0)
    return np.array([(position, u, v, normal, (0.45, 0.45, 0.45), 5.0, PANEL)], LIGHT)
