"""Tables: coffee, side, round end, dining, desk, dressing table, console."""

from __future__ import annotations

import math

from helpers.scenes.furniture.common import SIDES, bar, board, legs
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Part, part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import cylinder, lathe, ring, tube


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
        foot = [(0, 0), (0.30, 0), (0.28, 0.03), (0.12, 0.08), (0.06, 0.3), (0.045, 0.5)]
        foot += [(0.05, 0.72), (0, 0.72)]
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
