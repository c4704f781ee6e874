"""Chairs: dining chair, barstool, lounge chair, dressing chair, classic Chinese chair."""

from __future__ import annotations

import math

import numpy as np

from helpers.scenes.materials import Material, shade
from helpers.scenes.pieces import SIDES, Maker
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Floats, Point, cushion, lathe, shell, sphere
from helpers.scenes.textures import WOOD

ROSEWOODS = ((0.30, 0.14, 0.09), (0.42, 0.22, 0.12), (0.22, 0.13, 0.10))
POWDER = ((0.90, 0.75, 0.76), (0.85, 0.83, 0.80), (0.62, 0.72, 0.70), (0.75, 0.65, 0.75))

ChairSize = tuple[float, float, float, float]  # width, depth, seat height, back above it (m)


def dining_chair(make: Maker, draw: Stream) -> None:
    """18: four legs, seat at 0.45 m, an open ladder or spindle back, a pad, or a shell."""
    _four_leg_chair(make, draw, seat=0.45, back=draw.uniform(0.35, 0.53))


def barstool(make: Maker, draw: Stream) -> None:
    """22: a dining chair on long legs, with a ring for the feet."""
    seat = draw.uniform(0.68, 0.76)
    _four_leg_chair(make, draw, seat=seat, back=draw.uniform(0.18, 0.32))
    make.hoop(0.27, 0.245, 0.009, make.parts[0].material, count=28, sides=8)


def _four_leg_chair(make: Maker, draw: Stream, *, seat: float, back: float) -> None:
    """A chair with its seat at a height and its back so much higher."""
    width, depth = draw.uniform(0.43, 0.50), draw.uniform(0.42, 0.50)
    frame = make.wood(axis=2) if draw.chance(0.7) else make.metal()
    cloth = make.fabric()
    style = draw.choice(("ladder", "spindle", "pad", "shell"))
    thick, sides = draw.uniform(0.014, 0.022), draw.choice((4, 10, 10))
    for x in (-width, width):
        front = [(0.50 * x, -0.50 * depth, 0.0), (0.44 * x, -0.43 * depth, seat - 0.03)]
        rear = [(0.48 * x, 0.58 * depth, 0.0), (0.42 * x, 0.43 * depth, seat - 0.03)]
        for leg in (front, rear):
            make.bar(leg, (0.7 * thick, 1.3 * thick), frame, sides)
        if style != "shell":
            post = [(0.42 * x, 0.43 * depth, seat - 0.05)]
            post += [(0.43 * x, 0.47 * depth, seat + back * 0.35)]
            post += [(0.42 * x, 0.58 * depth, seat + back)]
            make.bar(post, (1.2 * thick, thick, 0.8 * thick), frame, sides)
    make.board((0, 0, seat - 0.035), (width * 0.94, depth * 0.92, 0.04), frame, 0.008)
    make.add(cloth, cushion((0, 0, seat), (width, depth, 0.06), radius=0.028, puff=(0, 0, 0.35)))
    size = (width, depth, seat, back)
    if style in ("ladder", "spindle"):
        _open_back(make, draw, size, frame, spindles=style == "spindle")
    elif style == "pad":
        pad = cushion((0, 0, 0), (width * 0.84, 0.045, back * 0.62), radius=0.02, puff=(0, 0.35, 0))
        leaned = pad.sheared((0.12 * depth) / back)
        make.add(cloth, leaned.moved(0, depth * 0.53, seat + back * 0.66))
    else:

        def surface(a: Floats, b: Floats) -> Point:
            turn = 2.3 * (0.5 - a)
            x = width * 0.50 * np.sin(turn) * (1 + 0.06 * b)
            y = depth * 0.52 * np.cos(turn) - 0.02 + 0.05 * b
            return x, y, seat - 0.02 + b * (back + 0.02) * (0.62 + 0.38 * np.cos(turn) ** 2)

        make.add(cloth, shell(surface, 0.025, steps=(16, 6)))


def _open_back(make: Maker, draw: Stream, size: ChairSize, frame: int, *, spindles: bool) -> None:
    """Rails between the two posts: a ladder of them, or two with spindles."""
    width, depth, seat, back = size

    def rail(height: float, radius: float, rise: float = 0.0) -> None:
        x, y, z = width * 0.42, depth * (0.45 + 0.12 * height / back), seat + height
        make.bar([(-x, y, z), (0, y + depth * 0.07, z + rise), (x, y, z)], radius, frame)

    if not spindles:
        count = draw.integers(3, 6) if back > 0.34 else 2
        for height in np.linspace(back * 0.35, back - 0.025, count):
            rail(height, 0.013)
        return
    rods = np.linspace(-0.34, 0.34, draw.integers(5, 9)) * width
    rail(back - 0.02, 0.02, 0.02)
    rail(back * 0.2, 0.012)
    low, high = (depth * 0.50, seat + back * 0.2), (depth * 0.63, seat + back - 0.01)
    for x in rods:
        make.bar([(x, *low), (x, *high)], 0.007, frame, 6)


def lounge_chair(make: Maker, draw: Stream) -> None:
    """19: a curved back on a five-armed swivel base with castors, or on a sled of bent tube."""
    cloth, metal, seat = make.fabric(other=0.7), make.metal(), 0.46
    wide, tall = draw.uniform(0.46, 0.54), draw.uniform(0.42, 0.58)

    def back(a: Floats, b: Floats) -> Point:
        turn = 2.0 * (0.5 - a)
        y = 0.16 + 0.06 * np.cos(turn) + 0.10 * b
        return 0.57 * wide * np.sin(turn), y, seat + 0.02 + b * (tall - 0.05 * (2 * a - 1) ** 2)

    make.add(cloth, cushion((0, 0, seat), (wide, 0.48, 0.09), radius=0.035, puff=(0, 0, 0.3)))
    make.add(cloth, shell(back, 0.04, steps=(14, 8)))
    if draw.chance(0.5):  # a gas column, a star of five arms with castors, two arm rests
        make.bar([(0, 0, 0.08), (0, 0, seat - 0.03)], 0.027, metal, 12)
        for k in range(5):
            x, y = math.cos(k * math.tau / 5 + 0.3), math.sin(k * math.tau / 5 + 0.3)
            make.bar([(0, 0, 0.12), (0.30 * x, 0.30 * y, 0.062)], (0.024, 0.014), metal)
            make.add(metal, sphere(0.030, (0.30 * x, 0.30 * y, 0.030), segments=12))
        arm = [(0.22, 0.10, seat - 0.02), (0.29, 0.10, seat)]
        arm += [(0.30, 0.10, seat + 0.21), (0.30, -0.14, seat + 0.21)]
        return make.bar(arm, 0.016, metal, both=True)
    # Two closed loops of tube are runners, legs and arm rests in one.
    loop = [(0.29, 0.30, 0.014), (0.29, -0.28, 0.014)]
    loop += [(0.29, -0.24, seat + 0.2), (0.29, 0.26, seat + 0.2)]
    make.bar(loop, 0.014, metal, closed=True, both=True)
    for y in (-0.18, 0.18):
        make.bar([(-0.29, y, seat - 0.04), (0.29, y, seat - 0.04)], 0.012, metal)
    return None


def dressing_chair(make: Maker, draw: Stream) -> None:
    """20: a round seat with a low back wrapped round it, on thin legs or a skirt."""
    cloth = make.cloth(draw.choice(POWDER))
    r, seat = draw.uniform(0.21, 0.25), 0.43
    profile = [(0, -0.08), (0.9 * r, -0.08), (r, -0.06), (r, 0.02), (0.8 * r, 0.045), (0, 0.055)]

    def back(a: Floats, b: Floats) -> Point:
        turn = 3.2 * (0.5 - a)
        rise = 0.05 + 0.27 * np.cos(1.5 * (2 * a - 1)) ** 0.6
        flare, low = r + 0.045 + 0.025 * b, seat - 0.05 + 0.06 * (2 * a - 1) ** 2
        return flare * np.sin(turn), flare * np.cos(turn), low + b * (seat + rise - low)

    make.add(cloth, lathe(profile, segments=36, centre=(0, 0, seat)))
    make.add(cloth, shell(back, 0.03, steps=(20, 6)))
    if draw.chance(0.5):
        return make.legs((1.2 * r, 1.2 * r), seat - 0.07, (0.014, 0.008), make.metal(), splay=0.05)
    skirt = [(0, 0), (1.02 * r, 0), (0.98 * r, 0.15), (0.9 * r, seat - 0.07), (0, seat - 0.07)]
    return make.add(cloth, lathe(skirt, segments=36))


def chinese_chair(make: Maker, draw: Stream) -> None:
    """21: rosewood; one horseshoe rail for back and arms, a bent splat, stretchers all round."""
    colour = draw.choice(ROSEWOODS)
    dark = shade(colour, 0.75)
    wood = make.material(Material(WOOD, colour, dark, axis=2, specular=0.06, roughness=0.15))
    w, d, seat = draw.uniform(0.55, 0.61), draw.uniform(0.44, 0.48), 0.48
    make.board((0, 0, seat - 0.012), (w, d, 0.035), wood, 0.008)
    make.board((0, -d / 2 + 0.03, seat - 0.07), (w - 0.08, 0.015, 0.08), wood)
    for x in SIDES:
        for y in SIDES:
            foot = (x * (w / 2 - 0.02), y * (d / 2 - 0.02), 0)
            make.bar([foot, (x * (w / 2 - 0.03), y * (d / 2 - 0.03), seat)], 0.018, wood, 10)
        side, end = x * (w / 2 - 0.02), d / 2 - 0.03
        make.bar([(side, -end, 0.14), (side, end, 0.14)], 0.012, wood, 6)
    for y, z in ((-1, 0.09), (1, 0.20)):
        line = y * (d / 2 - 0.02)
        make.bar([(0.02 - w / 2, line, z), (w / 2 - 0.02, line, z)], 0.013, wood, 6)
    _horseshoe(make, w, d, seat, wood)


def _horseshoe(make: Maker, width: float, depth: float, seat: float, wood: int) -> None:
    """The rail swings round the sitter, falling from the back to the hands; posts carry it."""
    turn = np.linspace(-2.0, 2.0, 25)
    y = 0.06 + 0.20 * np.cos(turn) - 0.10 * (1 - np.cos(turn * 0.5))
    x = (width / 2 + 0.02) * np.sin(np.clip(turn, -1.45, 1.45)) / math.sin(1.45)
    flare = 0.03 * np.clip(np.abs(turn) - 1.45, 0, None) * np.sign(turn)
    path = np.stack([x + flare, y, seat + 0.26 + 0.17 * np.exp(-((turn / 0.95) ** 2))], axis=1)
    make.bar(path, 0.019, wood, 10)
    for side in SIDES:
        for k, base_y in ((22, -depth / 2 + 0.05), (17, depth / 2 - 0.04)):
            top = (side * abs(path[k, 0]), path[k, 1], path[k, 2])
            make.bar([(side * (width / 2 - 0.035), base_y, seat), top], 0.014, wood)

    def splat(a: Floats, b: Floats) -> Point:
        lean = 0.03 * np.sin(b * math.tau) + 0.06 * b
        return 0.14 * (a - 0.5), depth / 2 - 0.04 + lean, seat + b * 0.42

    make.add(wood, shell(splat, 0.015, steps=(2, 8)))
