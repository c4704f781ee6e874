"""From a few noisy light samples to the picture.

The light is filtered, spread to every pixel and softened; all filters are guided: they never mix
light across parts, and little across bends. Light times material is the colour of a pixel, which is
anti-aliased, exposed and tone mapped.

Shape letters: H x W the sparse grid, S image side, light has 9 channels: direct, bounced and
mirrored RGB.
"""

from __future__ import annotations

from math import exp, log2, sqrt

import numpy as np

from helpers.scenes.raycast import STACK, dot, kernel, pixel_ray, scaled, trace, triple
from helpers.scenes.shading import blend, smooth_normal
from helpers.scenes.textures import albedo

#: First and last channel that each filter pass smooths: bounced light is the noisiest and the
#: softest, mirrored light the sharpest.
PASSES = ((0, 9), (0, 9), (0, 9), (0, 6), (3, 6))
ENOUGH = 9.0  # support in the first pass (at most 16) below which a grid point is lit again
SOFTEN_RADIUS = 4  # pixels
BRIGHTEST = 3.0  # a sub-pixel ray counts at most so much: keeps small lamps from bleeding
EXPOSED_SHARE = 0.55  # this share of the pixels is darker than EXPOSED_LEVEL after exposure
EXPOSED_LEVEL = 0.62
BINS = 4096  # of the luminance histogram, over the stops below
STOPS = (-12.0, 6.0)


@kernel
def surface_guides(hits, surfaces):
    """Normals (S, S, 3) float32 and parts (S, S) int32 (-1: nothing) of the hits."""
    size = len(hits.triangle)
    normals, parts = np.zeros((size, size, 3), np.float32), np.full((size, size), -1, np.int32)
    for y in range(size):
        for x in range(size):
            i = hits.triangle[y, x]
            if i >= 0:
                parts[y, x] = surfaces.part[i]
                normals[y, x] = smooth_normal(surfaces, i, hits.u[y, x], hits.v[y, x])
    return normals, parts


@kernel
def _add(total, weight, light, first, last):
    for c in range(first, last):
        total[c] += weight * light[c]


@kernel
def _divide(total, weight, first, last):
    for c in range(first, last):
        total[c] /= weight


@kernel
def filter_light(light, parts, normals, distance, step, channels):
    """One a-trous pass over a grid of light (H, W, 9): neighbours `step` apart, 3 x 3 of them.

    Returns the light with those channels filtered, and the sum of the weights (H, W).
    """
    height, width, _ = light.shape
    first, last = channels
    falloff = 12.0 / (1.0 + step * 0.5)
    out, support = light.copy(), np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            if parts[y, x] < 0:
                continue
            out[y, x, first:last] = 0.0
            for j in range(-1, 2):
                for i in range(-1, 2):
                    v, u = y + j * step, x + i * step
                    if v < 0 or v >= height or u < 0 or u >= width or parts[v, u] != parts[y, x]:
                        continue
                    cosine = dot(normals[y, x], normals[v, u])
                    if cosine < 0.6:
                        continue
                    apart = abs(distance[y, x] - distance[v, u])
                    cosine2 = cosine * cosine
                    cosine4 = cosine2 * cosine2
                    cosine8 = cosine4 * cosine4
                    weight = cosine8 * cosine8 * exp(-apart * falloff)
                    weight *= (2 - abs(i)) * (2 - abs(j))
                    support[y, x] += weight
                    _add(out[y, x], weight, light[v, u], first, last)
            _divide(out[y, x], support[y, x], first, last)
    return out, support


@kernel
def upsample_light(grid, usable, parts, normals, stride):
    """Light at every pixel, (S, S, 9) float32, from a grid of every `stride`-th pixel.

    `usable` (H, W) marks good grid points. Returns also the (S, S) pixels that have none near them.
    """
    size = len(parts)
    height, width, channels = grid.shape
    out, missing = np.zeros((size, size, channels), np.float32), np.zeros((size, size), np.bool_)
    for y in range(size):
        for x in range(size):
            if parts[y, x] < 0:
                continue
            total = 0.0
            for v in range(max(0, (y - 1) // stride), min(height, (y + stride) // stride + 1)):
                for u in range(max(0, (x - 1) // stride), min(width, (x + stride) // stride + 1)):
                    py, px = v * stride, u * stride
                    if not usable[v, u] or parts[py, px] != parts[y, x]:
                        continue
                    cosine = dot(normals[y, x], normals[py, px])
                    if cosine < 0.85:
                        continue
                    weight = cosine * cosine
                    weight *= weight
                    weight = weight * weight / (0.2 + (py - y) ** 2 + (px - x) ** 2)
                    total += weight
                    _add(out[y, x], weight, grid[v, u], 0, channels)
            if total > 0:
                _divide(out[y, x], total, 0, channels)
            else:
                missing[y, x] = True
    return out, missing


@kernel
def soften_light(light, pixels, parts, normals):
    """Light (P, 9) float32 of thin parts, at flat `pixels`, averaged over their neighbourhood."""
    size, channels = len(parts), light.shape[2]
    out = np.zeros((len(pixels), channels), np.float32)
    for q in range(len(pixels)):
        y, x = pixels[q] // size, pixels[q] % size
        total = 0.0
        for v in range(max(0, y - SOFTEN_RADIUS), min(size, y + SOFTEN_RADIUS + 1)):
            for u in range(max(0, x - SOFTEN_RADIUS), min(size, x + SOFTEN_RADIUS + 1)):
                if parts[v, u] != parts[y, x]:
                    continue
                bend = 1 - abs(dot(normals[y, x], normals[v, u]))
                weight = exp(-bend * 5) / (1.0 + 0.1 * ((v - y) ** 2 + (u - x) ** 2))
                total += weight
                _add(out[q], weight, light[v, u], 0, channels)
        _divide(out[q], total, 0, channels)
    return out


@kernel
def mark_edges(parts, normals):
    """(S, S) bool: pixels beside one of another part or another direction."""
    size = len(parts)
    out = np.zeros((size, size), np.bool_)
    for y in range(size):
        for x in range(size):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < size and u < size:
                    bent = dot(normals[y, x], normals[v, u]) < 0.8
                    if parts[y, x] != parts[v, u] or bent:
                        out[y, x] = out[v, u] = True
    return out


@kernel
def _channel(colour, metallic, diffuse, mirrored):
    return colour * (1 - metallic) * diffuse + mirrored * (1 - metallic + metallic * colour)


@kernel
def _radiance(material, point, footprint, light):
    """Linear RGB that leaves a surface, given its nine light channels."""
    colour = albedo(material, point, footprint)
    if material.emission > 0:
        return scaled(colour, material.emission)
    return (
        _channel(colour[0], material.metallic, light[0] + light[3], light[6]),
        _channel(colour[1], material.metallic, light[1] + light[4], light[7]),
        _channel(colour[2], material.metallic, light[2] + light[5], light[8]),
    )


@kernel
def _lender(part, normal, sx, sy, y, x, hits, surfaces, parts):
    """The pixel among 3 x 3 whose light suits a sub-pixel ray: of its part, facing its way."""
    size = len(parts)
    best, best_y, best_x = -1.0, y, x
    for v in range(max(0, y - 1), min(size, y + 2)):
        for u in range(max(0, x - 1), min(size, x + 2)):
            if parts[v, u] != part:
                continue
            other = smooth_normal(surfaces, hits.triangle[v, u], hits.u[v, u], hits.v[v, u])
            near = 0.1 / (1 + (v + 0.5 - sy) ** 2 + (u + 0.5 - sx) ** 2)
            score = abs(dot(normal, other)) + near
            if score > best:
                best, best_y, best_x = score, v, u
    return best_y, best_x


@kernel
def compose(hits, light, edges, parts, frame, world, rays):
    """Linear RGB, (S, S, 3) float32; edge pixels average `rays` x `rays` rays."""
    size, surfaces = len(parts), world.surfaces
    out, stack = np.zeros((size, size, 3), np.float32), np.empty(STACK, np.int32)
    pixel = 2 * sqrt(frame[2, 0] ** 2 + frame[2, 1] ** 2 + frame[2, 2] ** 2) / size
    for y in range(size):
        for x in range(size):
            i = hits.triangle[y, x]
            if not edges[y, x]:
                if i >= 0:
                    material = world.materials[surfaces.material[i]]
                    point = blend(surfaces.locals, i, hits.u[y, x], hits.v[y, x])
                    out[y, x] = _radiance(material, point, hits.distance[y, x] * pixel, light[y, x])
                continue
            for s in range(rays * rays):
                sx, sy = x + (s % rays + 0.5) / rays, y + (s // rays + 0.5) / rays
                ray = pixel_ray(frame, sx, sy, size)
                t, i, u, v = trace(triple(frame, 0), ray, 1e9, world.bvh, False, stack)
                if i < 0:
                    continue
                normal, part = smooth_normal(surfaces, i, u, v), surfaces.part[i]
                by, bx = _lender(part, normal, sx, sy, y, x, hits, surfaces, parts)
                material = world.materials[surfaces.material[i]]
                point = blend(surfaces.locals, i, u, v)
                colour = _radiance(material, point, t * pixel / rays, light[by, bx])
                for c in range(3):
                    out[y, x, c] += min(colour[c], BRIGHTEST) / (rays * rays)
    return out


@kernel
def _exposure(linear):
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


@kernel
def tone_map(linear):
    """Linear float RGB (S, S, 3) to uint8 sRGB: exposed, on an exponential curve, never clipped."""
    factor, out = _exposure(linear), np.empty(linear.shape, np.uint8)
    height, width, _ = linear.shape
    for y in range(height):
        for x in range(width):
            for c in range(3):
                value = 1 - exp(-1.15 * max(0.0, linear[y, x, c] * factor) ** 1.12)
                out[y, x, c] = int(value ** (1 / 2.2) * 255 + 0.5)
    return out
