"""Chairs: dining chair, barstool, lounge chair, dressing chair, classic Chinese chair."""

from __future__ import annotations

import numpy as np

from helpers.scenes.furniture.common import SIDES, bar, board, cushion
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Part, part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Mesh, ring, shell, tube

ROSEWOODS = ((0.30, 0.14, 0.09), (0.42, 0.22, 0.12), (0.22, 0.13, 0.10))
POWDER = ((0.90, 0.75, 0.76), (0.85, 0.83, 0.80), (0.62, 0.72, 0.70), (0.75, 0.65, 0.75))


def dining_chair(stream: Stream, palette: Palette) -> list[Part]:
    """18: four legs, seat at 0.45 m, an open ladder or spindle back, a pad, or a shell."""
    return _four_leg_chair(stream, palette, seat=0.45, back=stream.uniform(0.35, 0.53))


def barstool(stream: Stream, palette: Palette) -> list[Part]:
    """22: a dining chair on long legs, with a ring for the feet."""
    seat = stream.uniform(0.68, 0.76)
    made = _four_leg_chair(stream, palette, seat=seat, back=stream.uniform(0.18, 0.32))
    return [
        *made,
        part(tube(ring((0, 0, 0.27), 0.245, 28), 0.009, sides=8, closed=True), made[0].material),
    ]


def _four_leg_chair(stream: Stream, palette: Palette, *, seat: float, back: float) -> list[Part]:
    width, depth = stream.uniform(0.43, 0.50), stream.uniform(0.42, 0.50)
    frame = palette.wood(stream, axis=2) if stream.chance(0.7) else palette.metal(stream)
    cloth = palette.fabric(stream)
    style = stream.choice(("ladder", "spindle", "pad", "shell"))
    thick, sides = stream.uniform(0.014, 0.022), stream.choice((4, 10, 10))
    made = []
    for x in SIDES:
        front = [
            (x * width * 0.50, -depth * 0.50, 0),
            (x * width * 0.44, -depth * 0.43, seat - 0.03),
        ]
        rear = [(x * width * 0.48, depth * 0.58, 0), (x * width * 0.42, depth * 0.43, seat - 0.03)]
        for path in (front, rear):
            made.append(part(tube(path, (thick * 0.7, thick * 1.3), sides=sides), frame))
        if style != "shell":
            low, high = seat - 0.05, seat + back
            path = [
                (x * width * 0.42, depth * 0.43, low),
                (x * width * 0.43, depth * 0.47, seat + back * 0.35),
                (x * width * 0.42, depth * 0.58, high),
            ]
            radii = (thick * 1.2, thick, thick * 0.8)
            made.append(part(tube(path, radii, sides=sides), frame))
    made.append(
        board((0, 0, seat - 0.035), (width * 0.94, depth * 0.92, 0.04), frame, radius=0.008)
    )
    pad = cushion((0, 0, seat), (width, depth, 0.06), radius=0.028, puff=(0, 0, 0.35))
    made.append(part(pad, cloth))
    return made + _chair_back(stream, style, (width, depth, seat, back), (frame, cloth))


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
        rods = [
            bar(
                (x, depth * 0.50, seat + back * 0.2),
                (x, depth * 0.63, seat + back - 0.01),
                0.007,
                frame,
                sides=6,
            )
            for x in np.linspace(-0.34, 0.34, stream.integers(5, 9)) * width
        ]
        return [rail(back - 0.02, 0.02, 0.02), rail(back * 0.2, 0.012), *rods]
    if style == "pad":
        lean = (0.12 * depth) / back
        pad = cushion((0, 0, 0), (width * 0.84, 0.045, back * 0.62), radius=0.02, puff=(0, 0.35, 0))
        return [part(pad.sheared(lean).moved(0, depth * 0.53, seat + back * 0.66), cloth)]
    return [part(_back_shell(width, depth, seat, back), cloth)]


def _back_shell(width: float, depth: float, seat: float, back: float) -> Mesh:
    def surface(a, b):
        turn = 2.3 * (0.5 - a)
        x = width * 0.50 * np.sin(turn) * (1 + 0.06 * b)
        y = depth * 0.52 * np.cos(turn) - 0.02 + 0.05 * b
        return x, y, seat - 0.02 + b * (back + 0.02) * (0.62 + 0.38 * np.cos(turn) ** 2)

    return shell(surface, 0.025, steps=(16, 6))
