"""Chairs: dining chair, barstool, lounge chair, dressing chair, classic Chinese chair."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from helpers.scenes.furniture.common import SIDES, bar, board, cushion, legs
from helpers.scenes.materials import Material, Palette, TextureKind, shade
from helpers.scenes.pieces import Part, part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Floats, Mesh, Point, lathe, ring, shell, sphere, tube

ROSEWOODS = ((0.30, 0.14, 0.09), (0.42, 0.22, 0.12), (0.22, 0.13, 0.10))
POWDER = ((0.90, 0.75, 0.76), (0.85, 0.83, 0.80), (0.62, 0.72, 0.70), (0.75, 0.65, 0.75))


def dining_chair(stream: Stream, palette: Palette) -> list[Part]:
    """18: four legs, seat at 0.45 m, an open ladder or spindle back, a pad, or a shell."""
    return _four_leg_chair(stream, palette, seat=0.45, back=stream.uniform(0.35, 0.53))


def barstool(stream: Stream, palette: Palette) -> list[Part]:
    """22: a dining chair on long legs, with a ring for the feet."""
    seat = stream.uniform(0.68, 0.76)
    made = _four_leg_chair(stream, palette, seat=seat, back=stream.uniform(0.18, 0.32))
    footrest = tube(ring((0, 0, 0.27), 0.245, 28), 0.009, sides=8, closed=True)
    return [*made, part(footrest, made[0].material)]


def _four_leg_chair(stream: Stream, palette: Palette, *, seat: float, back: float) -> list[Part]:
    """A chair with its seat at a height and its back so much higher."""
    width, depth = stream.uniform(0.43, 0.50), stream.uniform(0.42, 0.50)
    frame = palette.wood(stream, axis=2) if stream.chance(0.7) else palette.metal(stream)
    cloth = palette.fabric(stream)
    style = stream.choice(("ladder", "spindle", "pad", "shell"))
    thick, sides = stream.uniform(0.014, 0.022), stream.choice((4, 10, 10))
    size = (width, depth, seat, back)
    board_size = (width * 0.94, depth * 0.92, 0.04)
    pad = cushion((0, 0, seat), (width, depth, 0.06), radius=0.028, puff=(0, 0, 0.35))
    bars = _chair_bars(size, thick, posts=style != "shell")
    return [
        *(part(tube(path, radii, sides=sides), frame) for path, radii in bars),
        board((0, 0, seat - 0.035), board_size, frame, radius=0.008),
        part(pad, cloth),
        *_chair_back(stream, style, size, (frame, cloth)),
    ]


def _chair_bars(
    size: tuple[float, float, float, float], thick: float, *, posts: bool
) -> list[tuple[list[tuple[float, float, float]], tuple[float, ...]]]:
    """(path, radii) of the four legs, feet first, and of the two posts of the back."""
    width, depth, seat, back = size
    bars: list[tuple[list[tuple[float, float, float]], tuple[float, ...]]] = []
    for side in SIDES:
        x = side * width
        front = [(0.50 * x, -0.50 * depth, 0.0), (0.44 * x, -0.43 * depth, seat - 0.03)]
        rear = [(0.48 * x, 0.58 * depth, 0.0), (0.42 * x, 0.43 * depth, seat - 0.03)]
        bars += [(path, (0.7 * thick, 1.3 * thick)) for path in (front, rear)]
        if posts:
            bend, top = (0.43 * x, 0.47 * depth), (0.42 * x, 0.58 * depth)
            post = [(0.42 * x, 0.43 * depth, seat - 0.05), (*bend, seat + back * 0.35)]
            bars.append(([*post, (*top, seat + back)], (1.2 * thick, thick, 0.8 * thick)))
    return bars


def _chair_back(
    stream: Stream, style: str, size: tuple[float, float, float, float], materials: tuple[int, int]
) -> list[Part]:
    """What fills the space between the two posts: slats, spindles or a pad; or the whole shell."""
    (width, depth, seat, back), (frame, cloth) = size, materials

    def rail(height: float, radius: float, rise: float = 0.0) -> Part:
        y = depth * (0.45 + 0.12 * height / back)
        end, middle = (width * 0.42, y, seat + height), (0, y + depth * 0.07, seat + height + rise)
        return part(tube([(-end[0], *end[1:]), middle, end], radius, sides=8), frame)

    if style == "ladder":
        count = stream.integers(3, 6) if back > 0.34 else 2
        return [rail(h, 0.013) for h in np.linspace(back * 0.35, back - 0.025, count)]
    if style == "spindle":
        low, high = (depth * 0.50, seat + back * 0.2), (depth * 0.63, seat + back - 0.01)
        rods = np.linspace(-0.34, 0.34, stream.integers(5, 9)) * width
        return [
            rail(back - 0.02, 0.02, 0.02),
            rail(back * 0.2, 0.012),
            *(bar((x, *low), (x, *high), 0.007, frame, sides=6) for x in rods),
        ]
    if style == "pad":
        lean = (0.12 * depth) / back
        pad = cushion((0, 0, 0), (width * 0.84, 0.045, back * 0.62), radius=0.02, puff=(0, 0.35, 0))
        return [part(pad.sheared(lean).moved(0, depth * 0.53, seat + back * 0.66), cloth)]
    return [part(_back_shell(width, depth, seat, back), cloth)]


def _back_shell(width: float, depth: float, seat: float, back: float) -> Mesh:
    def surface(a: Floats, b: Floats) -> Point:
        turn = 2.3 * (0.5 - a)
        x = width * 0.50 * np.sin(turn) * (1 + 0.06 * b)
        y = depth * 0.52 * np.cos(turn) - 0.02 + 0.05 * b
        return x, y, seat - 0.02 + b * (back + 0.02) * (0.62 + 0.38 * np.cos(turn) ** 2)

    return shell(surface, 0.025, steps=(16, 6))


def lounge_chair(stream: Stream, palette: Palette) -> list[Part]:
    """19: a curved back on a five-armed swivel base with castors, or on a sled of bent tube."""
    cloth, metal, seat = palette.fabric(stream, other=0.7), palette.metal(stream), 0.46
    wide, tall = stream.uniform(0.46, 0.54), stream.uniform(0.42, 0.58)

    def back(a: Floats, b: Floats) -> Point:
        turn = 2.0 * (0.5 - a)
        y = 0.16 + 0.06 * np.cos(turn) + 0.10 * b
        return 0.57 * wide * np.sin(turn), y, seat + 0.02 + b * (tall - 0.05 * (2 * a - 1) ** 2)

    pad = cushion((0, 0, seat), (wide, 0.48, 0.09), radius=0.035, puff=(0, 0, 0.3))
    made = [part(pad, cloth), part(shell(back, 0.04, steps=(14, 8)), cloth)]
    if stream.chance(0.5):
        return made + _swivel_base(seat, metal)
    return made + _sled(seat, metal)


def _swivel_base(seat: float, metal: int) -> list[Part]:
    """A gas column, a star of five arms with castors, and two arm rests."""
    made = [bar((0, 0, 0.08), (0, 0, seat - 0.03), 0.027, metal, sides=12)]
    for k in range(5):
        x, y = math.cos(k * math.tau / 5 + 0.3), math.sin(k * math.tau / 5 + 0.3)
        arm = tube([(0, 0, 0.12), (0.30 * x, 0.30 * y, 0.062)], (0.024, 0.014), sides=8)
        made.append(part(arm, metal))
        made.append(part(sphere(0.030, (0.30 * x, 0.30 * y, 0.030), segments=12), metal))
    for side in SIDES:
        path = [(side * 0.22, 0.10, seat - 0.02), (side * 0.29, 0.10, seat)]
        path += [(side * 0.30, 0.10, seat + 0.21), (side * 0.30, -0.14, seat + 0.21)]
        made.append(part(tube(path, 0.016, sides=8), metal))
    return made


def _sled(seat: float, metal: int) -> list[Part]:
    """Two closed loops of tube that are runners, legs and arm rests in one."""
    made = []
    for side in SIDES:
        x = side * 0.29
        loop = [(x, 0.30, 0.014), (x, -0.28, 0.014), (x, -0.24, seat + 0.2), (x, 0.26, seat + 0.2)]
        made.append(part(tube(loop, 0.014, sides=8, closed=True), metal))
    for y in (-0.18, 0.18):
        made.append(bar((-0.29, y, seat - 0.04), (0.29, y, seat - 0.04), 0.012, metal))
    return made


def dressing_chair(stream: Stream, palette: Palette) -> list[Part]:
    """20: a round seat with a low back wrapped round it, on thin legs or a skirt."""
    cloth = palette.cloth(stream, stream.choice(POWDER))
    r, seat = stream.uniform(0.21, 0.25), 0.43
    profile = [(0, -0.08), (0.9 * r, -0.08), (r, -0.06), (r, 0.02), (0.8 * r, 0.045), (0, 0.055)]
    made = [part(lathe(profile, segments=36, centre=(0, 0, seat)), cloth)]

    def back(a: Floats, b: Floats) -> Point:
        turn = 3.2 * (0.5 - a)
        rise = 0.05 + 0.27 * np.cos(1.5 * (2 * a - 1)) ** 0.6
        flare, low = r + 0.045 + 0.025 * b, seat - 0.05 + 0.06 * (2 * a - 1) ** 2
        return flare * np.sin(turn), flare * np.cos(turn), low + b * (seat + rise - low)

    made.append(part(shell(back, 0.03, steps=(20, 6)), cloth))
    if stream.chance(0.5):
        spread = (1.2 * r, 1.2 * r)
        return made + legs(
            spread, (0, seat - 0.07), (0.014, 0.008), palette.metal(stream), splay=0.05
        )
    skirt = [(0, 0), (1.02 * r, 0), (0.98 * r, 0.15), (0.9 * r, seat - 0.07), (0, seat - 0.07)]
    return [*made, part(lathe(skirt, segments=36), cloth)]


def chinese_chair(stream: Stream, palette: Palette) -> list[Part]:
    """21: rosewood; one horseshoe rail for back and arms, a bent splat, stretchers all round."""
    colour = stream.choice(ROSEWOODS)
    look = Material(TextureKind.WOOD, colour, shade(colour, 0.75), axis=2, specular=0.06)
    wood = palette.add(stream, replace(look, roughness=0.15))
    w, d, seat = stream.uniform(0.55, 0.61), stream.uniform(0.44, 0.48), 0.48
    made = [board((0, 0, seat - 0.012), (w, d, 0.035), wood, radius=0.008)]
    made.append(board((0, -d / 2 + 0.03, seat - 0.07), (w - 0.08, 0.015, 0.08), wood))
    for x in SIDES:
        for y in SIDES:
            foot, head = (
                (x * (w / 2 - 0.02), y * (d / 2 - 0.02), 0),
                (x * (w / 2 - 0.03), y * (d / 2 - 0.03), seat),
            )
            made.append(bar(foot, head, 0.018, wood, sides=10))
        side = x * (w / 2 - 0.02)
        made.append(
            bar((side, -d / 2 + 0.03, 0.14), (side, d / 2 - 0.03, 0.14), 0.012, wood, sides=6)
        )
    for y, z in ((-1, 0.09), (1, 0.20)):
        line = y * (d / 2 - 0.02)
        made.append(bar((0.02 - w / 2, line, z), (w / 2 - 0.02, line, z), 0.013, wood, sides=6))
    return made + _horseshoe(w, d, seat, wood)


def _horseshoe(width: float, depth: float, seat: float, wood: int) -> list[Part]:
    """The rail swings round the sitter, falling from the back to the hands; posts carry it."""
    turn = np.linspace(-2.0, 2.0, 25)
    y = 0.06 + 0.20 * np.cos(turn) - 0.10 * (1 - np.cos(turn * 0.5))
    x = (width / 2 + 0.02) * np.sin(np.clip(turn, -1.45, 1.45)) / math.sin(1.45)
    flare = 0.03 * np.clip(np.abs(turn) - 1.45, 0, None) * np.sign(turn)
    path = np.stack([x + flare, y, seat + 0.26 + 0.17 * np.exp(-((turn / 0.95) ** 2))], axis=1)
    made = [part(tube(path, 0.019), wood)]
    for side in SIDES:
        for k, base_y in ((22, -depth / 2 + 0.05), (17, depth / 2 - 0.04)):
            top = (side * abs(path[k, 0]), path[k, 1], path[k, 2])
            foot = (side * (width / 2 - 0.035), base_y, seat)
            made.append(bar(foot, top, 0.014, wood))

    def splat(a: Floats, b: Floats) -> Point:
        lean = 0.03 * np.sin(b * math.tau) + 0.06 * b
        return 0.14 * (a - 0.5), depth / 2 - 0.04 + lean, seat + b * 0.42

    return [*made, part(shell(splat, 0.015, steps=(2, 8)), wood)]
