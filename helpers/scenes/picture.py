"""From a few noisy light samples to the picture.

The light is filtered, spread to every pixel and softened; all filters are guided: they never mix
light across parts, and little across bends. Light times material is the colour of a pixel, which is
anti-aliased, exposed and tone mapped.

Shape letters: H x W the sparse grid, S image side, C light channels.
"""

from __future__ import annotations

from math import exp, log2, sqrt

import numba
import numpy as np

from helpers.scenes.raycast import KERNEL, STACK, pixel_ray, trace
from helpers.scenes.shading import local_point, smooth_normal
from helpers.scenes.textures import EMISSION, METAL, albedo

#: First and last channel (direct, bounced, mirrored RGB) that each filter pass smooths: bounced
#: light is the noisiest and the softest, mirrored light the sharpest.
PASSES = ((0, 9), (0, 9), (0, 9), (0, 6), (3, 6))
ENOUGH = 9.0  # support in the first pass (at most 16) below which a grid point is lit again
BRIGHTEST = 3.0  # a sub-pixel ray counts at most so much: keeps small lamps from bleeding
EXPOSED_SHARE = 0.55  # this share of the pixels is darker than EXPOSED_LEVEL after exposure
EXPOSED_LEVEL = 0.62
BINS = 4096  # of the luminance histogram, over the stops below
STOPS = (-12.0, 6.0)


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


@numba.njit(**KERNEL)
def _radiance(material, x, y, z, footprint, light, materials):
    """Linear RGB that leaves a surface, given its nine light channels."""
    r, g, b = albedo(material, materials, x, y, z, footprint)
    emission = materials.value[material, EMISSION]
    if emission > 0:
        return r * emission, g * emission, b * emission
    metal = materials.value[material, METAL]
    diffuse = 1 - metal
    return (
        r * diffuse * (light[0] + light[3]) + light[6] * (1 - metal + metal * r),
        g * diffuse * (light[1] + light[4]) + light[7] * (1 - metal + metal * g),
        b * diffuse * (light[2] + light[5]) + light[8] * (1 - metal + metal * b),
    )


@numba.njit(**KERNEL)
def _lender(i, nx, ny, nz, sx, sy, y, x, hits, world, parts):
    """The pixel among 3 x 3 whose light suits a sub-pixel ray: of its part, facing its way."""
    size = len(parts)
    best, best_y, best_x = -1.0, y, x
    for v in range(max(0, y - 1), min(size, y + 2)):
        for u in range(max(0, x - 1), min(size, x + 2)):
            if parts[v, u] != world.surfaces.part[i]:
                continue
            ox, oy, oz = smooth_normal(
                world.surfaces, hits.triangle[v, u], hits.u[v, u], hits.v[v, u]
            )
            near = 0.1 / (1 + (v + 0.5 - sy) ** 2 + (u + 0.5 - sx) ** 2)
            score = abs(nx * ox + ny * oy + nz * oz) + near
            if score > best:
                best, best_y, best_x = score, v, u
    return best_y, best_x


@numba.njit(**KERNEL)
def compose(hits, light, edges, parts, frame, world, rays, out):
    """Fill out (S, S, 3) float32 with linear RGB; edge pixels average `rays` x `rays` rays."""
    size = len(parts)
    stack = np.empty(STACK, np.int32)
    surfaces, materials = world.surfaces, world.materials
    pixel = 2 * sqrt(frame[2, 0] ** 2 + frame[2, 1] ** 2 + frame[2, 2] ** 2) / size
    for y in range(size):
        for x in range(size):
            out[y, x] = 0.0
            i = hits.triangle[y, x]
            if not edges[y, x]:
                if i >= 0:
                    lx, ly, lz = local_point(surfaces, i, hits.u[y, x], hits.v[y, x])
                    footprint = hits.distance[y, x] * pixel
                    out[y, x] = _radiance(
                        surfaces.material[i], lx, ly, lz, footprint, light[y, x], materials
                    )
                continue
            for s in range(rays * rays):
                sx, sy = x + (s % rays + 0.5) / rays, y + (s // rays + 0.5) / rays
                dx, dy, dz = pixel_ray(frame, sx, sy, size)
                t, i, u, v = trace(
                    frame[0, 0], frame[0, 1], frame[0, 2], dx, dy, dz, 1e9, world.bvh, False, stack
                )
                if i < 0:
                    continue
                nx, ny, nz = smooth_normal(surfaces, i, u, v)
                lx, ly, lz = local_point(surfaces, i, u, v)
                by, bx = _lender(i, nx, ny, nz, sx, sy, y, x, hits, world, parts)
                r, g, b = _radiance(
                    surfaces.material[i], lx, ly, lz, t * pixel / rays, light[by, bx], materials
                )
                out[y, x, 0] += min(r, BRIGHTEST) / (rays * rays)
                out[y, x, 1] += min(g, BRIGHTEST) / (rays * rays)
                out[y, x, 2] += min(b, BRIGHTEST) / (rays * rays)


@numba.njit(**KERNEL)
def exposure(linear):
    """The factor that brings a picture's EXPOSED_SHARE percentile of luminance to its level."""
    counts = np.zeros(BINS, np.int64)
    low, high = STOPS
    size = len(linear)
    for y in range(size):
        for x in range(size):
            c = linear[y, x]
            stop = log2(max(0.30 * c[0] + 0.59 * c[1] + 0.11 * c[2], 2.0**low))
            counts[min(BINS - 1, int((stop - low) / (high - low) * BINS))] += 1
    reached, k = counts[0], 0
    while reached < EXPOSED_SHARE * size * size:
        k += 1
        reached += counts[k]
    return EXPOSED_LEVEL / max(1e-3, 2.0 ** (low + (k + 0.5) / BINS * (high - low)))


@numba.njit(**KERNEL)
def tone_map(linear, factor, out):
    """Linear float RGB to uint8 sRGB with an exponential curve, which never clips; (S, S, 3)."""
    height, width, _ = linear.shape
    for y in range(height):
        for x in range(width):
            for c in range(3):
                value = 1 - exp(-1.15 * max(0.0, linear[y, x, c] * factor) ** 1.12)
                out[y, x, c] = int(value ** (1 / 2.2) * 255 + 0.5)
