"""Beds: double, single, bunk, bare frame and children's bed."""

from __future__ import annotations

import numpy as np

from helpers.scenes.materials import Colour
from helpers.scenes.pieces import SIDES, Maker
from helpers.scenes.random import Stream
from helpers.scenes.shapes import Floats, Mesh, Point, box, cushion, pillow, shell, tube

PASTELS: tuple[Colour, ...] = ((0.95, 0.78, 0.80), (0.70, 0.85, 0.92), (0.95, 0.94, 0.90))
LENGTH = 2.1  # m, of the grown-ups' beds


def double_bed(make: Maker, draw: Stream) -> None:
    """13: wide, with a headboard, a draped duvet and a throw, two pillows and two cushions."""
    _made_bed(make, draw, width=draw.uniform(1.60, 1.95), sleepers=2)


def single_bed(make: Maker, draw: Stream) -> None:
    """16: the same for one: narrow, one pillow."""
    _made_bed(make, draw, width=draw.uniform(0.95, 1.20), sleepers=1)


def _made_bed(make: Maker, draw: Stream, *, width: float, sleepers: int) -> None:
    wood, cloth, white = make.wood(), make.fabric(), make.white_cloth()
    style, height = draw.choice(("channel", "frame", "bars")), draw.uniform(0.95, 1.30)
    head = Maker(draw, make.palette)  # its materials are drawn first, its parts come third
    if style == "channel":
        _channels(head, width, height, draw.integers(4, 7), cloth)
    elif style == "frame":
        _framed_pad(head, width, height, wood, cloth)
    else:
        _curved_bars(head, width, height, make.metal() if draw.chance(0.4) else wood)
    base = box((0, 0, 0.2), (width, LENGTH, 0.16), radius=0.02, steps=2)
    make.add(base, cloth if style == "channel" else wood)
    size = (width - 0.04, LENGTH - 0.06, 0.24)
    make.add(cushion((0, -0.02, 0.38), size, puff=(0, 0, 0.05), inner=1), white)
    make.parts += head.parts
    make.legs((width - 0.1, LENGTH - 0.1), (0, 0.14), (0.03, 0.02), wood, splay=0)
    _bedding(make, draw, width, sleepers, white)


def _channels(make: Maker, width: float, height: float, count: int, cloth: int) -> None:
    """A headboard of upright padded channels."""
    wide = (width + 0.1) / count
    for k in range(count):
        middle = (wide * (k + 0.5) - width / 2 - 0.05, LENGTH / 2 + 0.05, height / 2 + 0.03)
        size = (wide - 0.004, 0.12, height - 0.06)
        make.add(cushion(middle, size, puff=(0, 0.25, 0), inner=1), cloth)


def _framed_pad(make: Maker, width: float, height: float, wood: int, cloth: int) -> None:
    """A wooden headboard with an upholstered field."""
    middle, size = (0, LENGTH / 2 + 0.04, height / 2 + 0.02), (width + 0.08, 0.06, height - 0.04)
    make.board(middle, size, wood, radius=0.02)
    field = cushion((0, LENGTH / 2, height - 0.25), (width - 0.1, 0.05, 0.36), radius=0.02)
    make.add(field, cloth)


def _curved_bars(make: Maker, width: float, height: float, material: int) -> None:
    """Two posts, two arched rails and thin rods between them."""
    y = LENGTH / 2 + 0.04
    for side in SIDES:
        x = side * (width / 2 + 0.02)
        make.bar((x, y, 0), (x, y, height), 0.03, material, sides=12)
    arch = np.linspace(-1, 1, 9)
    for z in (height - 0.05, height - 0.42):
        path = np.stack([arch * width / 2, 0 * arch + y, z + 0.07 * (1 - arch**2)], axis=1)
        make.add(tube(path, 0.022), material)
    for x in np.linspace(-0.84, 0.84, 9):
        rise = 0.07 * (1 - x**2)
        low, high = height - 0.42 + rise, height - 0.05 + rise
        make.bar((x * width / 2, y, low), (x * width / 2, y, high), 0.011, material)


def _bedding(make: Maker, draw: Stream, width: float, sleepers: int, white: int) -> None:
    """Duvet, throw, pillows lying down and cushions standing against them."""
    colour = make.palette.second_fabric_colour
    duvet = make.cloth(colour, scale=0.7) if draw.chance(0.6) else white
    phase, fall = draw.uniform(0, 6), draw.uniform(0.20, 0.30)
    make.add(_drape(width, (-1.03, 0.42), 0.505, fall, phase), duvet)
    throw = _drape(width + 0.03, (-0.85, -0.40), 0.52, fall - 0.03, phase)
    make.add(throw, make.accent())
    for k in range(sleepers):
        x = width * ((k + 0.5) / sleepers - 0.5)
        size = (min(0.75, 0.84 * width / sleepers), 0.42, 0.15)
        make.add(cushion((x, 0.79, 0.57), size, radius=0.07, puff=(0, 0, 0.55)), white)
        make.add(pillow(0.42, 0.13).sheared(0.35).moved(x * 0.9, 0.60, 0.70), make.accent())


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
        make.board((x, depth / 2, height / 2), (0.06, 0.06, height), wood, radius=0.01)
        make.board((x, -depth / 2, 0.26), (0.06, 0.06, 0.52), wood, radius=0.01)
    for z in (height - 0.06, height - 0.45):
        make.board((0, depth / 2, z), (width, 0.04, 0.07), wood, radius=0.01)
    for x in np.linspace(-0.4, 0.4, draw.integers(6, 11)) * width:
        make.board((x, depth / 2, height - 0.25), (0.05, 0.025, 0.36), wood)


def _rails(make: Maker, width: float, depth: float, z: float, wood: int) -> None:
    """The rectangle of boards a mattress or slats lie in, middle of the boards at z."""
    for s in SIDES:
        make.board((s * (width / 2 - 0.02), 0, z), (0.04, depth, 0.14), wood)
    for s in SIDES:
        make.board((0, s * (depth / 2 - 0.02), z), (width, 0.04, 0.14), wood)


def _child_bedding(make: Maker, width: float, depth: float, z: float) -> None:
    """A mattress on rails at height z, a blanket over its foot and one pillow."""
    white, size = make.white_cloth(), (width - 0.05, depth - 0.06, 0.2)
    make.add(cushion((0, 0, z + 0.14), size, puff=(0, 0, 0.06), inner=1), white)
    blanket = cushion((0, -0.2, z + 0.21), (width - 0.02, 0.6 * depth, 0.12), puff=(0, 0, 0.2))
    make.add(blanket, make.accent())
    middle, lying = (0, depth / 2 - 0.25, z + 0.26), (0.66 * width, 0.34, 0.1)
    make.add(cushion(middle, lying, radius=0.045, puff=(0, 0, 0.5)), white)


def kids_bed(make: Maker, draw: Stream) -> None:
    """17: small and pastel with guard rails, under a house frame or between two high boards."""
    width, depth = draw.uniform(0.9, 1.1), 1.8
    paint = make.plain(draw.choice(PASTELS))
    wood = make.wood()
    _rails(make, width, depth, 0.25, paint)
    _child_bedding(make, width, depth, 0.25)
    rail = wood if draw.chance(0.6) else paint
    if rail == wood:
        _house_frame(make, width, depth, 1.25, 1.75, wood)
    else:
        _end_boards(make, width, depth, paint)
    for side in SIDES:
        x = side * (width / 2 - 0.01)
        for z in (0.50, 0.62):
            make.bar((x, -0.12 * depth, z), (x, depth / 2, z), 0.016, rail)
        for y in np.linspace(-0.12 * depth, depth / 2, 6):
            make.bar((x, y, 0.28), (x, y, 0.62), 0.012, rail, sides=6)


def _house_frame(
    make: Maker, width: float, depth: float, eaves: float, ridge: float, wood: int
) -> None:
    """Posts and rafters of a little house at head and foot, joined by three beams."""
    half = width / 2
    for y in (-depth / 2, depth / 2):
        outline = [(-half, y, 0), (-half, y, eaves), (0, y, ridge), (half, y, eaves), (half, y, 0)]
        make.add(tube(outline, 0.032, sides=4), wood)
    for x, z in ((0.0, ridge), (-half, eaves), (half, eaves)):
        make.bar((x, -depth / 2, z), (x, depth / 2, z), 0.028, wood, sides=4)


def _end_boards(make: Maker, width: float, depth: float, paint: int) -> None:
    """A high headboard and a lower footboard, standing on the floor on two posts each."""
    for y, top in ((depth / 2, 0.95), (-depth / 2, 0.62)):
        panel = box((0, y, top / 2 + 0.07), (width, 0.05, top - 0.14), radius=0.024, steps=3)
        make.add(panel, paint)
        for side in SIDES:
            x = side * (width / 2 - 0.04)
            make.bar((x, y, 0), (x, y, top + 0.05), 0.035, paint, sides=12)


def bunk_bed(make: Maker, draw: Stream) -> None:
    """14: two beds one above the other between four posts, rails round the upper, a ladder."""
    width, depth, height = draw.uniform(0.95, 1.08), 2.0, 1.75
    wood = make.wood()
    for z in (0.3, 1.25):
        _rails(make, width, depth, z, wood)
        _child_bedding(make, width, depth, z)
    for x in SIDES:
        for y in SIDES:
            post = (x * width / 2, y * depth / 2, height / 2)
            make.board(post, (0.07, 0.07, height), wood, radius=0.01)
        start = -depth / 2 if x > 0 else -0.1 * depth
        for z in (1.50, 1.65):
            side_x = x * width / 2
            make.bar((side_x, start, z), (side_x, depth / 2, z), 0.02, wood, sides=4)
    for y in (-depth / 2, depth / 2):
        for z in (0.55, 0.70, 1.50, 1.68):
            make.bar((-width / 2, y, z), (width / 2, y, z), 0.022, wood, sides=4)
    _ladder(make, -width / 2 - 0.05, -0.32 * depth, wood)


def _ladder(make: Maker, x: float, y: float, wood: int) -> None:
    """Two rails and five rungs leaning out to -x from the point (x, y, 1.4)."""
    for side in SIDES:
        foot, head = (x - 0.23, y + side * 0.18, 0), (x, y + side * 0.18, 1.4)
        make.bar(foot, head, 0.02, wood, sides=4)
    for share in np.linspace(0.11, 0.84, 5):
        at, z = x - 0.23 * share, 1.4 * (1 - share)
        make.bar((at, y - 0.18, z), (at, y + 0.18, z), 0.014, wood, sides=6)
