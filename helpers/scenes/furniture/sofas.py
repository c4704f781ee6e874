"""Upholstery: sofas of one to three seats, L-shaped, lazy sofa, chaise longue, footstools."""

from __future__ import annotations

import math

import numpy as np

from helpers.scenes.pieces import SIDES, Maker
from helpers.scenes.random import Stream
from helpers.scenes.shapes import (
    Floats,
    Mesh,
    Point,
    Vector,
    box,
    cushion,
    cylinder,
    lathe,
    pillow,
    shell,
    tube,
)


def three_seat_sofa(make: Maker, draw: Stream) -> None:
    """26: three seat and three back cushions between two arms, a few throw pillows."""
    _sofa(make, draw, 3)


def loveseat(make: Maker, draw: Stream) -> None:
    """28: a sofa of two cushions."""
    _sofa(make, draw, 2)


def _sofa(make: Maker, draw: Stream, seats: int) -> None:
    width, depth = 0.72 * seats + draw.uniform(0.05, 0.30), draw.uniform(0.85, 0.98)
    arm, back = draw.uniform(0.12, 0.24), draw.uniform(0.73, 0.82)
    rounding, rolled = draw.uniform(0.04, 0.10), draw.chance(0.35)
    shape, pillows = (width, depth, back), draw.integers(1, 4)
    _upholstered(make, shape, (arm, rounding, rolled), seats=seats, pillows=pillows)


def armchair(make: Maker, draw: Stream) -> None:
    """27: one seat cushion, thick arms, one pillow."""
    width, depth = draw.uniform(0.76, 0.90), draw.uniform(0.74, 0.85)
    arm, back = draw.uniform(0.11, 0.17), draw.uniform(0.78, 0.88)
    rounding, rolled = draw.uniform(0.04, 0.09), draw.chance(0.25)
    shape, pillows = (width, depth, back), draw.integers(0, 2)
    _upholstered(make, shape, (arm, rounding, rolled), seats=1, pillows=pillows)


def _upholstered(
    make: Maker, shape: Vector, arms: tuple[float, float, bool], *, seats: int, pillows: int
) -> None:
    """shape: width, depth, height of the back's top (m); arms: width, rounding, whether rolled."""
    cloth, (w, d, tall), (arm, rounding, rolled) = make.fabric(), shape, arms
    make.add(cloth, _block((0, 0, 0.24), (w - 0.04, d - 0.04, 0.17), 0.03))
    for side in SIDES:
        edge, wide = side * w / 2, side * arm
        if rolled:  # slim, with a roll on top
            x = edge - 0.42 * wide
            roll = [(x, -d / 2 + 0.02, 0.55), (x, d / 2 - 0.05, 0.55)]
            slim = _block((edge - wide / 2, 0, 0.34), (0.8 * arm, d, 0.36), 0.03)
            make.add(cloth, slim, tube(roll, 0.58 * arm, sides=18))
        else:
            radius = min(rounding, 0.45 * arm)
            make.add(cloth, _block((edge - wide / 2, 0, 0.38), (arm, d, 0.42), radius))
    back = tall - 0.17
    make.add(cloth, _block((0, d / 2 - 0.11, 0.17 + back / 2), (w - 0.06, 0.22, back), rounding))
    span = w / 2 - arm
    _cushions(make, (-span, span), d, seats, cloth)
    _pillows(make, (-span + 0.22, span - 0.22), d, pillows)
    foot = make.wood(axis=2) if make.draw.chance(0.6) else make.metal()
    make.legs((w - 0.16, d - 0.14), 0.17, (0.030, 0.015), foot)


def _block(centre: Vector, size: Vector, radius: float) -> Mesh:
    """Padded but firm: arms, backs, bases."""
    return box(centre, size, radius=radius, steps=2, inner=1)


def _cushions(make: Maker, span: Vector, depth: float, seats: int, cloth: int) -> None:
    """Seat and back cushions side by side over the span in x."""
    wide = (span[1] - span[0]) / seats
    for k in range(seats):
        x = span[0] + wide * (k + 0.5)
        seat = cushion((x, -0.09, 0.40), (wide - 0.012, depth - 0.26, 0.17), puff=(0, 0, 0.22))
        back = cushion((0, 0, 0), (wide - 0.03, 0.17, 0.40), radius=0.07, puff=(0, 0.45, 0.08))
        make.add(cloth, seat, back.sheared(0.12).moved(x, depth / 2 - 0.30, 0.63))


def _pillows(make: Maker, span: Vector, depth: float, count: int) -> None:
    """Throw pillows leaning against the back cushions, a little askew."""
    draw = make.draw
    for k in range(count):
        low = span[0] + (span[1] - span[0]) * k / count
        x = draw.uniform(low, low + (span[1] - span[0]) / count)
        mesh = pillow(draw.uniform(0.36, 0.46)).turned("y", draw.uniform(-0.35, 0.35))
        make.add(make.accent(), mesh.sheared(0.25).moved(x, depth / 2 - 0.46, 0.68))


def l_shaped_sofa(make: Maker, draw: Stream) -> None:
    """29: two seats and a long lounging seat on one side: the footprint of an L."""
    cloth = make.fabric()
    w, d, reach, arm = draw.uniform(2.3, 2.9), 0.92, draw.uniform(1.5, 1.8), 0.20
    x, y, seat = w / 2 - 0.57, (d - reach) / 2, (w - arm - 0.95) / 2
    make.add(
        cloth,
        _block((0, 0, 0.23), (w, d - 0.04, 0.20), 0.03),
        _block((w / 2 - 0.48, y, 0.23), (0.96, reach, 0.20), 0.03),
        _block((0, d / 2 - 0.10, 0.50), (w, 0.20, 0.54), 0.07),
        _block(((arm - w) / 2, 0, 0.38), (arm, d, 0.42), 0.07),
        _block((w / 2 - 0.09, 0, 0.42), (0.18, d, 0.48), 0.07),
        cushion((x, y - 0.09, 0.41), (0.77, reach - 0.26, 0.17), puff=(0, 0, 0.2)),
        cushion((x, d / 2 - 0.28, 0.64), (0.74, 0.17, 0.4), radius=0.07, puff=(0, 0.45, 0.08)),
    )
    _cushions(make, (arm - w / 2, arm - w / 2 + 2 * seat), d, 2, cloth)
    _pillows(make, (-0.35 * w, 0.35 * w), d, 2)
    wood = make.wood(axis=2)
    make.legs((w - 0.14, d - 0.14), 0.14, (0.025, 0.018), wood)
    for u in (x - 0.38, x + 0.38):
        v = d / 2 - reach + 0.1
        make.bar([(u, v, 0), (u, v, 0.14)], (0.018, 0.025), wood, 10)
    make.mirror_sometimes()


def lazy_sofa(make: Maker, draw: Stream) -> None:
    """30: no legs at all; a bean bag, or a folding floor seat of two pads."""
    if draw.chance(0.5):
        style = make.palette
        bright = style.accent_colour if draw.chance(0.6) else style.second_accent_colour
        bag = _bean_bag(draw.uniform(0.42, 0.50))
        return make.add(make.cloth(bright), bag)
    cloth, width = make.fabric(other=0.9), draw.uniform(0.7, 0.9)
    seat = cushion((0, -0.1, 0.13), (width, 0.95, 0.24), radius=0.11, puff=(0, 0, 0.1))
    back = cushion((0, 0, 0), (width, 0.24, 0.62), radius=0.11, puff=(0, 0.35, 0))
    roll = cushion((0, 0.1, 0.32), (0.6 * width, 0.16, 0.2), radius=0.07, puff=(0, 0.5, 0.2))
    make.add(cloth, seat, back.sheared(0.4).moved(0, 0.36, 0.42))
    return make.add(make.accent(), roll)


def _bean_bag(radius: float) -> Mesh:
    """A sagging drop: broad at the floor, hollowed where one sits, drawn up behind."""
    angle = np.linspace(0, math.pi, 19)
    profile = np.stack([np.sin(angle) ** 0.7, 0.5 - 0.5 * np.cos(angle)], axis=1)
    profile[[0, -1], 0] = 0.0
    bag = lathe(profile, segments=40)
    x, y, t = bag.vertices.T
    sag = 1.0 - 0.18 * t
    behind = np.clip(y + 0.25, 0, None) * t
    hollow = 0.16 * np.exp(-((x / 0.55) ** 2) - ((y + 0.25) / 0.45) ** 2) * t**2
    z = 0.44 * t * (1 - 0.12 * (1 - y)) - hollow + 0.40 * behind**1.2
    shaped = np.stack([radius * x * sag, radius * y * sag + 0.16 * behind, z], axis=1)
    return Mesh(shaped, bag.faces)


def chaise_longue(make: Maker, draw: Stream) -> None:
    """31: a long seat with one rolled arm and a back that falls away from it."""
    cloth, wood = make.fabric(other=0.8), make.wood(axis=2)
    long, wide = draw.uniform(1.5, 1.75), draw.uniform(0.62, 0.72)
    end = long / 2 - 0.08
    roll = [(end + 0.03, -wide / 2 + 0.02, 0.62), (end + 0.03, wide / 2 - 0.02, 0.62)]

    def back(a: Floats, b: Floats) -> Point:
        fall = (1 - a) ** 1.6
        x = end * a + (1 - a) * -0.22 * long
        return x, wide / 2 - 0.09 + 0.06 * b, 0.36 + b * (0.46 - 0.40 * fall)

    make.add(
        cloth,
        _block((0, 0, 0.30), (long, wide, 0.14), 0.05),
        cushion((-0.03, 0, 0.41), (long - 0.14, wide - 0.03, 0.14), puff=(0, 0, 0.2)),
        tube(roll, 0.12, sides=20),
        _block((end, 0, 0.48), (0.14, wide - 0.04, 0.36), 0.05),
        shell(back, 0.10, steps=(16, 6)).moved(y=-0.02),
    )
    make.bar([(end - 0.17, -0.22, 0.56), (end - 0.17, 0.22, 0.56)], 0.075, make.accent(), 16)
    make.legs((long - 0.14, wide - 0.12), 0.25, (0.030, 0.014), wood)
    make.mirror_sometimes()


def footstool(make: Maker, draw: Stream) -> None:
    """32: nothing to lean on; a round pouf with a metal band, a bench, or a cube."""
    cloth = make.fabric(other=0.9)
    style = draw.choice(("round", "bench", "cube"))
    if style == "round":
        r, h = draw.uniform(0.22, 0.32), draw.uniform(0.36, 0.45)
        profile = [(0, 0.02), (0.9 * r, 0.02), (0.97 * r, 0.05), (r, 0.1), (r, h - 0.1)]
        profile += [(0.97 * r, h - 0.05), (0.86 * r, h - 0.012), (0.6 * r, h), (0, h + 0.005)]
        metal = make.metal()
        make.add(cloth, lathe(profile, segments=40))
        make.hoop(0.5 * h, r + 0.002, 0.009, metal, count=40)
        return make.add(metal, cylinder(0.8 * r, 0, 0.03))
    foot = make.metal() if draw.chance(0.5) else make.wood(axis=2)
    if style == "bench":
        width = draw.uniform(0.9, 1.3)
        make.add(cloth, cushion((0, 0, 0.42), (width, 0.42, 0.12)))
        return make.legs((width - 0.12, 0.32), 0.38, (0.022, 0.012), foot)
    side = draw.uniform(0.42, 0.55)
    size, puff = (side, side, 0.36), (0.06, 0.06, 0.12)
    make.add(cloth, cushion((0, 0, 0.25), size, radius=0.06, puff=puff))
    return make.legs((side - 0.1, side - 0.1), 0.09, (0.025, 0.020), foot, splay=0)
