"""Upholstery: sofas of one to three seats, L-shaped, lazy sofa, chaise longue, footstools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.scenes.furniture.common import SIDES, cushion, legs, mirrored, pillow
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Part, part
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Floats, Mesh, Point, box, lathe, ring, shell, tube


@dataclass(frozen=True)
class _Frame:
    """The wooden box under the cushions, metres."""

    width: float
    depth: float
    arm: float
    back: float  # height of the back's top above the floor
    rounding: float
    rolled: bool


def three_seat_sofa(stream: Stream, palette: Palette) -> list[Part]:
    """26: three seat and three back cushions between two arms, a few throw pillows."""
    return _sofa(stream, palette, 3)


def loveseat(stream: Stream, palette: Palette) -> list[Part]:
    """28: a sofa of two cushions."""
    return _sofa(stream, palette, 2)


def armchair(stream: Stream, palette: Palette) -> list[Part]:
    """27: one seat cushion, thick arms, one pillow."""
    frame = _Frame(
        width=stream.uniform(0.76, 0.90),
        depth=stream.uniform(0.74, 0.85),
        arm=stream.uniform(0.11, 0.17),
        back=stream.uniform(0.78, 0.88),
        rounding=stream.uniform(0.04, 0.09),
        rolled=stream.chance(0.25),
    )
    return _upholstered(stream, palette, frame, seats=1, pillows=stream.integers(0, 2))


def _sofa(stream: Stream, palette: Palette, seats: int) -> list[Part]:
    frame = _Frame(
        width=0.72 * seats + stream.uniform(0.05, 0.30),
        depth=stream.uniform(0.85, 0.98),
        arm=stream.uniform(0.12, 0.24),
        back=stream.uniform(0.73, 0.82),
        rounding=stream.uniform(0.04, 0.10),
        rolled=stream.chance(0.35),
    )
    return _upholstered(stream, palette, frame, seats=seats, pillows=stream.integers(1, 4))


def _upholstered(
    stream: Stream, palette: Palette, frame: _Frame, *, seats: int, pillows: int
) -> list[Part]:
    cloth = palette.fabric(stream)
    w, d = frame.width, frame.depth
    made = [part(_block((0, 0, 0.24), (w - 0.04, d - 0.04, 0.17), 0.03), cloth)]
    for side in SIDES:
        made += _arm(frame, side, cloth)
    back = frame.back - 0.17
    size = (w - 0.06, 0.22, back)
    made.append(part(_block((0, d / 2 - 0.11, 0.17 + back / 2), size, frame.rounding), cloth))
    span = w / 2 - frame.arm
    made += _cushions((-span, span), d, seats, cloth)
    made += _pillows(stream, palette, (-span + 0.22, span - 0.22), d, pillows)
    foot = palette.wood(stream, axis=2) if stream.chance(0.6) else palette.metal(stream)
    return made + legs((w - 0.16, d - 0.14), (0, 0.17), (0.030, 0.015), foot)


def _block(centre: Sequence[float], size: Sequence[float], radius: float) -> Mesh:
    """Padded but firm: arms, backs, bases."""
    return box(centre, size, radius=radius, steps=2, inner=1)


def _arm(frame: _Frame, side: int, cloth: int) -> list[Part]:
    """A boxed arm, or a slimmer one with a roll on top."""
    a, d, edge = frame.arm, frame.depth, side * frame.width / 2
    if not frame.rolled:
        size, radius = (a, d, 0.42), min(frame.rounding, 0.45 * a)
        return [part(_block((edge - side * a / 2, 0, 0.38), size, radius), cloth)]
    x = edge - side * 0.42 * a
    roll = tube([(x, -d / 2 + 0.02, 0.55), (x, d / 2 - 0.05, 0.55)], 0.58 * a, sides=18)
    panel = _block((edge - side * a / 2, 0, 0.34), (0.8 * a, d, 0.36), 0.03)
    return [part(panel, cloth), part(roll, cloth)]


def _cushions(span: tuple[float, float], depth: float, seats: int, cloth: int) -> list[Part]:
    """Seat and back cushions side by side over the span in x."""
    made, wide = [], (span[1] - span[0]) / seats
    for k in range(seats):
        x = span[0] + wide * (k + 0.5)
        seat = cushion((x, -0.09, 0.40), (wide - 0.012, depth - 0.26, 0.17), puff=(0, 0, 0.22))
        back = cushion((0, 0, 0), (wide - 0.03, 0.17, 0.40), radius=0.07, puff=(0, 0.45, 0.08))
        made.append(part(seat, cloth))
        made.append(part(back.sheared(0.12).moved(x, depth / 2 - 0.30, 0.63), cloth))
    return made


def _pillows(
    stream: Stream, palette: Palette, span: tuple[float, float], depth: float, count: int
) -> list[Part]:
    """Throw pillows leaning against the back cushions, a little askew."""
    made = []
    for k in range(count):
        low = span[0] + (span[1] - span[0]) * k / count
        x = stream.uniform(low, low + (span[1] - span[0]) / count)
        mesh = pillow(stream.uniform(0.36, 0.46)).turned("y", stream.uniform(-0.35, 0.35))
        mesh = mesh.sheared(0.25).moved(x, depth / 2 - 0.46, 0.68)
        made.append(part(mesh, palette.accent(stream)))
    return made


def l_shaped_sofa(stream: Stream, palette: Palette) -> list[Part]:
    """29: two seats and a long lounging seat on one side: the footprint of an L."""
    cloth = palette.fabric(stream)
    w, d, reach, arm = stream.uniform(2.3, 2.9), 0.92, stream.uniform(1.5, 1.8), 0.20
    x, y, seat = w / 2 - 0.57, (d - reach) / 2, (w - arm - 0.95) / 2
    long = cushion((x, y - 0.09, 0.41), (0.77, reach - 0.26, 0.17), puff=(0, 0, 0.2))
    rest = cushion((x, d / 2 - 0.28, 0.64), (0.74, 0.17, 0.4), radius=0.07, puff=(0, 0.45, 0.08))
    blocks = [
        _block((0, 0, 0.23), (w, d - 0.04, 0.20), 0.03),
        _block((w / 2 - 0.48, y, 0.23), (0.96, reach, 0.20), 0.03),
        _block((0, d / 2 - 0.10, 0.50), (w, 0.20, 0.54), 0.07),
        _block(((arm - w) / 2, 0, 0.38), (arm, d, 0.42), 0.07),
        _block((w / 2 - 0.09, 0, 0.42), (0.18, d, 0.48), 0.07),
    ]
    made = [part(mesh, cloth) for mesh in [*blocks, long, rest]]
    made += _cushions((arm - w / 2, arm - w / 2 + 2 * seat), d, 2, cloth)
    made += _pillows(stream, palette, (-0.35 * w, 0.35 * w), d, 2)
    wood = palette.wood(stream, axis=2)
    made += legs((w - 0.14, d - 0.14), (0, 0.14), (0.025, 0.018), wood)
    front = [(x + s * 0.38, d / 2 - reach + 0.1) for s in SIDES]
    made += [part(tube([(u, v, 0), (u, v, 0.14)], (0.018, 0.025)), wood) for u, v in front]
    return mirrored(made) if stream.chance(0.5) else made


def lazy_sofa(stream: Stream, palette: Palette) -> list[Part]:
    """30: no legs at all; a bean bag, or a folding floor seat of two pads."""
    if stream.chance(0.5):
        bright = palette.accent_colour if stream.chance(0.6) else palette.second_accent_colour
        return [part(_bean_bag(stream.uniform(0.42, 0.50)), palette.cloth(stream, bright))]
    cloth, width = palette.fabric(stream, other=0.9), stream.uniform(0.7, 0.9)
    seat = cushion((0, -0.1, 0.13), (width, 0.95, 0.24), radius=0.11, puff=(0, 0, 0.1))
    back = cushion((0, 0, 0), (width, 0.24, 0.62), radius=0.11, puff=(0, 0.35, 0))
    roll = cushion((0, 0.1, 0.32), (0.6 * width, 0.16, 0.2), radius=0.07, puff=(0, 0.5, 0.2))
    made = [part(seat, cloth), part(back.sheared(0.4).moved(0, 0.36, 0.42), cloth)]
    return [*made, part(roll, palette.accent(stream))]


def _bean_bag(radius: float) -> Mesh:
    """A sagging drop: broad at the floor, hollowed where one sits, drawn up behind."""
    angle = np.linspace(0, math.pi, 19)
    profile = np.stack([np.sin(angle) ** 0.7, 0.5 - 0.5 * np.cos(angle)], axis=1)
    profile[[0, -1], 0] = 0.0
    bag = lathe(profile, segments=40)
    x, y, t = bag.vertices[:, 0], bag.vertices[:, 1], bag.vertices[:, 2]
    sag = 1.0 - 0.18 * t
    behind = np.clip(y + 0.25, 0, None) * t
    hollow = 0.16 * np.exp(-((x / 0.55) ** 2) - ((y + 0.25) / 0.45) ** 2) * t**2
    z = 0.44 * t * (1 - 0.12 * (1 - y)) - hollow + 0.40 * behind**1.2
    shaped = np.stack([radius * x * sag, radius * y * sag + 0.16 * behind, z], axis=1)
    return Mesh(shaped, bag.faces)


def chaise_longue(stream: Stream, palette: Palette) -> list[Part]:
    """31: a long seat with one rolled arm and a back that falls away from it."""
    cloth, wood = palette.fabric(stream, other=0.8), palette.wood(stream, axis=2)
    long, wide = stream.uniform(1.5, 1.75), stream.uniform(0.62, 0.72)
    end = long / 2 - 0.08
    roll = [(end + 0.03, -wide / 2 + 0.02, 0.62), (end + 0.03, wide / 2 - 0.02, 0.62)]
    seat = cushion((-0.03, 0, 0.41), (long - 0.14, wide - 0.03, 0.14), puff=(0, 0, 0.2))

    def back(a: Floats, b: Floats) -> Point:
        fall = (1 - a) ** 1.6
        x = end * a + (1 - a) * -0.22 * long
        return x, wide / 2 - 0.09 + 0.06 * b, 0.36 + b * (0.46 - 0.40 * fall)

    meshes = [
        _block((0, 0, 0.30), (long, wide, 0.14), 0.05),
        seat,
        tube(roll, 0.12, sides=20),
        _block((end, 0, 0.48), (0.14, wide - 0.04, 0.36), 0.05),
        shell(back, 0.10, steps=(16, 6)).moved(y=-0.02),
    ]
    made = [part(mesh, cloth) for mesh in meshes]
    bolster = [(end - 0.17, -0.22, 0.56), (end - 0.17, 0.22, 0.56)]
    made.append(part(tube(bolster, 0.075, sides=16), palette.accent(stream)))
    made += legs((long - 0.14, wide - 0.12), (0, 0.25), (0.030, 0.014), wood)
    return mirrored(made) if stream.chance(0.5) else made


def footstool(stream: Stream, palette: Palette) -> list[Part]:
    """32: nothing to lean on; a round pouf with a metal band, a bench, or a cube."""
    cloth = palette.fabric(stream, other=0.9)
    style = stream.choice(("round", "bench", "cube"))
    if style == "round":
        r, h = stream.uniform(0.22, 0.32), stream.uniform(0.36, 0.45)
        profile = [(0, 0.02), (0.9 * r, 0.02), (0.97 * r, 0.05), (r, 0.1), (r, h - 0.1)]
        profile += [(0.97 * r, h - 0.05), (0.86 * r, h - 0.012), (0.6 * r, h), (0, h + 0.005)]
        band = tube(ring((0, 0, 0.5 * h), r + 0.002, 40), 0.009, sides=6, closed=True)
        foot = lathe([(0, 0), (0.8 * r, 0), (0.8 * r, 0.03), (0, 0.03)], segments=32)
        metal = palette.metal(stream)
        return [
            part(lathe(profile, segments=40), cloth),
            part(band, metal),
            part(foot, metal),
        ]
    foot = palette.metal(stream) if stream.chance(0.5) else palette.wood(stream, axis=2)
    if style == "bench":
        width = stream.uniform(0.9, 1.3)
        seat = cushion((0, 0, 0.42), (width, 0.42, 0.12))
        return [part(seat, cloth), *legs((width - 0.12, 0.32), (0, 0.38), (0.022, 0.012), foot)]
    side = stream.uniform(0.42, 0.55)
    cube = cushion((0, 0, 0.25), (side, side, 0.36), radius=0.06, puff=(0.06, 0.06, 0.12))
    return [
        part(cube, cloth),
        *legs((side - 0.1, side - 0.1), (0, 0.09), (0.025, 0.020), foot, splay=0),
    ]
