"""Lamps: pendants on cords and wires, and what sits flush on the ceiling; all hang from z = 0."""

from __future__ import annotations

import math

from helpers.scenes.furniture.common import ball, bar, board
from helpers.scenes.materials import Colour, Palette
from helpers.scenes.pieces import Part, part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import cylinder, lathe, ring, tube

DAYLIGHT: Colour = (1.0, 0.97, 0.92)
SHADE_CLOTH: Colour = (1.0, 0.95, 0.85)


def pendant_lamp(stream: Stream, palette: Palette) -> list[Part]:
    """33: a cone or drum shade, a ring chandelier with candles, or a cluster of globes."""
    drop, metal = stream.uniform(0.55, 1.0), palette.metal(stream)
    canopy = part(cylinder(0.06, -0.025, 0.0, segments=24), metal)
    style = stream.choice(("cone", "drum", "chandelier", "globes"))
    if style == "cone":
        return [canopy, *_cone(stream, palette, drop, metal)]
    if style == "drum":
        return [canopy, *_drum(stream, palette, drop, metal)]
    if style == "chandelier":
        return [canopy, *_chandelier(stream, palette, drop, metal)]
    return [canopy, *_globes(stream, palette, drop, metal)]


def _cone(stream: Stream, palette: Palette, drop: float, metal: int) -> list[Part]:
    """A painted metal shade with the bulb showing below."""
    radius, tall, z = stream.uniform(0.17, 0.26), stream.uniform(0.15, 0.26), -drop
    colour = palette.accent_colour if stream.chance(0.5) else (0.93, 0.92, 0.90)
    inside = [(0, z - 0.02), (0.03, z - 0.02), (radius - 0.008, z - tall)]
    profile = [*inside, (radius, z - tall), (0.05, z - 0.03), (0.03, z), (0, z)]
    low = z - tall + 0.01
    bulb = [(0, low), (0.045, low + 0.02), (0.055, low + 0.06), (0.03, low + 0.10), (0, low + 0.11)]
    return [
        bar((0, 0, z), (0, 0, 0), 0.004, metal, sides=6),
        part(lathe(profile, segments=40), palette.plain(stream, colour, specular=0.05)),
        part(lathe(bulb, segments=18), palette.glow(stream, 5.0)),
    ]


def _drum(stream: Stream, palette: Palette, drop: float, metal: int) -> list[Part]:
    """A glowing cloth drum carried by three spokes."""
    r, z = stream.uniform(0.20, 0.30), -drop
    profile = [(0.9 * r - 0.006, z), (r - 0.006, z - 0.26), (r, z - 0.26), (0.9 * r, z)]
    made = [
        bar((0, 0, z - 0.02), (0, 0, 0), 0.006, metal, sides=6),
        part(lathe([*profile, profile[0]], segments=44), palette.glow(stream, 1.5, SHADE_CLOTH)),
    ]
    for k in range(3):
        x, y = 0.9 * r * math.cos(k * math.tau / 3), 0.9 * r * math.sin(k * math.tau / 3)
        made.append(bar((0, 0, z - 0.02), (x, y, z - 0.02), 0.004, metal, sides=6))
    return made


def _chandelier(stream: Stream, palette: Palette, drop: float, metal: int) -> list[Part]:
    """Two rings one inside the other on thin wires, eight to fourteen candles."""
    r, z, count = stream.uniform(0.32, 0.46), -drop, stream.integers(8, 15)
    glow = palette.glow(stream, 5.0)
    rings = [(r, z, 0.013, 48), (0.62 * r, z - 0.05, 0.009, 36)]
    made = [bar((0, 0, 0.5 * z), (0, 0, 0), 0.008, metal)]
    for radius, height, thick, steps in rings:
        hoop = tube(ring((0, 0, height), radius, steps), thick, sides=8, closed=True)
        made.append(part(hoop, metal))
    for k in range(count):
        x, y = r * math.cos(k / count * math.tau), r * math.sin(k / count * math.tau)
        if k % 2 == 0:
            made.append(bar((x, y, z), (0, 0, 0.5 * z), 0.004, metal, sides=6))
            made.append(bar((x, y, z), (0.62 * x, 0.62 * y, z - 0.05), 0.005, metal, sides=6))
        made += _candle((x, y, z), metal, glow)
    return made


def _candle(at: tuple[float, float, float], metal: int, glow: int) -> list[Part]:
    """A holder with a drop below the ring and a flame-shaped bulb above it."""
    holder = [(0, -0.16), (0.008, -0.13), (0.009, -0.03), (0.014, -0.01), (0.014, 0.05), (0, 0.055)]
    flame = [(0, 0.05), (0.022, 0.07), (0.026, 0.10), (0.012, 0.15), (0, 0.19)]
    return [
        part(lathe(holder, segments=8, centre=at), metal),
        part(lathe(flame, segments=12, centre=at), glow),
    ]


def _globes(stream: Stream, palette: Palette, drop: float, metal: int) -> list[Part]:
    """Three to six balls on thin wires at three heights, most of them lit."""
    made = []
    for k in range(stream.integers(3, 7)):
        away, radius = 0.06 + 0.05 * k, stream.uniform(0.06, 0.10)
        x, y, z = away * math.cos(2.4 * k), away * math.sin(2.4 * k), -drop + 0.12 * (k % 3)
        material = palette.glow(stream, 2.5) if stream.chance(0.7) else metal
        wire = [(x, y, z + radius - 0.005), (0.15 * x, 0.15 * y, -0.02)]
        made += [bar(*wire, 0.003, metal, sides=6), ball((x, y, z), radius, material)]
    return made


def ceiling_lamp(stream: Stream, palette: Palette) -> list[Part]:
    """34: flush; a lit disc or square in a metal rim, or a spider of globes."""
    glow, metal = palette.glow(stream, 3.0, DAYLIGHT), palette.metal(stream)
    r = stream.uniform(0.22, 0.34)
    style = stream.choice(("disc", "square", "spider"))
    if style == "disc":
        rim = [(0, -0.06), (0.97 * r, -0.06), (r, -0.05), (r, 0), (0, 0)]
        bowl = [(0, -0.11), (0.4 * r, -0.105), (0.7 * r, -0.088), (0.93 * r, -0.062)]
        bowl += [(0.93 * r, -0.055), (0, -0.055)]
        return [part(lathe(rim, segments=44), metal), part(lathe(bowl, segments=44), glow)]
    if style == "square":
        return [
            board((0, 0, -0.03), (2 * r, 2 * r, 0.06), metal, radius=0.006),
            board((0, 0, -0.065), (1.8 * r, 1.8 * r, 0.02), glow, radius=0.006),
        ]
    made = [part(cylinder(0.1, -0.03, 0.0, segments=28), metal)]
    count = stream.integers(4, 7)
    for k in range(count):
        x, y = r * math.cos(k / count * math.tau), r * math.sin(k / count * math.tau)
        arm = tube([(0, 0, -0.025), (0.6 * x, 0.6 * y, -0.06), (x, y, -0.1)], 0.007, sides=8)
        made += [part(arm, metal), ball((x, y, -0.15), 0.055, glow)]
    return made
