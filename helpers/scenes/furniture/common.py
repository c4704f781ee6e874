"""Small things many pieces share: legs, knobs, bars, upholstery."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from helpers.scenes.pieces import Part, part
from helpers.scenes.shapes import Mesh, box, lathe, sphere, tube

SIDES = (-1, 1)


def legs(
    spread: tuple[float, float],
    heights: tuple[float, float],
    radii: tuple[float, float],
    material: int,
    *,
    splay: float = 0.03,
    sides: int = 10,
) -> list[Part]:
    """Four tapered legs at the corners of a rectangle of size `spread` at their tops.

    heights: (bottom, top); radii: (at the top, at the foot); splay: how far the feet stand out.
    """
    (width, depth), (bottom, top) = spread, heights
    made = []
    for x in SIDES:
        for y in SIDES:
            head = (x * width / 2, y * depth / 2, top)
            foot = (x * (width / 2 + splay), y * (depth / 2 + splay), bottom)
            made.append(part(tube([foot, head], radii[::-1], sides=sides), material))
    return made


def bar(
    start: Sequence[float], end: Sequence[float], radius: float, material: int, *, sides: int = 8
) -> Part:
    """A straight rod."""
    return part(tube([start, end], radius, sides=sides), material)


def board(
    centre: Sequence[float], size: Sequence[float], material: int, *, radius: float = 0.004
) -> Part:
    """A plain board with slightly broken edges."""
    return part(box(centre, size, radius=radius), material)


def cushion(
    centre: Sequence[float],
    size: Sequence[float],
    *,
    radius: float = 0.05,
    puff: Sequence[float] = (0.0, 0.0, 0.2),
    inner: int = 2,
) -> Mesh:
    """A soft box: well-rounded edges, bulging sides."""
    return box(centre, size, radius=radius, steps=2, inner=inner, puff=puff)


def pillow(size: float, thickness: float = 0.11) -> Mesh:
    """A square throw pillow standing upright round the origin, its face to -y."""
    return cushion((0, 0, 0), (size, thickness, size), puff=(0, 0.9, 0), inner=3)


def moved(made: Part, *, x: float) -> Part:
    """The part shifted sideways."""
    return part(Mesh(made.vertices, made.faces).moved(x=x), made.material)


def mirrored(parts: Sequence[Part]) -> list[Part]:
    """The same parts with left and right exchanged."""
    flip = np.array([-1.0, 1.0, 1.0])
    return [Part(p.vertices * flip, p.faces[:, ::-1], p.material) for p in parts]


def facing_front(mesh: Mesh) -> Mesh:
    """A mesh built along z, laid over so that its top looks to -y."""
    return mesh.turned("x", math.pi / 2)


def knob(position: Sequence[float], material: int, *, radius: float = 0.013) -> Part:
    """A round pull on a front at `position`, standing out to -y."""
    profile = [(0, -0.004), (0.5 * radius, -0.004), (0.5 * radius, 0.012), (radius, 0.016)]
    mesh = lathe([*profile, (0.9 * radius, 0.024), (0, 0.026)], segments=12)
    return part(facing_front(mesh).moved(*position), material)


def ball(centre: Sequence[float], radius: float, material: int, *, segments: int = 20) -> Part:
    """A sphere."""
    return part(sphere(radius, centre, segments=segments), material)
