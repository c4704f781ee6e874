"""Light times material: the colour of every pixel, anti-aliased, exposed and tone mapped.

Shape letters: S image side in pixels.
"""

from __future__ import annotations

from math import exp, log2, sqrt

import numba
import numpy as np

from helpers.scenes.raycast import KERNEL, STACK, pixel_ray, trace
from helpers.scenes.shading import local_point, smooth_normal
from helpers.scenes.textures import EMISSION, METAL, albedo

BRIGHTEST = 3.0  # a sub-pixel ray counts at most so much: keeps small lamps from bleeding
EXPOSED_SHARE = 0.55  # this share of the pixels is darker than EXPOSED_LEVEL after exposure
EXPOSED_LEVEL = 0.62
BINS = 4096  # of the luminance histogram, over the stops below
STOPS = (-12.0, 6.0)


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
