"""What makes a room lived in and is never labelled: rugs, curtains, pictures, vases, plants, books.

Every function returns a `Piece` of category 0, to be placed like furniture.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from helpers.scenes.furniture.carcass import BOOK_COLOURS
from helpers.scenes.furniture.common import SIDES, bar, board
from helpers.scenes.materials import Colour, Material, Palette, TextureKind, shade
from helpers.scenes.pieces import Part, Piece, part, piece
from helpers.scenes.random import Stream
from helpers.scenes.shapes import (
    Floats,
    Mesh,
    Point,
    box,
    cross,
    cylinder,
    lathe,
    length,
    sheet,
    smoothed,
    sphere,
    tube,
)

GREENS: tuple[Colour, ...] = ((0.30, 0.42, 0.22), (0.22, 0.36, 0.20), (0.38, 0.47, 0.28))
LAMP_CLOTH: Colour = (1.0, 0.95, 0.85)


def rug(stream: Stream, palette: Palette, *, size: tuple[float, float]) -> Piece:
    """A woven rug of the given width and depth (m), 15 mm thick; round when both are equal."""
    width, depth = size
    accent = palette.accent_colour if stream.chance(0.6) else palette.fabric_colour
    look = Material(TextureKind.RUG, palette.second_fabric_colour, accent, specular=0.0)
    look = replace(look, motif=stream.integers(4), half_size=(width / 2, depth / 2))
    material = palette.add(stream, look)
    if width == depth:
        mesh = cylinder(width / 2, 0.001, 0.015, segments=48)
    else:
        mesh = box((0, 0, 0.008), (width, depth, 0.014), radius=0.006)
    return piece(0, [part(mesh, material)])


def curtains(stream: Stream, palette: Palette, *, width: float, height: float) -> Piece:
    """Two folded curtains left and right of a window `width` wide, and the rod they hang from.

    height: of the rod above the floor; the whole is about 0.8 m wider than the window.
    """
    colour = palette.second_fabric_colour if stream.chance(0.6) else palette.accent_colour
    cloth, metal = palette.cloth(stream, shade(colour, 1.1)), palette.metal(stream)
    reach = width / 2 + 0.40
    made = [bar((-reach, 0, height), (reach, 0, height), 0.014, metal, sides=10)]
    made += [part(sphere(0.026, (s * reach, 0, height), segments=12), metal) for s in SIDES]
    for side in SIDES:
        wide, phase = stream.uniform(0.24, 0.36), stream.uniform(0, 6)
        left = side * (width / 2 + 0.08) - wide / 2
        made.append(part(_folds(left, wide, height, phase), cloth))
    return piece(0, made)


def _folds(left: float, width: float, height: float, phase: float) -> Mesh:
    """Hanging cloth whose folds open a little towards the floor."""

    def fold(a: Floats, b: Floats) -> Point:
        swing = np.sin(a * 28 + phase + 0.4 * np.sin(b * 3))
        return 0, 0.032 * swing * (1.0 - 0.4 * b), 0

    across, up = (width, 0, 0), (0, 0, height - 0.01)
    return sheet((left, 0, 0.02), across, up, steps=(56, 8), offset=fold)


def picture(stream: Stream, palette: Palette) -> Piece:
    """A framed painting to hang on a wall."""
    width, height = stream.uniform(0.5, 0.95), stream.uniform(0.45, 0.80)
    frame = palette.metal(stream) if stream.chance(0.5) else palette.wood(stream)
    second = palette.fabric_colour if stream.chance(0.5) else palette.second_accent_colour
    look = Material(TextureKind.PAINTING, palette.accent_colour, second, specular=0.03)
    canvas = board((0, -0.020, 0), (width - 0.06, 0.02, height - 0.06), palette.add(stream, look))
    return piece(0, [board((0, -0.013, 0), (width, 0.026, height), frame), canvas], support="wall")


def vase(stream: Stream, palette: Palette) -> Piece:
    """A glazed vase with a few leafy branches, for table tops."""
    belly = smoothed([(0.055, 0), (0.085, 0.07), (0.08, 0.13), (0.045, 0.22), (0.055, 0.26)], 3)
    profile = [(0, 0), *belly, (0.045, 0.26), (0.035, 0.22), (0, 0.2)]
    size = stream.uniform(0.75, 1.15)
    glaze = palette.plain(stream, palette.second_accent_colour, specular=0.08, roughness=0.1)
    green = palette.plain(stream, stream.choice(GREENS))
    body = lathe(np.array(profile) * size, segments=24)
    made = [part(body, glaze)]
    for _ in range(stream.integers(7, 13)):
        reach, tall = stream.uniform(0.05, 0.20), stream.uniform(0.15, 0.40)
        made += _branch(stream, (0.22 * size, reach, tall), (0.05, 0.09), green)
    return piece(0, made)


def plant(stream: Stream, palette: Palette) -> Piece:
    """A house plant in a pot that stands on the floor, 0.8 to 1.3 m high."""
    radius = stream.uniform(0.13, 0.18)
    profile = [(0, 0), (0.75 * radius, 0), (radius, 0.26), (0.92 * radius, 0.26), (0, 0.23)]
    pot = palette.plain(stream, stream.choice(((0.9, 0.89, 0.86), palette.accent_colour)))
    green = palette.plain(stream, stream.choice(GREENS))
    made = [part(lathe(profile, segments=28), pot)]
    for _ in range(stream.integers(14, 22)):
        reach, tall = stream.uniform(0.10, 0.38), stream.uniform(0.35, 0.95)
        made += _branch(stream, (0.22, reach, tall), (0.18, 0.30), green)
    return piece(0, made)


def _branch(
    stream: Stream,
    shape: tuple[float, float, float],
    leaf_size: tuple[float, float],
    material: int,
) -> list[Part]:
    """A stem that bends outwards with three leaves; shape: (bottom z, reach, height), metres."""
    bottom, reach, tall = shape
    angle = stream.uniform(0, math.tau)
    out = np.array([math.cos(angle), math.sin(angle), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    knots = [bottom * up, bottom * up + 0.4 * reach * out + 0.6 * tall * up]
    knots.append(bottom * up + reach * out + tall * up)
    made = [part(tube(knots, 0.003, sides=5), material)]
    for share in (0.55, 0.8, 1.0):
        start = knots[1] + (knots[2] - knots[1]) * (2 * share - 1)
        sideways = np.array([stream.normal(), stream.normal(), 0.5 * stream.normal()])
        size = stream.uniform(*leaf_size)
        made.append(part(_leaf(start, out + 0.5 * up + 0.6 * sideways, size), material))
    return made


def _leaf(start: Floats, direction: Floats, size: float) -> Mesh:
    """A pointed leaf folded along its middle rib, tip drooping."""
    along = direction / max(float(length(direction)), 1e-6)
    across = cross(along, np.array([0.3, 0.2, 1.0]))
    across = across / max(float(length(across)), 1e-6)
    droop, rib = np.array([0, 0, -0.25 * size]), np.array([0, 0, -0.06 * size])
    middle, tip = start + 0.5 * size * along, start + size * along + droop
    edges = [middle - 0.27 * size * across, middle + 0.27 * size * across]
    faces = np.array([[0, 1, 4], [1, 3, 4], [0, 4, 2], [4, 3, 2]])
    return Mesh(np.stack([start, *edges, tip, middle + rib]), faces)


def books(stream: Stream, palette: Palette) -> Piece:
    """Three to six books lying on one another, none quite straight."""
    made, z = [], 0.0
    for _ in range(stream.integers(3, 7)):
        thick = stream.uniform(0.015, 0.04)
        size = (stream.uniform(0.20, 0.28), stream.uniform(0.15, 0.20), thick)
        block = box((0, 0, z + thick / 2), size, steps=0).turned("z", stream.uniform(-0.3, 0.3))
        colour = stream.choice((*BOOK_COLOURS, palette.accent_colour))
        made.append(part(block, palette.plain(stream, colour)))
        z += thick
    return piece(0, made)


def table_lamp(stream: Stream, palette: Palette) -> Piece:
    """A bedside lamp: a turned foot and a lit cloth shade."""
    r = stream.uniform(0.10, 0.15)
    stem = smoothed([(0.02, 0.02), (0.04, 0.08), (0.03, 0.14), (0.012, 0.20), (0.010, 0.3)], 3)
    foot = [(0, 0), (0.07, 0), (0.07, 0.015), (0.02, 0.015), *stem, (0, 0.3)]
    shade_profile = [(0.7 * r - 0.004, 0.4), (r - 0.004, 0.22), (r, 0.22), (0.7 * r, 0.4)]
    made = [
        part(lathe(foot, segments=24), palette.metal(stream)),
        part(
            lathe([*shade_profile, shade_profile[0]], segments=32),
            palette.glow(stream, 1.5, LAMP_CLOTH),
        ),
    ]
    return piece(0, made)
