"""Beds: double, single, bunk, bare frame and children's bed."""

from __future__ import annotations

import numpy as np

from helpers.scenes.materials import LINEN, Colour
from helpers.scenes.pieces import SIDES, Maker
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Floats, Mesh, Point, box, cushion, pillow, shell

PASTELS: tuple[Colour, ...] = ((0.95, 0.78, 0.80), (0.70, 0.85, 0.92), (0.95, 0.94, 0.90))
LENGTH = 2.1  # m, of the grown-ups' beds


def double_bed(make: Maker, draw: Stream) -> None:
    """13: wide, with a headboard, a draped duvet and a throw, two pillows and two cushions."""
    _made_bed(make, draw, width=draw.uniform(1.60, 1.95), sleepers=2)


def single_bed(make: Maker, draw: Stream) -> None:
    """16: the same for one: narrow, one pillow."""
    _made_bed(make, draw, width=draw.uniform(0.95, 1.20), sleepers=1)


def _made_bed(make: Maker, draw: Stream, *, width: float, sleepers: int) -> None:
    wood, cloth, white = make.wood(), make.fabric(), make.material(LINEN)
    style, height = draw.choice(("channel", "frame", "bars")), draw.uniform(0.95, 1.30)
    base = box((0, 0, 0.2), (width, LENGTH, 0.16), radius=0.02, steps=2)
    size = (width - 0.04, LENGTH - 0.06, 0.24)
    mattress = cushion((0, -0.02, 0.38), size, puff=(0, 0, 0.05), inner=1)
    make.add(cloth if style == "channel" else wood, base)
    make.add(white, mattress)
    if style == "channel":  # a headboard of upright padded channels
        count = draw.integers(4, 7)
        wide = (width + 0.1) / count
        for k in range(count):
            middle = (wide * (k + 0.5) - width / 2 - 0.05, LENGTH / 2 + 0.05, height / 2 + 0.03)
            size = (wide - 0.004, 0.12, height - 0.06)
            make.add(cloth, cushion(middle, size, puff=(0, 0.25, 0), inner=1))
    elif style == "frame":  # a wooden one with an upholstered field
        middle = (0, LENGTH / 2 + 0.04, height / 2 + 0.02)
        make.board(middle, (width + 0.08, 0.06, height - 0.04), wood, 0.02)
        field = (width - 0.1, 0.05, 0.36)
        make.add(cloth, cushion((0, LENGTH / 2, height - 0.25), field, radius=0.02))
    else:
        _curved_bars(make, width, height, make.metal() if draw.chance(0.4) else wood)
    make.legs((width - 0.1, LENGTH - 0.1), 0.14, (0.03, 0.02), wood, splay=0)
    _bedding(make, draw, width, sleepers, white)


def _curved_bars(make: Maker, width: float, height: float, material: int) -> None:
    """Two posts, two arched rails and thin rods between them."""
    y = LENGTH / 2 + 0.04
    x = width / 2 + 0.02
    make.bar([(x, y, 0), (x, y, height)], 0.03, material, 12, both=True)
    arch = np.linspace(-1, 1, 9)
    for z in (height - 0.05, height - 0.42):
        path = np.stack([arch * width / 2, 0 * arch + y, z + 0.07 * (1 - arch**2)], axis=1)
        make.bar(path, 0.022, material, 10)
    for x in np.linspace(-0.84, 0.84, 9):
        rise = 0.07 * (1 - x**2)
        low, high = height - 0.42 + rise, height - 0.05 + rise
        make.bar([(x * width / 2, y, low), (x * width / 2, y, high)], 0.011, material)


def _bedding(make: Maker, draw: Stream, width: float, sleepers: int, white: int) -> None:
    """Duvet, throw, pillows lying down and cushions standing against them."""
    colour = make.palette.second_fabric_colour
    duvet = make.cloth(colour, scale=0.7) if draw.chance(0.6) else white
    phase, fall = draw.uniform(0, 6), draw.uniform(0.20, 0.30)
    make.add(duvet, _drape(width, (-1.03, 0.42), 0.505, fall, phase))
    make.add(make.accent(), _drape(width + 0.03, (-0.85, -0.40), 0.52, fall - 0.03, phase))
    for k in range(sleepers):
        x = width * ((k + 0.5) / sleepers - 0.5)
        size = (min(0.75, 0.84 * width / sleepers), 0.42, 0.15)
        make.add(white, cushion((x, 0.79, 0.57), size, radius=0.07, puff=(0, 0, 0.55)))
        make.add(make.accent(), pillow(0.42, 0.13).sheared(0.35).moved(x * 0.9, 0.60, 0.70))


def _drape(width: float, span: tuple[float, float], top: float, fall: float, phase: float) -> Mesh:
    """A blanket from span[0] to span[1] in y, hanging over both long sides with a wavy hem."""
    half, bend = width / 2 + 0.01, 0.06
    reach = half - bend + bend * 1.5708 + fall

    def surface(a: Floats, b: Floats) -> Point:
        along = (2 * a - 1) * reach
        over = np.abs(along) - (half - bend)
        turn = np.clip(over / bend, 0, 1.5708)
        hang = np.clip(over - bend * 1.5708, 0, None)
        wave = np.sin(b * 21 + phase) + 0.6 * np.sin(b * 37 + 2 * phase + np.sign(along))
        out = np.minimum(np.abs(along), half - bend) + bend * np.sin(turn)
        x = np.sign(along) * (out + 0.012 * wave * hang / fall)
        y = span[0] + (span[1] - span[0]) * b
        bulge = 0.012 * np.sin(along * 5 + b * 9 + phase) * np.sin(b * 11) * (1 - turn / 1.5708)
        z = top + bulge - bend * (1 - np.cos(turn)) - hang * (1 + 0.05 * wave)
        return x, y, z + 0.02 * (1 - (along / reach) ** 2)

    rows = max(5, round(12 * (span[1] - span[0])))
    return shell(surface, 0.02, steps=(26, rows))


def bed_frame(make: Maker, draw: Stream) -> None:
    """15: no mattress: a dozen bare slats and a spindle headboard."""
    width, depth, height = draw.uniform(1.4, 1.8), 2.05, draw.uniform(0.9, 1.2)
    wood = make.wood()
    _rails(make, width, depth, 0.28, wood)
    for y in np.linspace(-depth / 2 + 0.12, depth / 2 - 0.12, 12):
        make.board((0, y, 0.33), (width - 0.06, 0.09, 0.02), wood)
    for side in SIDES:
        x = side * (width / 2 - 0.03)
        make.board((x, depth / 2, height / 2), (0.06, 0.06, height), wood, 0.01)
        make.board((x, -depth / 2, 0.26), (0.06, 0.06, 0.52), wood, 0.01)
    for z in (height - 0.06, height - 0.45):
        make.board((0, depth / 2, z), (width, 0.04, 0.07), wood, 0.01)
    for x in np.linspace(-0.4, 0.4, draw.integers(6, 11)) * width:
        make.board((x, depth / 2, height - 0.25), (0.05, 0.025, 0.36), wood)


def _rails(make: Maker, width: float, depth: float, z: float, wood: int) -> None:
    """The rectangle of boards a mattress or slats lie in, middle of the boards at z."""
    make.board((width / 2 - 0.02, 0, z), (0.04, depth, 0.14), wood, both=True)
    for side in SIDES:
        make.board((0, side * (depth / 2 - 0.02), z), (width, 0.04, 0.14), wood)


def _child_bedding(make: Maker, width: float, depth: float, z: float) -> None:
    """A mattress on rails at height z, a blanket over its foot and one pillow."""
    white, size = make.material(LINEN), (width - 0.05, depth - 0.06, 0.2)
    make.add(white, cushion((0, 0, z + 0.14), size, puff=(0, 0, 0.06), inner=1))
    blanket = (width - 0.02, 0.6 * depth, 0.12)
    make.add(make.accent(), cushion((0, -0.2, z + 0.21), blanket, puff=(0, 0, 0.2)))
    middle, lying = (0, depth / 2 - 0.25, z + 0.26), (0.66 * width, 0.34, 0.1)
    make.add(white, cushion(middle, lying, radius=0.045, puff=(0, 0, 0.5)))


def kids_bed(make: Maker, draw: Stream) -> None:
    """17: small and pastel with guard rails, under a house frame or between two high boards."""
    width, depth = draw.uniform(0.9, 1.1), 1.8
    half, head = width / 2, depth / 2
    paint = make.plain(draw.choice(PASTELS))
    wood = make.wood()
    _rails(make, width, depth, 0.25, paint)
    _child_bedding(make, width, depth, 0.25)
    rail = wood if draw.chance(0.6) else paint
    if rail == wood:  # posts and rafters of a little house, joined by three beams
        eaves, ridge = 1.25, 1.75
        for y in (-head, head):
            house = [
                (-half, y, 0),
                (-half, y, eaves),
                (0, y, ridge),
                (half, y, eaves),
                (half, y, 0),
            ]
            make.bar(house, 0.032, wood, 4)
        for x, z in ((0.0, ridge), (-half, eaves), (half, eaves)):
            make.bar([(x, -head, z), (x, head, z)], 0.028, wood, 4)
    else:  # a high headboard and a lower footboard, standing on two posts each
        for y, top in ((head, 0.95), (-head, 0.62)):
            size = (width, 0.05, top - 0.14)
            make.add(paint, box((0, y, top / 2 + 0.07), size, radius=0.024, steps=3))
            post = [(half - 0.04, y, 0), (half - 0.04, y, top + 0.05)]
            make.bar(post, 0.035, paint, 12, both=True)
    for x in (0.01 - half, half - 0.01):
        for z in (0.50, 0.62):
            make.bar([(x, -0.12 * depth, z), (x, head, z)], 0.016, rail)
        for y in np.linspace(-0.12 * depth, head, 6):
            make.bar([(x, y, 0.28), (x, y, 0.62)], 0.012, rail, 6)


def bunk_bed(make: Maker, draw: Stream) -> None:
    """14: two beds one above the other between four posts, rails round the upper, a ladder."""
    width, depth, height = draw.uniform(0.95, 1.08), 2.0, 1.75
    half, wood = width / 2, make.wood()
    for z in (0.3, 1.25):
        _rails(make, width, depth, z, wood)
        _child_bedding(make, width, depth, z)
    for x, start in ((-half, -0.1 * depth), (half, -depth / 2)):
        for y in (-depth / 2, depth / 2):
            make.board((x, y, height / 2), (0.07, 0.07, height), wood, 0.01)
        for z in (1.50, 1.65):
            make.bar([(x, start, z), (x, depth / 2, z)], 0.02, wood, 4)
    for y in (-depth / 2, depth / 2):
        for z in (0.55, 0.70, 1.50, 1.68):
            make.bar([(-half, y, z), (half, y, z)], 0.022, wood, 4)
    x, y = -half - 0.05, -0.32 * depth  # of the ladder's head; it leans out to the left
    for end in (y - 0.18, y + 0.18):
        make.bar([(x - 0.23, end, 0), (x, end, 1.4)], 0.02, wood, 4)
    for share in np.linspace(0.11, 0.84, 5):
        at, z = x - 0.23 * share, 1.4 * (1 - share)
        make.bar([(at, y - 0.18, z), (at, y + 0.18, z)], 0.014, wood, 6)
