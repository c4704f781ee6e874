"""From few noisy light samples to smooth light at every pixel: filter, upsample, soften.

All filters are guided: they never mix light across parts, and little across bends.
Shape letters: H x W the sparse grid, S image side, C light channels.
"""

from __future__ import annotations

from math import exp

import numba

from helpers.scenes.raycast import KERNEL
from helpers.scenes.shading import smooth_normal

#: First and last channel (direct, bounced, mirrored RGB) that each filter pass smooths: bounced
#: light is the noisiest and the softest, mirrored light the sharpest.
PASSES = ((0, 9), (0, 9), (0, 9), (0, 6), (3, 6))
ENOUGH = 9.0  # support in the first pass (at most 16) below which a grid point is lit again


@numba.njit(**KERNEL)
def surface_guides(hits, surfaces, normals, parts):
    """Fill normals (S, S, 3) float32 and parts (S, S) int32 (-1: nothing) from the hits."""
    for y in range(len(parts)):
        for x in range(len(parts)):
            i = hits.triangle[y, x]
            parts[y, x] = -1
            if i >= 0:
                parts[y, x] = surfaces.part[i]
                normals[y, x] = smooth_normal(surfaces, i, hits.u[y, x], hits.v[y, x])


@numba.njit(**KERNEL)
def _cosine(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(**KERNEL)
def _power16(x):
    x = x * x
    x = x * x
    x = x * x
    return x * x


@numba.njit(**KERNEL)
def filter_light(light, parts, normals, distance, step, channels, out, support):
    """One a-trous pass over a grid of light (H, W, 9): neighbours `step` apart, 3 x 3 of them.

    Writes the channels to `out` and the weights' sum to `support` (H, W).
    """
    height, width, _ = light.shape
    first, last = channels
    falloff = 12.0 / (1.0 + step * 0.5)
    for y in range(height):
        for x in range(width):
            out[y, x] = light[y, x]
            if parts[y, x] < 0:
                continue
            total = 0.0
            out[y, x, first:last] = 0.0
            for j in range(-1, 2):
                for i in range(-1, 2):
                    v, u = y + j * step, x + i * step
                    if v < 0 or v >= height or u < 0 or u >= width or parts[v, u] != parts[y, x]:
                        continue
                    cosine = _cosine(normals[y, x], normals[v, u])
                    if cosine < 0.6:
                        continue
                    apart = abs(distance[y, x] - distance[v, u])
                    weight = _power16(cosine) * exp(-apart * falloff)
                    weight *= (2 - abs(i)) * (2 - abs(j))
                    total += weight
                    for c in range(first, last):
                        out[y, x, c] += weight * light[v, u, c]
            support[y, x] = total
            for c in range(first, last):
                out[y, x, c] /= total


@numba.njit(**KERNEL)
def upsample_light(grid, usable, parts, normals, stride, out, missing):
    """Light at every pixel, out (S, S, C), from a grid of every `stride`-th pixel.

    `usable` (H, W) marks good grid points; `missing` (S, S) the pixels that have none near them.
    """
    size, channels = len(parts), grid.shape[2]
    height, width, _ = grid.shape
    for y in range(size):
        for x in range(size):
            missing[y, x] = False
            out[y, x] = 0.0
            if parts[y, x] < 0:
                continue
            total = 0.0
            for v in range(max(0, (y - 1) // stride), min(height, (y + stride) // stride + 1)):
                for u in range(max(0, (x - 1) // stride), min(width, (x + stride) // stride + 1)):
                    py, px = v * stride, u * stride
                    if not usable[v, u] or parts[py, px] != parts[y, x]:
                        continue
                    cosine = _cosine(normals[y, x], normals[py, px])
                    if cosine < 0.85:
                        continue
                    weight = cosine * cosine
                    weight *= weight
                    weight = weight * weight / (0.2 + (py - y) ** 2 + (px - x) ** 2)
                    total += weight
                    for c in range(channels):
                        out[y, x, c] += weight * grid[v, u, c]
            if total > 0:
                for c in range(channels):
                    out[y, x, c] /= total
            else:
                missing[y, x] = True


@numba.njit(**KERNEL)
def soften_light(light, pixels, parts, normals, radius, out):
    """Average the light of thin parts over their neighbourhood: out (P, C) at flat `pixels`."""
    size, channels = len(parts), light.shape[2]
    for q in range(len(pixels)):
        y, x = pixels[q] // size, pixels[q] % size
        total = 0.0
        out[q] = 0.0
        for v in range(max(0, y - radius), min(size, y + radius + 1)):
            for u in range(max(0, x - radius), min(size, x + radius + 1)):
                if parts[v, u] != parts[y, x]:
                    continue
                bend = 1 - abs(_cosine(normals[y, x], normals[v, u]))
                weight = exp(-bend * 5) / (1.0 + 0.1 * ((v - y) ** 2 + (u - x) ** 2))
                total += weight
                for c in range(channels):
                    out[q, c] += weight * light[v, u, c]
        for c in range(channels):
            out[q, c] /= total


@numba.njit(**KERNEL)
def mark_edges(parts, normals, out):
    """out (S, S) bool: pixels beside one of another part or another direction."""
    size = len(parts)
    out[:] = False
    for y in range(size):
        for x in range(size):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < size and u < size:
                    bent = _cosine(normals[y, x], normals[v, u]) < 0.8
                    if parts[y, x] != parts[v, u] or bent:
                        out[y, x] = out[v, u] = True
