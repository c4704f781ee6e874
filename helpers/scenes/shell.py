"""The room itself: floor, ceiling, walls with window openings, mouldings, and their materials."""

from __future__ import annotations

from dataclasses import dataclass, replace

from helpers.scenes.layout import BACK, LEFT, RIGHT, Layout, Placed, Wall, Window
from helpers.scenes.materials import WOODS, Colour, Material, TextureKind, shade
from helpers.scenes.pieces import Maker, Part, Piece
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Mesh, box, sheet

WALL_COLOURS: tuple[Colour, ...] = (
    (0.93, 0.91, 0.87), (0.86, 0.84, 0.80), (0.80, 0.84, 0.85),
    (0.90, 0.85, 0.78), (0.75, 0.78, 0.74), (0.62, 0.68, 0.72),
)  # fmt: skip
FLOOR_WOODS = (0, 1, 2, 3, 5)
PAINT, STRIPES, MEDALLIONS, BRICKS = range(4)
BACKDROP = 1.5  # metres from a wall to the picture of the outdoors


@dataclass(frozen=True)
class Finish:
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
    floor = Material(TextureKind.TILE, (0.86, 0.84, 0.80), (0.70, 0.67, 0.62), scale=tiles)
    floor = replace(floor, specular=0.06, roughness=0.03)
    if draw.chance(0.7):
        floor = Material(TextureKind.PLANK, *tone, axis=axis, scale=boards)
        floor = replace(floor, specular=0.05, roughness=0.07)
    outdoors = Material(TextureKind.OUTDOORS, (0.50, 0.60, 0.42), (0.85, 0.93, 1.0), emission=2.6)
    walls = len(make.palette.materials)
    plain = Material(TextureKind.WALL, colour, dull, specular=0.0)
    paper = Material(TextureKind.WALL, *pair, motif=motif, scale=scale, specular=0.0)
    make.palette.materials.extend([plain, paper])
    return Finish(
        wall=walls,
        accent_wall=walls + 1,
        floor=make.material(floor),
        white=make.plain((0.95, 0.94, 0.92)),
        outdoors=make.material(outdoors),
        mouldings=motif == PAINT,
    )


def build_shell(layout: Layout, finish: Finish, make: Maker) -> list[Placed]:
    """Floor, ceiling and the four walls with everything fixed to them."""
    width, depth, height = layout.width, layout.depth, layout.height
    ground = Maker(make.draw, make.palette)
    ground.add(sheet((-width / 2, 0, 0), (width, 0, 0), (0, depth, 0)), finish.floor)
    ground.add(sheet((-width / 2, 0, height), (0, depth, 0), (width, 0, 0)), finish.white)
    shell = [_fixed(ground.parts, 0.0, 0.0, 0.0)]
    panelled = finish.mouldings and make.draw.chance(0.6)
    for wall in layout.walls:
        one = Maker(make.draw, make.palette)
        material = finish.accent_wall if wall.index == BACK else finish.wall
        _wall(one, wall, height, material, finish)
        if panelled and wall.index == BACK:
            _mouldings(one, wall, height, finish.white)
        shell.append(_fixed(one.parts, wall.x, wall.y, wall.yaw))
    return shell


def _fixed(parts: list[Part], x: float, y: float, yaw: float) -> Placed:
    return Placed(Piece(0, tuple(parts), (0.0, 0.0), 0.0), x, y, 0.0, yaw)


def _wall(make: Maker, wall: Wall, height: float, material: int, finish: Finish) -> None:
    """The wall around its openings, skirting and cornice, frames, and what is seen outside."""
    half = wall.length / 2
    cuts = [-half, *(x for w in wall.windows for x in (w.low, w.high)), half]
    panels = [(a, b, 0.0, height) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
    for w in wall.windows:
        panels += [(w.low, w.high, 0.0, w.sill), (w.low, w.high, w.top, height)]
    for a, b, low, high in panels:
        make.add(sheet((a, 0, low), (b - a, 0, 0), (0, 0, high - low)), material)
    make.board((0, -0.006, 0.05), (wall.length, 0.02, 0.1), finish.white)
    make.add(sheet((-half, -0.09, height), (0, 0.09, -0.09), (2 * half, 0, 0)), finish.white)
    for w in wall.windows:
        for mesh in _window_frame(w):
            make.add(mesh, finish.white)
    if wall.windows:
        outside = sheet((-5 * half, BACKDROP, -2), (10 * half, 0, 0), (0, 0, height + 6))
        make.add(outside, finish.outdoors)


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
        if wall.covers_window(low - 0.5, high + 0.5, 9.0):
            continue
        for z0, z1 in ((0.2, 0.85), (1.0, height - 0.25)):
            path = [(x, -0.006, z) for x, z in ((low, z0), (high, z0), (high, z1), (low, z1))]
            make.loop(path, 0.018, material)
