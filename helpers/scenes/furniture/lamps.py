"""Lamps: pendants on cords and wires, and what sits flush on the ceiling; all hang from z = 0."""

from __future__ import annotations

import math

from helpers.scenes.materials import DAYLIGHT, SHADE_CLOTH
from helpers.scenes.pieces import Maker
from helpers.scenes.random import Stream
from helpers.scenes.shapes import cylinder, lathe, ring, sphere


def pendant_lamp(make: Maker, draw: Stream) -> None:
    """33: a cone or drum shade, a ring chandelier with candles, or a cluster of globes."""
    drop, metal = draw.uniform(0.55, 1.0), make.metal()
    make.add(metal, cylinder(0.06, -0.025, 0.0, segments=24))
    hang = draw.choice((_cone, _drum, _chandelier, _globes))
    hang(make, draw, -drop, metal)


def _cone(make: Maker, draw: Stream, z: float, metal: int) -> None:
    """A painted metal shade with the bulb showing below."""
    radius, tall = draw.uniform(0.17, 0.26), draw.uniform(0.15, 0.26)
    colour = make.palette.accent_colour if draw.chance(0.5) else (0.93, 0.92, 0.90)
    inside = [(0, z - 0.02), (0.03, z - 0.02), (radius - 0.008, z - tall)]
    profile = [*inside, (radius, z - tall), (0.05, z - 0.03), (0.03, z), (0, z)]
    low = z - tall + 0.01
    bulb = [(0, low), (0.045, low + 0.02), (0.055, low + 0.06), (0.03, low + 0.10), (0, low + 0.11)]
    make.bar([(0, 0, z), (0, 0, 0)], 0.004, metal, 6)
    make.add(make.plain(colour, specular=0.05), lathe(profile, segments=40))
    make.add(make.glow(5.0), lathe(bulb, segments=18))


def _drum(make: Maker, draw: Stream, z: float, metal: int) -> None:
    """A glowing cloth drum carried by three spokes."""
    r = draw.uniform(0.20, 0.30)
    profile = [(0.9 * r - 0.006, z), (r - 0.006, z - 0.26), (r, z - 0.26), (0.9 * r, z)]
    make.bar([(0, 0, z - 0.02), (0, 0, 0)], 0.006, metal, 6)
    make.add(make.glow(1.5, SHADE_CLOTH), lathe([*profile, profile[0]], segments=44))
    for end in ring(0.9 * r, z - 0.02, 3):
        make.bar([(0, 0, z - 0.02), end], 0.004, metal, 6)


def _chandelier(make: Maker, draw: Stream, z: float, metal: int) -> None:
    """Two rings one inside the other on thin wires, eight to fourteen candles."""
    r, count = draw.uniform(0.32, 0.46), draw.integers(8, 15)
    glow = make.glow(5.0)
    make.bar([(0, 0, 0.5 * z), (0, 0, 0)], 0.008, metal)
    make.hoop(z, r, 0.013, metal, count=48, sides=8)
    make.hoop(z - 0.05, 0.62 * r, 0.009, metal, count=36, sides=8)
    holder = [(0, -0.16), (0.008, -0.13), (0.009, -0.03), (0.014, -0.01), (0.014, 0.05), (0, 0.055)]
    flame = [(0, 0.05), (0.022, 0.07), (0.026, 0.10), (0.012, 0.15), (0, 0.19)]
    for k, place in enumerate(ring(r, z, count)):
        if k % 2 == 0:
            make.bar([place, (0, 0, 0.5 * z)], 0.004, metal, 6)
            make.bar([place, place * (0.62, 0.62, 1) - (0, 0, 0.05)], 0.005, metal, 6)
        make.add(metal, lathe(holder, segments=8, centre=place))
        make.add(glow, lathe(flame, segments=12, centre=place))


def _globes(make: Maker, draw: Stream, low: float, metal: int) -> None:
    """Three to six balls on thin wires at three heights, most of them lit."""
    for k in range(draw.integers(3, 7)):
        away, radius = 0.06 + 0.05 * k, draw.uniform(0.06, 0.10)
        x, y, z = away * math.cos(2.4 * k), away * math.sin(2.4 * k), low + 0.12 * (k % 3)
        material = make.glow(2.5) if draw.chance(0.7) else metal
        make.bar([(x, y, z + radius - 0.005), (0.15 * x, 0.15 * y, -0.02)], 0.003, metal, 6)
        make.add(material, sphere(radius, (x, y, z)))


def ceiling_lamp(make: Maker, draw: Stream) -> None:
    """34: flush; a lit disc or square in a metal rim, or a spider of globes."""
    glow, metal = make.glow(3.0, DAYLIGHT), make.metal()
    r = draw.uniform(0.22, 0.34)
    style = draw.choice(("disc", "square", "spider"))
    if style == "disc":
        rim = [(0, -0.06), (0.97 * r, -0.06), (r, -0.05), (r, 0), (0, 0)]
        bowl = [(0, -0.11), (0.4 * r, -0.105), (0.7 * r, -0.088), (0.93 * r, -0.062)]
        make.add(metal, lathe(rim, segments=44))
        make.add(glow, lathe([*bowl, (0.93 * r, -0.055), (0, -0.055)], segments=44))
    elif style == "square":
        make.board((0, 0, -0.03), (2 * r, 2 * r, 0.06), metal, 0.006)
        make.board((0, 0, -0.065), (1.8 * r, 1.8 * r, 0.02), glow, 0.006)
    else:
        make.add(metal, cylinder(0.1, -0.03, 0.0, segments=28))
        for x, y, _ in ring(r, -0.1, draw.integers(4, 7)):
            make.bar([(0, 0, -0.025), (0.6 * x, 0.6 * y, -0.06), (x, y, -0.1)], 0.007, metal)
            make.add(glow, sphere(0.055, (x, y, -0.15)))
