"""Tables: coffee, side, round end, dining, desk, dressing table."""

from __future__ import annotations

import math

import numpy as np

from helpers.scenes.furniture.cabinets import Carcass, Look, Row, carcass
from helpers.scenes.materials import MIRROR
from helpers.scenes.pieces import SIDES, Maker, Part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Mesh, cylinder, lathe, ring, smoothed, tube


def coffee_table(make: Maker, draw: Stream) -> None:
    """5: low; a round top in a wire drum, a rectangle with a lower shelf, or an oval."""
    height, top = draw.uniform(0.36, 0.46), make.top()
    style = draw.choice(("drum", "rectangle", "oval"))
    if style == "drum":
        radius = draw.uniform(0.32, 0.48)
        make.add(top, cylinder(radius, height - 0.02, height, segments=40))
        count, metal = draw.integers(5, 10), make.metal()
        make.hoop(height - 0.01, radius + 0.004, 0.009, metal, count=40)
        make.hoop(0.009, radius - 0.01, 0.009, metal, count=40)
        for k in range(count):
            x, y = math.cos(0.3 + k / count * math.tau), math.sin(0.3 + k / count * math.tau)
            low = ((radius - 0.01) * x, (radius - 0.01) * y, 0.01)
            make.bar([low, (radius * x, radius * y, height - 0.01)], 0.008, metal)
        return
    wood = make.wood(axis=2)
    if style == "rectangle":
        width, depth = draw.uniform(0.9, 1.3), draw.uniform(0.5, 0.7)
        make.board((0, 0, height - 0.018), (width, depth, 0.036), top, 0.012)
        make.board((0, 0, height * 0.4), (width - 0.1, depth - 0.1, 0.02), make.wood())
        spread, radii = (width - 0.12, depth - 0.12), (0.026, 0.016)
        return make.legs(spread, height - 0.03, radii, wood, splay=0.02, sides=4)
    stretch = (draw.uniform(0.5, 0.65), draw.uniform(0.30, 0.36))
    make.add(top, cylinder(1.0, height - 0.03, height, segments=44, stretch=stretch))
    spread = (stretch[0] * 1.05, stretch[1] * 1.05)
    return make.legs(spread, height - 0.03, (0.024, 0.012), wood, splay=0.06)


def dining_table(make: Maker, draw: Stream) -> None:
    """24: seat-high for chairs; four legs, two loops, or a round top on a pedestal."""
    width, depth, height = draw.uniform(1.3, 1.9), draw.uniform(0.80, 0.95), 0.75
    top = make.top()
    base = make.wood(axis=2) if draw.chance(0.7) else make.metal()
    style = draw.choice(("legs", "loops", "pedestal"))
    if style == "pedestal":
        r = draw.uniform(0.50, 0.65)
        plate = [(0, 0.715), (r - 0.02, 0.715), (r + 0.005, 0.735), (r, height), (0, height)]
        stem = smoothed([(0.28, 0.025), (0.12, 0.08), (0.06, 0.3), (0.045, 0.5), (0.05, 0.72)], 3)
        make.add(top, lathe(plate, segments=48))
        return make.add(base, lathe([(0, 0), (0.30, 0), *stem, (0, 0.72)], segments=32))
    make.board((0, 0, height - 0.02), (width, depth, 0.04), top, 0.01)
    if style == "legs":
        return make.legs(
            (width - 0.2, depth - 0.2), height - 0.03, (0.035, 0.018), base, splay=0.05
        )
    x, y, z = width / 2 - 0.25, depth / 2 - 0.1, height - 0.04
    loop = [(x, -y, z), (x, -y, 0.02), (x, y, 0.02), (x, y, z)]
    return make.bar(loop, 0.028, base, 4, both=True)


def side_table(make: Maker, draw: Stream) -> None:
    """6: small, square and as high as a sofa's arm; a C-shaped frame or four legs and a shelf."""
    width, depth = draw.uniform(0.42, 0.55), draw.uniform(0.40, 0.50)
    height, top = draw.uniform(0.50, 0.62), make.top()
    base = make.metal() if draw.chance(0.6) else make.wood(axis=2)
    make.board((0, 0, height - 0.012), (width, depth, 0.025), top, 0.006)
    if draw.chance(0.5):
        for side in SIDES:
            x, y = width / 2 - 0.02, side * (depth / 2 - 0.03)
            path = [(x, y, 0.01), (-x, y, 0.01), (-x, y, height - 0.03), (x, y, height - 0.03)]
            make.bar(path, 0.014, base, 4)
        return
    spread = (width - 0.05, depth - 0.05)
    make.board((0, 0, 0.35 * height), (*spread, 0.018), top)
    make.legs(spread, height - 0.02, (0.022, 0.018), base, splay=0, sides=4)


def round_end_table(make: Maker, draw: Stream) -> None:
    """12: small and round; a trumpet foot, a tripod or a waisted drum."""
    r, h = draw.uniform(0.20, 0.30), draw.uniform(0.48, 0.62)
    top, metal = make.top(), make.metal()
    make.add(top, cylinder(r, h - 0.02, h, segments=40))
    style = draw.choice(("trumpet", "tripod", "drum"))
    if style == "tripod":
        for angle in (0.5, 2.6, 4.7):
            x, y = r * math.cos(angle), r * math.sin(angle)
            make.bar([(x, y, 0), (0.3 * x, 0.3 * y, h - 0.015)], (0.010, 0.014), metal, 10)
        return make.hoop(0.3 * h, 0.79 * r, 0.006, metal, count=32)
    if style == "trumpet":
        foot = [(0, 0), (0.72 * r, 0), (0.70 * r, 0.015), (0.03, 0.04), (0.018, 0.1)]
        foot += [(0.02, h - 0.02), (0, h - 0.02)]
    else:
        foot = [(0, 0), (0.90 * r, 0), (0.62 * r, 0.3 * h), (0.55 * r, 0.5 * h)]
        foot += [(0.64 * r, 0.7 * h), (0.96 * r, h - 0.02), (0, h - 0.02)]
    return make.add(metal, lathe(foot, segments=32))


def desk(make: Maker, draw: Stream) -> None:
    """25: a drawer block under one side, bare legs under the other, a hutch or a modesty panel."""
    width, depth, height = draw.uniform(1.1, 1.5), draw.uniform(0.55, 0.65), 0.75
    wood, metal = make.wood(), make.metal()
    make.board((0, 0, height - 0.015), (width, depth, 0.03), make.wood(), 0.005)
    rows, size = [Row(1, 1, "drawer")] * draw.integers(2, 4), (0.4, depth - 0.06, height - 0.031)
    block = Maker(draw, make.palette)
    front = make.front()
    carcass(block, Carcass(size, rows, 0.03, "bar"), Look(wood, front, metal, wood))
    aside = np.array([width / 2 - 0.22, 0, 0])
    make.parts += [Part.of(Mesh(p.vertices + aside, p.faces), p.material) for p in block.parts]
    x, y = -(width / 2 - 0.04), depth / 2 - 0.05
    loop = [(x, -y, height - 0.03), (x, -y, 0.02), (x, y, 0.02), (x, y, height - 0.03)]
    make.bar(loop, 0.024, metal, 4)
    if draw.chance(0.5):  # a low shelf along the back
        y = depth / 2 - 0.1
        make.board((0, depth / 2 - 0.01, height + 0.18), (width, 0.02, 0.36), wood)
        make.board((0, y, height + 0.35), (width, 0.2, 0.02), wood)
        for x in (0.01 - width / 2, 0.0, width / 2 - 0.01):
            make.board((x, y, height + 0.17), (0.02, 0.2, 0.34), wood, 0.003)
    else:
        panel = (0.5 * width, 0.015, 0.22)
        make.board((-0.2, depth / 2 - 0.06, 0.72 * height), panel, wood)
    make.mirror_sometimes()


def dressing_table(make: Maker, draw: Stream) -> None:
    """23: a narrow table with a row of drawers and a round or oval mirror on it."""
    width, depth, height = draw.uniform(0.8, 1.1), 0.42, 0.74
    wood, metal, count = make.wood(), make.metal(), draw.integers(2, 4)
    make.board((0, 0, height - 0.012), (width, depth, 0.025), make.top(), 0.006)
    make.board((0, 0.01, height - 0.08), (width - 0.02, depth - 0.03, 0.12), wood)
    for k in range(count):
        x = width * ((k + 0.5) / count - 0.5)
        size = ((width - 0.02) / count - 0.01, 0.02, 0.105)
        make.board((x, -depth / 2 + 0.01, height - 0.08), size, wood)
        make.knob((x, -depth / 2, height - 0.08), metal)
    spread = (width - 0.08, depth - 0.08)
    make.legs(spread, height - 0.12, (0.020, 0.012), wood, splay=0.02)
    radius, tall = draw.uniform(0.24, 0.32), draw.choice((1.0, 1.25))
    y, z = depth / 2 - 0.06, height + radius * tall + 0.06  # the mirror's middle
    disc = cylinder(radius, -0.006, 0.006, segments=40, stretch=(1.0, tall)).facing_front()
    hoop = tube(ring(radius + 0.004, 0.0, 40), 0.013, sides=8, closed=True).facing_front()
    hoop = Mesh(hoop.vertices * np.array([1.0, 1.0, tall]), hoop.faces)
    foot = z - radius * tall
    make.add(make.material(MIRROR), disc.moved(0, y, z))
    make.add(metal, hoop.moved(0, y, z))
    make.bar([(0, y + 0.01, foot - 0.07), (0, y + 0.01, foot + 0.02)], 0.012, metal)
    make.add(metal, cylinder(0.09, foot - 0.065, foot - 0.05, segments=24).moved(0, y))
