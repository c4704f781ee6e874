"""The room itself: floor, ceiling, walls with window openings, mouldings, and its lights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, sin, sqrt

import numpy as np

from helpers.scenes.layout import BACK, LEFT, RIGHT, Layout, Placed, Wall, Window
from helpers.scenes.materials import WOODS, Material, Palette, TextureKind, shade
from helpers.scenes.pieces import Part, Piece, part
from helpers.scenes.random import Stream
from helpers.scenes.shading import BULB, PANEL, SPOT, SUN
from helpers.scenes.shapes import Mesh, box, cylinder, sheet, tube

WALL_COLOURS = (
    (0.93, 0.91, 0.87),
    (0.86, 0.84, 0.80),
    (0.80, 0.84, 0.85),
    (0.90, 0.85, 0.78),
    (0.75, 0.78, 0.74),
    (0.62, 0.68, 0.72),
)
FLOOR_WOODS = (0, 1, 2, 3, 5)
PAINT, STRIPES, MEDALLIONS, BRICKS = range(4)
DAYLIGHT = (13.0, 14.0, 15.5)
SUNLIGHT = (9.0, 7.8, 6.2)
BACKDROP = 1.5  # metres from a wall to the picture of the outdoors


@dataclass(frozen=True)
class Finish:
    """Material indices of a room's surfaces."""

    wall: int
    accent_wall: int
    accent_motif: int
    floor: int
    white: int
    outdoors: int


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


def draw_finish(draw: Stream, palette: Palette) -> Finish:
    """Colours and patterns of floor and walls."""
    colour = draw.choice(WALL_COLOURS)
    motif = draw.choice((PAINT, PAINT, STRIPES, MEDALLIONS, BRICKS))
    plain = Material(TextureKind.WALL, colour, shade(colour, draw.uniform(0.86, 0.94)))
    paper = Material(
        TextureKind.WALL, colour, shade(colour, 0.88), motif=motif, scale=draw.uniform(0.8, 1.5)
    )
    if motif == BRICKS:
        paper = Material(TextureKind.WALL, (0.66, 0.42, 0.32), (0.82, 0.78, 0.72), motif=motif)
    planks = Material(
        TextureKind.PLANK,
        *WOODS[draw.choice(FLOOR_WOODS)],
        axis=draw.integers(2),
        scale=draw.uniform(0.8, 1.2),
        specular=0.05,
        roughness=0.07,
    )
    tiles = Material(
        TextureKind.TILE,
        (0.86, 0.84, 0.80),
        (0.70, 0.67, 0.62),
        scale=draw.uniform(0.9, 1.5),
        specular=0.06,
        roughness=0.03,
    )
    outdoors = Material(TextureKind.OUTDOORS, (0.50, 0.60, 0.42), (0.85, 0.93, 1.0), emission=2.6)
    add = palette.materials.add
    return Finish(
        wall=add(_matt(plain)),
        accent_wall=add(_matt(paper)),
        accent_motif=motif,
        floor=palette.add(draw, planks if draw.chance(0.7) else tiles),
        white=palette.plain(draw, (0.95, 0.94, 0.92)),
        outdoors=palette.add(draw, outdoors),
    )


def _matt(material: Material) -> Material:
    return replace(material, specular=0.0)


def build_shell(layout: Layout, finish: Finish, draw: Stream) -> list[Placed]:
    """Floor, ceiling and the four walls with everything fixed to them."""
    width, depth, height = layout.width, layout.depth, layout.height
    floor = sheet((-width / 2, 0, 0), (width, 0, 0), (0, depth, 0))
    ceiling = sheet((-width / 2, 0, height), (0, depth, 0), (width, 0, 0))
    shell = [_fixed([part(floor, finish.floor), part(ceiling, finish.white)], 0.0, 0.0, 0.0)]
    panelled = finish.accent_motif == PAINT and draw.chance(0.6)
    for wall in layout.walls:
        material = finish.accent_wall if wall.index == BACK else finish.wall
        parts = _wall_parts(wall, height, material, finish)
        if panelled and wall.index == BACK:
            parts += _mouldings(wall, height, finish.white, draw)
        shell.append(_fixed(parts, wall.x, wall.y, wall.yaw))
    return shell


def _fixed(parts: list[Part], x: float, y: float, yaw: float) -> Placed:
    return Placed(Piece(0, tuple(parts), (0.0, 0.0), 0.0), x, y, 0.0, yaw)


def _wall_parts(wall: Wall, height: float, material: int, finish: Finish) -> list[Part]:
    """The wall around its openings, skirting and cornice, frames, and what is seen outside."""
    half = wall.length / 2
    cuts = [-half, *(x for w in wall.windows for x in (w.low, w.high)), half]
    panels = [(a, b, 0.0, height) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
    for w in wall.windows:
        panels += [(w.low, w.high, 0.0, w.sill), (w.low, w.high, w.top, height)]
    parts = [
        part(sheet((a, 0, low), (b - a, 0, 0), (0, 0, high - low)), material)
        for a, b, low, high in panels
    ]
    skirting = box((0, -0.006, 0.05), (wall.length, 0.02, 0.1))
    cornice = sheet((-half, -0.09, height), (0, 0.09, -0.09), (2 * half, 0, 0))
    parts += [part(skirting, finish.white), part(cornice, finish.white)]
    for w in wall.windows:
        parts += [part(mesh, finish.white) for mesh in _window_frame(w)]
    if wall.windows:
        outside = sheet((-5 * half, BACKDROP, -2), (10 * half, 0, 0), (0, 0, height + 6))
        parts.append(part(outside, finish.outdoors))
    return parts


def _window_frame(window: Window) -> list[Mesh]:
    low, high, sill, top = window
    middle, width, height = (low + high) / 2, high - low, top - sill
    frame = [box((x, 0.06, (sill + top) / 2), (0.05, 0.08, height)) for x in (low, middle, high)]
    rails = (sill, sill + 0.62 * height, top)
    frame += [box((middle, 0.06, z), (width, 0.08, 0.05)) for z in rails]
    return [*frame, box((middle, 0.0, sill - 0.02), (width + 0.1, 0.12, 0.04), radius=0.008)]


def _mouldings(wall: Wall, height: float, material: int, draw: Stream) -> list[Part]:
    """Rectangular frames in two rows on the free stretches of a wall."""
    count = draw.integers(3, 6)
    parts = []
    for i in range(count):
        low = (-0.5 + (i + 0.08) / count) * wall.length
        high = (-0.5 + (i + 0.92) / count) * wall.length
        if wall.covers_window(low - 0.5, high + 0.5, 9.0):
            continue
        for z0, z1 in ((0.2, 0.85), (1.0, height - 0.25)):
            path = [(x, -0.006, z) for x, z in ((low, z0), (high, z0), (high, z1), (low, z1))]
            parts.append(part(tube(path, 0.018, sides=8, closed=True), material))
    return parts


Vector = tuple[float, float, float]


def _light(
    centre: Vector, u: Vector, v: Vector, normal: Vector, radiance: Vector, area: float, kind: int
) -> list[float]:
    """One row of the lights that shading reads."""
    return [*centre, *u, *v, *normal, *radiance, area, kind]


def window_lights(layout: Layout, draw: Stream) -> list[list[float]]:
    """Daylight panels behind the openings, and sometimes the sun through a side window."""
    lights = []
    for wall in layout.walls:
        for w in wall.windows:
            x, y = wall.point((w.low + w.high) / 2, -0.1)
            width, height = w.high - w.low, w.top - w.sill
            c, s = cos(wall.yaw), sin(wall.yaw)
            u, v = (c * width / 2, s * width / 2, 0.0), (0.0, 0.0, height / 2)
            centre = (x, y, (w.sill + w.top) / 2)
            lights.append(_light(centre, u, v, (s, -c, 0.0), DAYLIGHT, width * height, PANEL))
    sides = [wall for wall in layout.walls if wall.windows and wall.index != BACK]
    if sides and draw.chance(0.65):
        wall = draw.choice(sides)
        out = (-sin(wall.yaw), cos(wall.yaw))
        x, y, z = out[0], out[1] + draw.uniform(-0.6, 0.3), draw.uniform(0.55, 1.0)
        length = sqrt(x * x + y * y + z * z)
        direction = (x / length, y / length, z / length)
        lights.append(_light((0, 0, 0), (0, 0, 0), (0, 0, 0), direction, SUNLIGHT, 1.0, SUN))
    return lights


def ceiling_lights(layout: Layout, palette: Palette, draw: Stream) -> list[list[float]]:
    """The soft light of the whole ceiling and a row of small down-lights along the back wall.

    The visible discs of the down-lights are added to the layout's decor.
    """
    width, depth, height = layout.width, layout.depth, layout.height
    u, v, down = (width * 0.36, 0.0, 0.0), (0.0, depth * 0.36, 0.0), (0.0, 0.0, -1.0)
    area = 4 * u[0] * v[1]
    strength = 12.0 / area
    soft = (strength, 0.97 * strength, 0.93 * strength)
    lights = [_light((0.0, depth / 2, height - 0.05), u, v, down, soft, area, PANEL)]
    glow, count = palette.glow(draw, 6.0), draw.integers(2, 5)
    disc = part(cylinder(0.05, -0.004, 0.02, segments=18), glow)
    lamp = Piece(0, (disc,), (0.1, 0.1), 0.004, "ceiling")
    for i in range(count):
        x, y = (-0.5 + (i + 0.5) / count) * (width - 0.6), depth - 0.38
        layout.decor.append(Placed(lamp, x, y, height))
        side = ((0.03, 0.0, 0.0), (0.0, 0.03, 0.0))
        spot = (420.0, 380.0, 310.0)
        lights.append(_light((x, y, height - 0.02), *side, down, spot, 0.0144, SPOT))
    return lights


def bulb_light(lamp: Placed) -> list[float]:
    """The light of a pendant or ceiling lamp, from just below it."""
    centre = (lamp.x, lamp.y, lamp.z - lamp.piece.height - 0.12)
    side = ((0.12, 0.0, 0.0), (0.0, 0.12, 0.0))
    return _light(centre, *side, (0.0, 0.0, -1.0), (5.0, 4.4, 3.4), 0.25, BULB)


def camera_fill(position: Vector, yaw: float) -> list[float]:
    """A weak panel around the camera, as a photographer would bounce off the wall behind."""
    c, s = cos(yaw), sin(yaw)
    side = ((0.9 * c, -0.9 * s, 0.0), (0.0, 0.0, 0.6))
    return _light(position, *side, (s, c, 0.0), (0.45, 0.45, 0.45), 5.0, PANEL)


def pack_lights(lights: list[list[float]]) -> np.ndarray:
    """(L, 17) float64."""
    return np.array(lights, dtype=np.float64)
