"""Light on surfaces: soft direct light, one diffuse bounce and glossy reflections, by ray casting.

Shape letters: T triangles, L lights, P points to light, S image side in pixels.
"""

from __future__ import annotations

from math import cos, exp, pi, sin, sqrt
from typing import NamedTuple

import numpy as np

from helpers.scenes.raycast import (
    STACK,
    Bvh,
    ahead,
    cross,
    dot,
    kernel,
    minus,
    pixel_ray,
    scaled,
    trace,
    triple,
    unit,
)
from helpers.scenes.textures import albedo, hash_unit

#: Kinds of light. A panel shines from a rectangle, a spot narrowly from a small one, the sun from
#: a direction (its normal), a bulb equally all around.
PANEL, SPOT, SUN, BULB = range(4)
LIGHT = np.dtype(  # u, v: half sides of the rectangle; radiance: RGB
    [(name, "f8", 3) for name in ("centre", "u", "v", "normal", "radiance")]
    + [("area", "f8"), ("kind", "i8")]
)
AMBIENT = (0.12, 0.12, 0.125)  # what light that leaves the room through no surface amounts to

OFFSET = 2e-3  # metres between a surface and the rays that start on it
FIREFLY = 4.0  # brightest direct light that a bounce may carry
GLOW = 6.0  # brightest emission that a bounce may carry


class Surfaces(NamedTuple):
    """What covers T triangles, in the order of the hierarchy.

    normals, locals: (T, 9) float32, shading normal and point of the part, before it was placed, of
    the three corners.
    material, part: (T,) int32; light is only shared between points of one part.
    """

    normals: np.ndarray
    locals: np.ndarray
    material: np.ndarray
    part: np.ndarray


class World(NamedTuple):
    """All that the kernels need of a room. materials, lights: records of MATERIAL and LIGHT."""

    bvh: Bvh
    surfaces: Surfaces
    materials: np.ndarray
    lights: np.ndarray


@kernel
def blend(rows, i, u, v):
    """Value of a (T, 9) corner attribute at barycentric u, v of triangle i."""
    w = 1.0 - u - v
    return (
        w * rows[i, 0] + u * rows[i, 3] + v * rows[i, 6],
        w * rows[i, 1] + u * rows[i, 4] + v * rows[i, 7],
        w * rows[i, 2] + u * rows[i, 5] + v * rows[i, 8],
    )


@kernel
def smooth_normal(surfaces, i, u, v):
    """Interpolated unit normal at a hit; it may point to either side."""
    return unit(blend(surfaces.normals, i, u, v), 1e-20)


@kernel
def _facing_normal(triangles, i, direction):
    """Geometric unit normal of triangle i, turned against the direction."""
    normal = cross(triple(triangles, i, 3), triple(triangles, i, 6))
    side = dot(normal, direction)
    normal = unit(normal, 1e-30)
    return scaled(normal, -1.0) if side > 0 else normal


@kernel
def _towards_light(light, index, point, a, b):
    """Unit direction to a point of a light, its distance, and the light's strength from there."""
    if light.kind == SUN:
        x, y, z = light.normal[0], light.normal[1], light.normal[2]
        return unit((x + (a - 0.5) * 0.04, y + (b - 0.5) * 0.04, z)), 60.0, 1.0
    a = ((a + index * 0.618034) % 1.0) * 2 - 1
    b = ((b + index * 0.754878) % 1.0) * 2 - 1
    away = minus(ahead(ahead(light.centre, light.u, a), light.v, b), point)
    squared = dot(away, away)
    distance = sqrt(squared)
    direction = (away[0] / distance, away[1] / distance, away[2] / distance)
    cosine = max(0.0, -dot(direction, light.normal))
    if light.kind == SPOT:
        cosine = cosine * cosine * cosine
    elif light.kind == BULB:
        cosine = 0.5
    return direction, distance, cosine * light.area / max(squared, 0.02) / pi


@kernel
def _direct_light(point, normal, world, r1, r2, pick, stack, proposals):
    """One-sample estimate of irradiance / pi at a point: RGB.

    Every light proposes a point; one proposal is drawn in proportion to what it would give without
    shadows, and only that one costs a shadow ray. `proposals` is scratch memory, (L, 5).
    """
    lights, total = world.lights, 0.0
    for k in range(len(lights)):
        direction, distance, strength = _towards_light(lights[k], k, point, r1, r2)
        strength *= max(0.0, dot(direction, normal))
        proposals[k, 0], proposals[k, 1], proposals[k, 2] = direction
        proposals[k, 3], proposals[k, 4] = distance, strength
        total += strength * lights[k].radiance[1]
    if total <= 1e-6:
        return 0.0, 0.0, 0.0
    chosen = 0
    cumulated = proposals[0, 4] * lights[0].radiance[1]
    while cumulated < pick * total and chosen < len(lights) - 1:
        chosen += 1
        cumulated += proposals[chosen, 4] * lights[chosen].radiance[1]
    if proposals[chosen, 4] <= 0:
        return 0.0, 0.0, 0.0
    direction, reach = triple(proposals, chosen), proposals[chosen, 3] - 0.02
    _, hit, _, _ = trace(point, direction, reach, world.bvh, True, stack)
    if hit >= 0:
        return 0.0, 0.0, 0.0
    radiance = lights[chosen].radiance
    return scaled(radiance, min(total, 9.0) / radiance[1])


@kernel
def _at_hit(point, direction, t, i, bvh):
    """Where a ray meets triangle i, just above it, and the normal there."""
    normal = _facing_normal(bvh.triangles, i, direction)
    return ahead(ahead(point, direction, t), normal, OFFSET), normal


@kernel
def _reflected(colour, light, ambient):
    """What a surface in some light, and a share of the ambient light, sends back into a ray."""
    return (
        colour[0] * (min(light[0], FIREFLY) + AMBIENT[0] * ambient),
        colour[1] * (min(light[1], FIREFLY) + AMBIENT[1] * ambient),
        colour[2] * (min(light[2], FIREFLY) + AMBIENT[2] * ambient),
    )


@kernel
def _lamp(colour, emission):
    """Light of a lamp's surface, as much of it as a bounce may carry."""
    r, g, b = scaled(colour, emission)
    return min(GLOW, r), min(GLOW, g), min(GLOW, b)


@kernel
def _bounced_light(point, normal, world, r1, r2, r3, stack, proposals):
    """Light that one cosine-distributed ray brings back from the surface it meets: RGB."""
    nx, ny, nz = normal
    sign = 1.0 if nz >= 0 else -1.0
    a = -1.0 / (sign + nz)
    b = nx * ny * a
    radius, angle, up = sqrt(r1), 2 * pi * r2, sqrt(1 - r1)
    s, c = sin(angle) * radius, cos(angle) * radius
    direction = (
        c * (1 + sign * nx * nx * a) + s * b + up * nx,
        c * sign * b + s * (sign + ny * ny * a) + up * ny,
        -c * sign * nx - s * ny + up * nz,
    )
    t, i, _, _ = trace(point, direction, 1e9, world.bvh, False, stack)
    if i < 0:
        return AMBIENT
    material = world.materials[world.surfaces.material[i]]
    if material.emission > 0:
        return _lamp(material.mean, material.emission)
    point, normal = _at_hit(point, direction, t, i, world.bvh)
    light = _direct_light(point, normal, world, r2, r3, r1, stack, proposals)
    return _reflected(material.mean, light, 1 - exp(-t * 1.2))


@kernel
def _mirrored_light(point, normal, ray, material, travelled, world, r1, r2, r3, stack, proposals):
    """Light reflected towards the camera by the gloss of a material: RGB."""
    specular, roughness = material.specular, material.roughness
    cosine = -dot(normal, ray)
    fresnel = specular + (1 - specular) * (1 - cosine) ** 5 * (1 - roughness)
    mirrored = ahead(ray, normal, 2 * cosine)
    direction = unit(ahead(mirrored, (r1 - 0.5, r2 - 0.5, r3 - 0.5), roughness))
    if dot(direction, normal) <= 0:
        return 0.0, 0.0, 0.0
    t, i, u, v = trace(point, direction, 1e9, world.bvh, False, stack)
    if i < 0:
        return 0.0, 0.0, 0.0
    other = world.materials[world.surfaces.material[i]]
    at = blend(world.surfaces.locals, i, u, v)
    colour = albedo(other, at, (travelled + t) * 0.002 + 0.004)
    if other.emission > 0:
        return scaled(_lamp(colour, other.emission), fresnel)
    point, normal = _at_hit(point, direction, t, i, world.bvh)
    light = _direct_light(point, normal, world, r2, r3, r1, stack, proposals)
    return _reflected(scaled(colour, fresnel), light, 1.0)


@kernel
def _interleaved(column, row):
    """Interleaved gradient noise (Jimenez 2014): neighbours differ as much as they can."""
    return (52.9829189 * ((0.06711056 * column + 0.00583715 * row) % 1.0)) % 1.0


@kernel
def illuminate(pixels, hits, frame, world, samples, stride, seed):
    """Light at P pixels (flat indices): (P, 9) float32, direct, bounced and mirrored RGB.

    `samples` is (direct, bounced) rays per pixel. Neighbouring pixels of the grid with `stride`
    take complementary samples, so that the filter averages them. Direct and bounced light come
    without the surface's own colour.
    """
    direct, bounced = samples
    size = len(hits.triangle)
    out, sums = np.zeros((len(pixels), 9), np.float32), np.empty(9)
    stack, proposals = np.empty(STACK, np.int32), np.empty((len(world.lights), 5))
    for q in range(len(pixels)):
        y, x = pixels[q] // size, pixels[q] % size
        i = hits.triangle[y, x]
        if i < 0:
            continue
        ray = pixel_ray(frame, x + 0.5, y + 0.5, size)
        t = np.float64(hits.distance[y, x])
        # Rays start along the geometric normal, and the shading normal is turned to its side:
        # without both, silhouettes of smooth shapes get black dots.
        point, facing = _at_hit(triple(frame, 0), ray, t, i, world.bvh)
        normal = smooth_normal(world.surfaces, i, hits.u[y, x], hits.v[y, x])
        if dot(normal, facing) < 0:
            normal = scaled(normal, -1.0)
        column, row = x // stride, y // stride
        r1 = _interleaved(column, row)
        r2 = (_interleaved(row + 37, column + 11) + hash_unit(column, row, 3, seed) / 4) % 1.0
        r3 = (_interleaved(column + 71, 53 - row) + hash_unit(column, row, 7, seed) / 4) % 1.0
        sums[:] = 0.0
        for s in range(direct):
            a, b = (r1 + s * 0.7548777) % 1.0, (r2 + s * 0.5698403) % 1.0
            pick = (r3 + s * 0.618034) % 1.0
            light = _direct_light(point, normal, world, a, b, pick, stack, proposals)
            for c in range(3):
                sums[c] += light[c] / direct
        for s in range(bounced):
            a, b = (r1 + s * 0.7548777 + 0.31) % 1.0, (r2 + s * 0.5698403 + 0.17) % 1.0
            light = _bounced_light(
                point, normal, world, a, b, (r3 + s * 0.71) % 1.0, stack, proposals
            )
            for c in range(3):
                sums[3 + c] += light[c] / bounced
        material = world.materials[world.surfaces.material[i]]
        if material.specular > 0:
            a, b = hash_unit(column, row, 11, seed), hash_unit(column, row, 13, seed)
            sums[6], sums[7], sums[8] = _mirrored_light(
                point, normal, ray, material, t, world, a, b, r3, stack, proposals
            )
        out[q] = sums
    return out
