"""Cabinets and shelves: what stores things, from the nightstand to the wine cabinet."""

from __future__ import annotations

import math

import numpy as np

from helpers.scenes.furniture.carcass import (
    BOOK_COLOURS,
    Carcass,
    Cell,
    Contents,
    Handle,
    Opening,
    Row,
    book_row,
    carcass,
)
from helpers.scenes.furniture.common import SIDES, bar, board, facing_front, legs
from helpers.scenes.materials import Colour, Palette
from helpers.scenes.pieces import Part, part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import box, lathe, tube

PASTELS: tuple[Colour, ...] = (
    (0.95, 0.80, 0.82),
    (0.75, 0.88, 0.93),
    (0.97, 0.93, 0.75),
    (0.80, 0.90, 0.78),
)
BOTTLES: tuple[Colour, ...] = ((0.12, 0.20, 0.12), (0.25, 0.10, 0.10), (0.10, 0.10, 0.12))
OFF_WHITE: Colour = (0.95, 0.95, 0.93)


def children_cabinet(stream: Stream, palette: Palette) -> list[Part]:
    """1: pastel and white, small drawers and toy niches, mostly under a little house roof."""
    roofed, width = stream.chance(0.7), stream.uniform(0.7, 1.0)
    height = stream.uniform(0.95, 1.3)
    rise = 0.3 * width
    pastel, white = palette.plain(stream, stream.choice(PASTELS)), palette.plain(stream, OFF_WHITE)
    kinds: tuple[Cell, ...] = ("open", stream.choice(("open", "drawer")), "drawer")
    rows = [Row(1, 2, kind) for kind in kinds[: stream.integers(2, 4)]]
    plan = Carcass(
        width=width,
        depth=0.4,
        height=height - rise if roofed else height,
        rows=rows if len(rows) == 3 else [rows[0], Row(1, 2, "door")],
        body=white,
        front=pastel,
        metal=palette.metal(stream),
        top=pastel,
        leg=0.05,
        handle="knob",
        contents="toys",
    )
    made = carcass(stream, palette, plan)
    return made + _house_roof(width, plan.height, rise, pastel) if roofed else made


def _house_roof(width: float, base: float, rise: float, material: int) -> list[Part]:
    """Two boards leaning together over the cabinet, ridge at base + rise."""
    half, made = width / 2 + 0.02, []
    slope = math.atan2(rise - 0.03, half)
    for side in SIDES:
        plank = box((0, 0, 0), (math.hypot(half, rise - 0.03) + 0.01, 0.42, 0.028), radius=0.005)
        middle = (side * half / 2, 0, base + rise / 2 - 0.015)
        made.append(part(plank.turned("y", side * slope).moved(*middle), material))
    return made


def nightstand(stream: Stream, palette: Palette) -> list[Part]:
    """2: a cube by the bed, two or three drawers or a drawer over a niche, on legs."""
    lower: Cell = stream.choice(("drawer", "drawer", "open"))
    rows = [Row(1, 1, "drawer"), *[Row(1, 1, lower)] * stream.integers(1, 3)]
    size = (stream.uniform(0.42, 0.56), stream.uniform(0.36, 0.42), stream.uniform(0.45, 0.60))
    if lower == "open":
        rows = rows[:2]
    leg = stream.uniform(0.06, 0.20)
    return _cabinet(stream, palette, size, rows, leg=leg, contents="books")


def bookcase(stream: Stream, palette: Palette) -> list[Part]:
    """3: tall, a closed back, four or five shelves full of books."""
    size = (stream.uniform(0.8, 1.3), 0.32, stream.uniform(1.7, 2.2))
    columns = 2 if size[0] > 1.0 and stream.chance(0.6) else 1
    rows = [Row(1, columns, "open")] * stream.integers(4, 6)
    return _cabinet(stream, palette, size, rows, leg=0.05, contents="books", axis=2)


def wardrobe(stream: Stream, palette: Palette) -> list[Part]:
    """4: tall and closed, two to four doors with long handles, sometimes a top row."""
    size = (stream.uniform(1.3, 2.0), 0.6, stream.uniform(2.0, 2.35))
    doors = stream.integers(2, 5)
    rows = [Row(1, doors, "door")]
    if stream.chance(0.5):
        rows = [Row(1, doors, "door"), Row(4.5, doors, "door")]
    panelled = stream.chance(0.5)
    leg = stream.uniform(0.03, 0.10)
    return _cabinet(stream, palette, size, rows, leg=leg, panelled=panelled, axis=2, handle="bar")


def sideboard(stream: Stream, palette: Palette) -> list[Part]:
    """7: waist high and wide; three drawers over doors, or an open console table."""
    if stream.chance(0.4):
        return _console(stream, palette)
    size = (stream.uniform(1.1, 1.6), 0.42, stream.uniform(0.78, 0.92))
    rows = [Row(1, 3, "drawer"), Row(2, stream.choice((2, 3, 4)), "door")]
    leg = stream.uniform(0.10, 0.20)
    return _cabinet(stream, palette, size, rows, leg=leg, marble=True)


def _console(stream: Stream, palette: Palette) -> list[Part]:
    width, depth, height = stream.uniform(1.0, 1.4), 0.34, stream.uniform(0.78, 0.86)
    base = palette.metal(stream) if stream.chance(0.5) else palette.wood(stream, axis=2)
    spread = (width - 0.06, depth - 0.06)
    return [
        board((0, 0, height - 0.017), (width, depth, 0.034), palette.top(stream), radius=0.008),
        board((0, 0, height - 0.10), (width - 0.08, depth - 0.04, 0.13), palette.wood(stream)),
        board((0, 0, 0.16), (width - 0.08, depth - 0.04, 0.02), base),
        *legs(spread, (0, height - 0.03), (0.022, 0.017), base, splay=0, sides=4),
    ]


def tv_stand(stream: Stream, palette: Palette) -> list[Part]:
    """9: long and low, one row of two to four drawers, doors and niches."""
    size = (stream.uniform(1.5, 2.1), 0.4, stream.uniform(0.42, 0.55))
    kind: Cell = stream.choice(("drawer", "door", "open"))
    columns = stream.integers(2, 5)
    rows = [Row(1, columns, kind)]
    if kind == "open":
        rows = [Row(1, columns, "open"), Row(1, columns, "drawer")]
    leg = stream.uniform(0.08, 0.18)
    return _cabinet(stream, palette, size, rows, leg=leg, marble=True)


def drawer_chest(stream: Stream, palette: Palette) -> list[Part]:
    """10: nothing but drawers, three to five rows of one or two."""
    size = (stream.uniform(0.7, 1.1), 0.45, stream.uniform(0.85, 1.2))
    rows = [Row(1, stream.integers(1, 3), "drawer")] * stream.integers(3, 6)
    return _cabinet(stream, palette, size, rows, leg=stream.uniform(0.05, 0.14))


def _cabinet(
    stream: Stream,
    palette: Palette,
    size: tuple[float, float, float],
    rows: list[Row],
    *,
    leg: float,
    contents: Contents = "none",
    marble: bool = False,
    panelled: bool = False,
    handle: Handle | None = None,
    axis: int = 0,
) -> list[Part]:
    """A carcass in the room's woods; `marble` allows a stone top, `axis` is the grain's."""
    body = palette.wood(stream, axis=axis)
    plan = Carcass(
        *size,
        rows=rows,
        body=body,
        front=palette.front(stream, axis=axis) if stream.chance(0.7) else body,
        metal=palette.metal(stream),
        top=palette.top(stream) if marble else body,
        leg=leg,
        handle=handle or stream.choice(("knob", "bar", "none")),
        contents=contents,
        panelled=panelled,
    )
    return carcass(stream, palette, plan)


def shelf(stream: Stream, palette: Palette) -> list[Part]:
    """11: an etagere, boards on thin metal frames; no back, the wall shows through."""
    width, depth, height = stream.uniform(0.7, 1.1), 0.32, stream.uniform(1.5, 1.95)
    metal, wood = palette.metal(stream), palette.wood(stream)
    colours = (palette.accent_colour, palette.second_fabric_colour, BOOK_COLOURS[3])
    things = [palette.plain(stream, colour) for colour in colours]
    made = []
    for side in SIDES:
        x, y, top = side * (width / 2 - 0.011), depth / 2 - 0.011, height - 0.011
        frame = [(x, -y, 0), (x, -y, top), (x, y, top), (x, y, 0)]
        made.append(part(tube(frame, 0.011, sides=8), metal))
    for y in (-depth / 2 + 0.011, depth / 2 - 0.011):
        ends = [(s * width / 2, y, height - 0.011) for s in SIDES]
        made.append(bar(ends[0], ends[1], 0.011, metal))
    levels = np.linspace(0.12, height - 0.28, stream.integers(4, 6))
    for z in levels:
        made.append(board((0, 0, z), (width - 0.02, depth - 0.02, 0.022), wood))
        start = stream.uniform(-0.42, 0.0) * width
        span = (start, start + stream.uniform(0.2, 0.4) * width)
        made += book_row(stream, span, z + 0.011, (0.2, 0.28), things)
    return made


def wine_cabinet(stream: Stream, palette: Palette) -> list[Part]:
    """8: tall; glasses above, a lattice of bottles in the middle, doors below."""
    width, depth, height = stream.uniform(0.75, 1.05), 0.36, stream.uniform(1.7, 2.1)
    wood = palette.wood(stream, axis=2)
    plan = Carcass(
        width=width,
        depth=depth,
        height=height,
        rows=[Row(0.75, 1, "open"), Row(0.75, 1, "open"), Row(1.1, 1, "open"), Row(1.1, 2, "door")],
        body=wood,
        front=palette.front(stream, axis=2) if stream.chance(0.5) else wood,
        metal=palette.metal(stream),
        top=wood,
        leg=0.08,
        handle="bar",
    )
    made = carcass(stream, palette, plan)
    glass = palette.plain(stream, (0.85, 0.90, 0.92), specular=0.2, roughness=0.05)
    upper, lower, rack, _, _ = plan.openings()
    for cell in (upper, lower):
        made += _glasses(stream, width, cell.z + 0.008, glass)
    bottles = [palette.plain(stream, c, specular=0.08, roughness=0.1) for c in BOTTLES]
    return made + _bottle_rack(stream, plan, rack, bottles)


def _glasses(stream: Stream, width: float, z: float, material: int) -> list[Part]:
    """A row of stemmed glasses standing on a shelf."""
    profile = [(0, 0), (0.035, 0), (0.035, 0.003), (0.005, 0.012), (0.005, 0.08), (0.033, 0.12)]
    profile += [(0.036, 0.15), (0.030, 0.19), (0.027, 0.19), (0.030, 0.12), (0, 0.09)]
    made, count = [], stream.integers(4, 7)
    for x in np.linspace(-width / 2 + 0.12, width / 2 - 0.12, count):
        goblet = lathe(profile, segments=14, centre=(x, stream.uniform(-0.06, 0.04), z))
        made.append(part(goblet, material))
    return made


def _bottle_rack(stream: Stream, plan: Carcass, cell: Opening, bottles: list[int]) -> list[Part]:
    """Crossed slats in three bays, bottles lying in the openings with their necks to the front."""
    z, high, wide = cell.z, cell.height, (plan.width - 0.06) / 3
    profile = [(0, 0), (0.036, 0), (0.038, 0.006), (0.038, 0.19), (0.014, 0.25), (0.014, 0.30)]
    bottle = facing_front(lathe([*profile, (0, 0.30)], segments=14)).moved(y=0.12)
    made = []
    for bay in range(3):
        x = -plan.width / 2 + 0.03 + wide * bay
        for low, top in ((z, z + high), (z + high, z)):
            slat = tube([(x, -0.08, low), (x + wide, -0.08, top)], 0.013, sides=4)
            made.append(part(slat, plan.body))
        for u, v in ((0.5, 0.2), (0.5, 0.8), (0.2, 0.5), (0.8, 0.5)):
            if stream.chance(0.8):
                at = bottle.moved(x=x + wide * u, z=z + high * v)
                made.append(part(at, stream.choice(bottles)))
    return made
