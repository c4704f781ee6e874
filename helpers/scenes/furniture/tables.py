"""Tables: coffee, side, round end, dining, desk, dressing table."""

from __future__ import annotations

import math

import numpy as np

from helpers.scenes.furniture.carcass import Carcass, Row, carcass
from helpers.scenes.furniture.common import (
    SIDES,
    bar,
    board,
    facing_front,
    knob,
    legs,
    mirrored,
    moved,
)
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Part, part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Mesh, cylinder, lathe, ring, smoothed, tube


def coffee_table(stream: Stream, palette: Palette) -> list[Part]:
    """5: low; a round top in a wire drum, a rectangle with a lower shelf, or an oval."""
    height, top = stream.uniform(0.36, 0.46), palette.top(stream)
    style = stream.choice(("drum", "rectangle", "oval"))
    if style == "drum":
        radius = stream.uniform(0.32, 0.48)
        disc = part(cylinder(radius, height - 0.02, height, segments=40), top)
        return [disc, *_wire_drum(radius, height, stream.integers(5, 10), palette.metal(stream))]
    wood = palette.wood(stream, axis=2)
    if style == "rectangle":
        width, depth = stream.uniform(0.9, 1.3), stream.uniform(0.5, 0.7)
        spread, heights = (width - 0.12, depth - 0.12), (0, height - 0.03)
        return [
            board((0, 0, height - 0.018), (width, depth, 0.036), top, radius=0.012),
            board((0, 0, height * 0.4), (width - 0.1, depth - 0.1, 0.02), palette.wood(stream)),
            *legs(spread, heights, (0.026, 0.016), wood, splay=0.02, sides=4),
        ]
    stretch = (stream.uniform(0.5, 0.65), stream.uniform(0.30, 0.36))
    disc = part(cylinder(1.0, height - 0.03, height, segments=44, stretch=stretch), top)
    spread = (stretch[0] * 1.05, stretch[1] * 1.05)
    return [disc, *legs(spread, (0, height - 0.03), (0.024, 0.012), wood, splay=0.06)]


def _wire_drum(radius: float, height: float, count: int, metal: int) -> list[Part]:
    hoops = [(radius + 0.004, height - 0.01), (radius - 0.01, 0.009)]
    made = [
        part(tube(ring((0, 0, z), r, 40), 0.009, sides=6, closed=True), metal) for r, z in hoops
    ]
    for k in range(count):
        x, y = math.cos(0.3 + k / count * math.tau), math.sin(0.3 + k / count * math.tau)
        low = ((radius - 0.01) * x, (radius - 0.01) * y, 0.01)
        made.append(bar(low, (radius * x, radius * y, height - 0.01), 0.008, metal))
    return made


def dining_table(stream: Stream, palette: Palette) -> list[Part]:
    """24: seat-high for chairs; four legs, two loops, or a round top on a pedestal."""
    width, depth, height = stream.uniform(1.3, 1.9), stream.uniform(0.80, 0.95), 0.75
    top = palette.top(stream)
    base = palette.wood(stream, axis=2) if stream.chance(0.7) else palette.metal(stream)
    style = stream.choice(("legs", "loops", "pedestal"))
    if style == "pedestal":
        r = stream.uniform(0.50, 0.65)
        plate = [(0, 0.715), (r - 0.02, 0.715), (r + 0.005, 0.735), (r, height), (0, height)]
        stem = smoothed([(0.28, 0.025), (0.12, 0.08), (0.06, 0.3), (0.045, 0.5), (0.05, 0.72)], 3)
        foot = [(0, 0), (0.30, 0), *stem, (0, 0.72)]
        return [
            part(lathe(plate, segments=48), top),
            part(lathe(foot, segments=32), base),
        ]
    plate = board((0, 0, height - 0.02), (width, depth, 0.04), top, radius=0.01)
    if style == "legs":
        spread = (width - 0.2, depth - 0.2)
        return [plate, *legs(spread, (0, height - 0.03), (0.035, 0.018), base, splay=0.05)]
    made = [plate]
    for side in SIDES:
        x, y, top_z = side * (width / 2 - 0.25), depth / 2 - 0.1, height - 0.04
        loop = [(x, -y, top_z), (x, -y, 0.02), (x, y, 0.02), (x, y, top_z)]
        made.append(part(tube(loop, 0.028, sides=4), base))
    return made


def side_table(stream: Stream, palette: Palette) -> list[Part]:
    """6: small, square and as high as a sofa's arm; a C-shaped frame or four legs and a shelf."""
    width, depth = stream.uniform(0.42, 0.55), stream.uniform(0.40, 0.50)
    height, top = stream.uniform(0.50, 0.62), palette.top(stream)
    base = palette.metal(stream) if stream.chance(0.6) else palette.wood(stream, axis=2)
    made = [board((0, 0, height - 0.012), (width, depth, 0.025), top, radius=0.006)]
    if stream.chance(0.5):
        for side in SIDES:
            x, y = width / 2 - 0.02, side * (depth / 2 - 0.03)
            path = [(x, y, 0.01), (-x, y, 0.01), (-x, y, height - 0.03), (x, y, height - 0.03)]
            made.append(part(tube(path, 0.014, sides=4), base))
        return made
    middle, size = (0, 0, 0.35 * height), (width - 0.05, depth - 0.05, 0.018)
    made.append(board(middle, size, top))
    spread = (width - 0.05, depth - 0.05)
    return made + legs(spread, (0, height - 0.02), (0.022, 0.018), base, splay=0, sides=4)


def round_end_table(stream: Stream, palette: Palette) -> list[Part]:
    """12: small and round; a trumpet foot, a tripod or a waisted drum."""
    r, h = stream.uniform(0.20, 0.30), stream.uniform(0.48, 0.62)
    top, metal = palette.top(stream), palette.metal(stream)
    made = [part(cylinder(r, h - 0.02, h, segments=40), top)]
    style = stream.choice(("trumpet", "tripod", "drum"))
    if style == "tripod":
        for angle in (0.5, 2.6, 4.7):
            x, y = r * math.cos(angle), r * math.sin(angle)
            leg = tube([(1.0 * x, 1.0 * y, 0), (0.3 * x, 0.3 * y, h - 0.015)], (0.010, 0.014))
            made.append(part(leg, metal))
        hoop = tube(ring((0, 0, 0.3 * h), 0.79 * r, 32), 0.006, sides=6, closed=True)
        return [*made, part(hoop, metal)]
    if style == "trumpet":
        foot = [(0, 0), (0.72 * r, 0), (0.70 * r, 0.015), (0.03, 0.04), (0.018, 0.1)]
        foot += [(0.02, h - 0.02), (0, h - 0.02)]
    else:
        foot = [
            (0, 0),
            (0.90 * r, 0),
            (0.62 * r, 0.3 * h),
            (0.55 * r, 0.5 * h),
            (0.64 * r, 0.7 * h),
        ]
        foot += [(0.96 * r, h - 0.02), (0, h - 0.02)]
    return [*made, part(lathe(foot, segments=32), metal)]


def desk(stream: Stream, palette: Palette) -> list[Part]:
    """25: a drawer block under one side, bare legs under the other, a hutch or a modesty panel."""
    width, depth, height = stream.uniform(1.1, 1.5), stream.uniform(0.55, 0.65), 0.75
    wood, metal = palette.wood(stream), palette.metal(stream)
    made = [board((0, 0, height - 0.015), (width, depth, 0.03), palette.wood(stream), radius=0.005)]
    plan = Carcass(
        width=0.4,
        depth=depth - 0.06,
        height=height - 0.031,
        rows=[Row(1, 1, "drawer")] * stream.integers(2, 4),
        body=wood,
        front=palette.front(stream),
        metal=metal,
        top=wood,
        leg=0.03,
        handle="bar",
    )
    made += [moved(p, x=width / 2 - 0.22) for p in carcass(stream, palette, plan)]
    x, y = -(width / 2 - 0.04), depth / 2 - 0.05
    loop = [(x, -y, height - 0.03), (x, -y, 0.02), (x, y, 0.02), (x, y, height - 0.03)]
    made.append(part(tube(loop, 0.024, sides=4), metal))
    if stream.chance(0.5):
        made += _hutch(width, depth, height, wood)
    else:
        made.append(
            board((-0.2, depth / 2 - 0.06, 0.72 * height), (0.5 * width, 0.015, 0.22), wood)
        )
    return mirrored(made) if stream.chance(0.5) else made


def _hutch(width: float, depth: float, height: float, wood: int) -> list[Part]:
    """A low shelf along the back of a desk."""
    y = depth / 2 - 0.1
    made = [
        board((0, depth / 2 - 0.01, height + 0.18), (width, 0.02, 0.36), wood),
        board((0, y, height + 0.35), (width, 0.2, 0.02), wood),
    ]
    for x in (0.01 - width / 2, 0.0, width / 2 - 0.01):
        made.append(board((x, y, height + 0.17), (0.02, 0.2, 0.34), wood, radius=0.003))
    return made


def dressing_table(stream: Stream, palette: Palette) -> list[Part]:
    """23: a narrow table with a row of drawers and a round or oval mirror on it."""
    width, depth, height = stream.uniform(0.8, 1.1), 0.42, 0.74
    wood, metal, count = palette.wood(stream), palette.metal(stream), stream.integers(2, 4)
    made = [board((0, 0, height - 0.012), (width, depth, 0.025), palette.top(stream), radius=0.006)]
    made.append(board((0, 0.01, height - 0.08), (width - 0.02, depth - 0.03, 0.12), wood))
    for k in range(count):
        x = width * ((k + 0.5) / count - 0.5)
        size = ((width - 0.02) / count - 0.01, 0.02, 0.105)
        made.append(board((x, -depth / 2 + 0.01, height - 0.08), size, wood))
        made.append(knob((x, -depth / 2, height - 0.08), metal))
    spread = (width - 0.08, depth - 0.08)
    made += legs(spread, (0, height - 0.12), (0.020, 0.012), wood, splay=0.02)
    radius, tall = stream.uniform(0.24, 0.32), stream.choice((1.0, 1.25))
    middle = (0, depth / 2 - 0.06, height + radius * tall + 0.06)
    return made + _mirror(middle, radius, tall, (palette.mirror(stream), metal))


def _mirror(
    middle: tuple[float, float, float], radius: float, tall: float, materials: tuple[int, int]
) -> list[Part]:
    """An upright disc, `tall` times as high as wide, in a metal hoop on a short stand."""
    glass, metal = materials
    disc = facing_front(cylinder(radius, -0.006, 0.006, segments=40, stretch=(1.0, tall)))
    hoop = facing_front(tube(ring((0, 0, 0), radius + 0.004, 40), 0.013, sides=8, closed=True))
    hoop = Mesh(hoop.vertices * np.array([1.0, 1.0, tall]), hoop.faces)
    x, y, z = middle
    foot = z - radius * tall
    stand = [(x, y + 0.01, foot - 0.07), (x, y + 0.01, foot + 0.02)]
    plate = cylinder(0.09, foot - 0.065, foot - 0.05, segments=24, centre=(x, y, 0))
    return [
        part(disc.moved(*middle), glass),
        part(hoop.moved(*middle), metal),
        bar(*stand, 0.012, metal),
        part(plate, metal),
    ]
