"""Solid textures: the colour of a material at a point of the object, evaluated per pixel.

Every texture is a blend t between a material's two colours and a gain g. Detail that is finer than
the pixel's footprint fades out instead of flickering. Points and footprints are in metres.
"""

from __future__ import annotations

from math import floor, sin, sqrt

import numpy as np

from helpers.scenes.raycast import kernel

#: How a surface's two colours are mixed; evaluated in a part's own coordinates.
(
    PLAIN, WOOD, FABRIC, PLAID, MARBLE, PLANK, TILE, WALL, RUG, LEATHER, METAL, PAINTING, OUTDOORS,
    FRONT,
) = range(14)  # fmt: skip

#: A material as the kernels read it: the fields of `materials.Material`, with both colours linear,
#: and the mean colour that it has in bounced light.
MATERIAL = np.dtype(
    [(name, "f8", 3) for name in ("colour", "second", "mean")]
    + [(name, "i8") for name in ("kind", "seed", "axis", "motif")]
    + [(name, "f8") for name in ("scale", "specular", "roughness", "emission", "metallic")]
    + [("half_size", "f8", 2)]
)


@kernel
def hash_unit(a, b, c, seed):
    """A number in [0, 1) that depends on four integers."""
    h = (a * 374761393 + b * 668265263 + c * 1274126177 + seed * 974711) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 668265263) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) / 16777216.0


@kernel
def _value_noise(x, y, z, seed):
    fx, fy, fz = floor(x), floor(y), floor(z)
    u, v, w = x - fx, y - fy, z - fz
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    i, j, k = int(fx), int(fy), int(fz)
    a = hash_unit(i, j, k, seed) * (1 - u) + hash_unit(i + 1, j, k, seed) * u
    b = hash_unit(i, j + 1, k, seed) * (1 - u) + hash_unit(i + 1, j + 1, k, seed) * u
    c = hash_unit(i, j, k + 1, seed) * (1 - u) + hash_unit(i + 1, j, k + 1, seed) * u
    d = hash_unit(i, j + 1, k + 1, seed) * (1 - u) + hash_unit(i + 1, j + 1, k + 1, seed) * u
    return ((a * (1 - v) + b * v) * (1 - w) + (c * (1 - v) + d * v) * w) * 2 - 1


@kernel
def _fractal(x, y, z, seed, footprint, octaves):
    """Value noise of several octaves; those finer than the footprint (in noise units) fade."""
    total, amplitude, frequency = 0.0, 0.5, 1.0
    for octave in range(octaves):
        weight = 1.0 - footprint * frequency * 1.2
        if weight <= 0:
            break
        noise = _value_noise(x * frequency, y * frequency, z * frequency, seed + octave)
        total += amplitude * min(1.0, weight * 2) * noise
        amplitude *= 0.5
        frequency *= 2.03
    return total


@kernel
def _even(x, y, z, scale, seed, footprint, octaves):
    """The same in all directions, `scale` features a metre."""
    return _fractal(x * scale, y * scale, z * scale, seed, footprint * scale, octaves)


@kernel
def _step(low, high, x):
    """Smooth step from 0 at `low` to 1 at `high` (which may be the smaller)."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)


@kernel
def _wave(x):
    """Distance of x from the middle of its unit cell: 0.5 at whole numbers, 0 halfway."""
    return abs((x % 1.0) - 0.5)


@kernel
def _wood(p, q, r, fp, seed, scale):
    warp = _fractal(p * 1.5 * scale, q * 9 * scale, r * 9 * scale, seed, fp * 9 * scale, 3)
    rings = _fractal(p * 0.6 * scale, q * 4 * scale, r * 4 * scale, seed + 7, fp * 4 * scale, 2)
    t = 0.5 + 0.5 * sin((rings * 7 + warp * 1.5) * 2.2) * max(0.0, 1 - fp * 40 * scale)
    fine = fp * 190 * scale
    pores = _fractal(p * 14 * scale, q * 190 * scale, r * 190 * scale, seed + 3, fine, 2)
    return t, 1 + 0.10 * pores + 0.08 * warp


@kernel
def _fabric(x, y, z, p, across, fp, seed, scale):
    mottle = _even(x, y, z, 6, seed, fp, 3)
    weave = max(0.0, 1 - fp * 420 * scale) * sin(p * 900 * scale) * sin(across * 900 * scale)
    thread = _even(x, y, z, 160 * scale, seed + 5, fp, 2)
    t = 0.5 + 0.9 * _even(x, y, z, 40 * scale, seed + 9, fp, 3)
    return t * 0.35, 1 + 0.10 * mottle + 0.16 * weave + 0.14 * thread


@kernel
def _plaid(x, y, z, p, across, fp, seed, scale, motif):
    a, b = _wave(p * scale * 7) * 2, _wave(across * scale * 7) * 2
    stripes = _step(0.55, 0.62, a)
    t = 0.5 * stripes + 0.5 * (_step(0.55, 0.62, b) if motif > 0.5 else stripes)
    return t, 1 - 0.35 * _step(0.9, 0.94, a) + 0.10 * _even(x, y, z, 120, seed, fp, 2)


@kernel
def _marble(x, y, z, fp, seed, scale):
    n = _even(x, y, z, 2.2 * scale, seed, fp, 5)
    vein = 1 - abs(sin((x * 1.3 + y * 0.7 + z) * scale + n * 6))
    return _step(0.86, 1.0, vein) * 0.8 + 0.15 * n, 1.0


@kernel
def _planks(across, along, fp, seed, scale):
    width, length = 0.14 * scale, 1.2 * scale
    i = floor(across / width)
    shifted = along + hash_unit(int(i), 3, 1, seed) * length
    j = floor(shifted / length)
    tone = hash_unit(int(i), int(j), 2, seed)
    n = _fractal(along * 2.2 + tone * 37, across * 26, tone * 9, seed + 4, fp * 26, 4)
    fine = _fractal(along * 12, across * 300, tone * 7, seed + 8, fp * 300, 2)
    gap = min(across - i * width, (i + 1) * width - across)
    gap = min(gap, min(shifted - j * length, (j + 1) * length - shifted))
    groove = 0.6 * max(0.0, 1 - fp / 0.006) * (1 - _step(0.0, 0.003, gap))
    return 0.5 + 0.9 * n, (0.80 + 0.42 * tone) * (1 + 0.34 * n + 0.12 * fine) * (1 - groove)


@kernel
def _tiles(x, y, fp, seed, scale):
    side = 0.6 * scale
    i, j = floor(x / side), floor(y / side)
    gap = min(min(x - i * side, (i + 1) * side - x), min(y - j * side, (j + 1) * side - y))
    shade = hash_unit(int(i), int(j), 0, seed) * 9
    n = _fractal(x * 1.7, y * 1.7, shade, seed, fp * 1.7, 5)
    tone = 0.95 + 0.07 * hash_unit(int(i), int(j), 5, seed)
    grout = 0.45 * max(0.0, 1 - fp / 0.01) * (1 - _step(0.001, 0.004, gap))
    return _step(0.75, 1.0, 1 - abs(n) * 2.2) * 0.5, tone * (1 - grout)


@kernel
def _wall(along, z, fp, seed, scale, motif):
    """Paint (0), stripes (1), medallions (2) or bricks (3)."""
    gain = 1 + 0.02 * _fractal(along * 3, z * 3, 0.0, seed, fp * 3, 3)
    if motif == 1:
        return _step(0.45, 0.5, _wave(along * scale * 3)), gain
    if motif == 2:
        column = floor(along * scale * 2.2)
        b = along * scale * 2.2 - column - 0.5
        c = (z * scale * 1.6 + 0.5 * (column % 2)) % 1.0 - 0.5
        d = b * b * 1.6 + c * c
        return _step(0.13, 0.10, d) * 0.8 - _step(0.06, 0.045, d) * 0.5, gain
    if motif == 3:
        row = floor(z / 0.075)
        b = (along + (row % 2) * 0.115) / 0.23
        i = floor(b)
        gap = min(min(b - i, 1 - b + i) * 0.23, min(z - row * 0.075, (row + 1) * 0.075 - z))
        tone = 0.75 + 0.45 * hash_unit(int(i), int(row), 1, seed)
        rough = 1 + 0.3 * _fractal(along * 40, z * 40, 1.0, seed, fp * 40, 3)
        mortar = 1 - _step(0.004, 0.007, gap)
        fade = max(0.0, 1 - fp / 0.014)
        return 0.19 + (mortar - 0.19) * fade, 1 + (tone * rough - 1) * fade
    return 0.0, gain


@kernel
def _rug(x, y, fp, seed, motif, half_x, half_y):
    """Border (0), blots (1), lozenges (2) or rings (3)."""
    gain = 1 + 0.25 * _fractal(x * 90, y * 90, 0.0, seed, fp * 90, 2)
    gain += 0.1 * _fractal(x * 7, y * 7, 0.0, seed + 1, fp * 7, 2)
    if motif == 0:
        border = max(abs(x) / half_x, abs(y) / half_y)
        return _step(0.86, 0.88, border) - _step(0.92, 0.94, border), gain
    if motif == 1:
        if _fractal(x * 1.1, y * 1.1, 3.0, seed + 2, fp, 2) > 0.02:
            return 1.0, gain
        return (0.5 if _fractal(x * 0.9 + 5, y * 0.9, 1.0, seed + 6, fp, 2) > 0.05 else 0.0), gain
    if motif == 2:
        t = _step(0.25, 0.3, _wave((x + y) * 2.2)) * _step(0.25, 0.3, _wave((x - y) * 2.2))
        return t, gain
    return _step(0.42, 0.46, _wave(sqrt(x * x * 0.6 + y * y) * 3)), gain


@kernel
def _painting(x, z, fp, seed):
    n = _fractal(x * 3.1, z * 3.1, seed * 0.37, seed, fp * 3, 4)
    a = _fractal(x * 2 + n * 2, z * 2 - n, 1.0, seed + 3, fp * 2, 3)
    strokes = _step(0.0, 0.12, _fractal(x * 9, z * 9, 2.0, seed + 9, fp * 9, 3))
    return _step(-0.2, 0.25, a + 0.4 * sin(x * 7 + seed) + 0.3 * z), 0.8 + 0.5 * strokes


@kernel
def _outdoors(along, z, fp, seed):
    """Sky over foliage, seen through a window."""
    n = _fractal(along * 1.1, z * 1.1, 0.0, seed, fp, 6)
    sky = _step(1.1, 1.5, z + n * 1.3)
    leaves = _fractal(along * 5, z * 5, 2.0, seed + 2, fp * 5, 5)
    return sky, (0.55 + 0.5 * sky) * (1 + 0.9 * (1 - sky) * leaves)


@kernel
def _pattern(m, x, y, z, fp):
    """Blend and gain of a material at an object point."""
    kind, seed, scale, motif = m.kind, m.seed, m.scale, m.motif
    p, q, r = x, y, z
    if m.axis == 1:
        p, q, r = y, z, x
    elif m.axis == 2:
        p, q, r = z, x, y
    if kind == WOOD:
        return _wood(p, q, r, fp, seed, scale)
    if kind == FABRIC:
        return _fabric(x, y, z, p, q + r, fp, seed, scale)
    if kind == PLAID:
        return _plaid(x, y, z, p, q + r, fp, seed, scale, motif)
    if kind == MARBLE:
        return _marble(x, y, z, fp, seed, scale)
    if kind == PLANK:
        return _planks(x if m.axis == 0 else y, y if m.axis == 0 else x, fp, seed, scale)
    if kind == TILE:
        return _tiles(x, y, fp, seed, scale)
    if kind == WALL:
        return _wall(x + y, z, fp, seed, scale, motif)
    if kind == RUG:
        return _rug(x, y, fp, seed, motif, m.half_size[0], m.half_size[1])
    if kind == LEATHER:
        grain = _even(x, y, z, 130, seed + 2, fp, 2)
        return 0.0, 1 + 0.10 * _even(x, y, z, 9, seed, fp, 3) + 0.12 * grain
    if kind == METAL:
        return 0.0, 1 + 0.06 * _fractal(x * 300, y * 6, z * 300, seed, fp * 300, 2)
    if kind == PAINTING:
        return _painting(x, z, fp, seed)
    if kind == OUTDOORS:
        return _outdoors(x + y, z, fp, seed)
    if kind == FRONT:
        k = scale * 7
        figure = sin(_fractal(p * scale, q * k, r * k, seed, fp * k, 3) * 9)
        return 0.5 + 0.5 * figure, 1 + 0.08 * _even(p, q, r, 130, seed + 2, fp, 2)
    return 0.0, 1 + 0.03 * _even(x, y, z, 5, seed, fp, 3)


@kernel
def albedo(material, point, footprint):
    """Linear RGB of a material (a record of MATERIAL) at an object point."""
    t, g = _pattern(material, point[0], point[1], point[2], footprint)
    t, g = min(1.0, max(0.0, t)), max(0.05, g)
    first, second = material.colour, material.second
    red = (first[0] * (1 - t) + second[0] * t) * g
    green = (first[1] * (1 - t) + second[1] * t) * g
    blue = (first[2] * (1 - t) + second[2] * t) * g
    return min(1.5, red), min(1.5, green), min(1.5, blue)
