"""Light on surfaces: soft direct light, one diffuse bounce and glossy reflections, by ray casting.

Shape letters: T triangles, L lights, P points to light, S image side in pixels.
"""

from __future__ import annotations

from math import cos, exp, floor, pi, sin, sqrt
from typing import NamedTuple

import numba
import numpy as np

from helpers.scenes.raycast import KERNEL, STACK, Bvh, pixel_ray, trace
from helpers.scenes.textures import EMISSION, ROUGHNESS, SPECULAR, Materials, albedo, hash_unit

#: Kinds of light (last column). A panel shines from a rectangle, a spot narrowly from a small one,
#: the sun from a direction (its normal), a bulb equally all around.
PANEL, SPOT, SUN, BULB = range(4)
#: Columns of a light: centre, two half sides, normal, RGB radiance (three each), area, kind.
CENTRE, SIDE_U, SIDE_V, NORMAL, RADIANCE, AREA, KIND = 0, 3, 6, 9, 12, 15, 16

OFFSET = 2e-3  # metres between a surface and the rays that start on it
FIREFLY = 4.0  # brightest direct light that a bounce may carry
GLOW = 6.0  # brightest emission that a bounce may carry


class Surfaces(NamedTuple):
    """What covers T triangles, in the order of the hierarchy.

    normals, locals: (T, 9) float32, shading normal and object point of the three corners.
    material, part: (T,) int32; light is only shared between points of one part.
    """

    normals: np.ndarray
    locals: np.ndarray
    material: np.ndarray
    part: np.ndarray


class World(NamedTuple):
    """All that the kernels need of a room. lights: (L, 17), ambient: (3,)."""

    bvh: Bvh
    surfaces: Surfaces
    materials: Materials
    lights: np.ndarray
    ambient: np.ndarray


@numba.njit(**KERNEL)
def _blend(rows, i, u, v):
    """Value of a (T, 9) corner attribute at barycentric u, v of triangle i."""
    w = 1.0 - u - v
    return (
        w * rows[i, 0] + u * rows[i, 3] + v * rows[i, 6],
        w * rows[i, 1] + u * rows[i, 4] + v * rows[i, 7],
        w * rows[i, 2] + u * rows[i, 5] + v * rows[i, 8],
    )


@numba.njit(**KERNEL)
def local_point(surfaces, i, u, v):
    """Object coordinates (those of the part, before it was placed) at a hit."""
    return _blend(surfaces.locals, i, u, v)


@numba.njit(**KERNEL)
def smooth_normal(surfaces, i, u, v):
    """Interpolated unit normal at a hit; it may point to either side."""
    x, y, z = _blend(surfaces.normals, i, u, v)
    inverse = 1.0 / sqrt(x * x + y * y + z * z + 1e-20)
    return x * inverse, y * inverse, z * inverse


@numba.njit(**KERNEL)
def _facing_normal(triangles, i, dx, dy, dz):
    """Geometric unit normal of triangle i, turned against the direction."""
    e = triangles[i]
    x = e[4] * e[8] - e[5] * e[7]
    y = e[5] * e[6] - e[3] * e[8]
    z = e[3] * e[7] - e[4] * e[6]
    inverse = 1.0 / sqrt(x * x + y * y + z * z + 1e-30)
    if x * dx + y * dy + z * dz > 0:
        inverse = -inverse
    return x * inverse, y * inverse, z * inverse


@numba.njit(**KERNEL)
def _fraction(x):
    return x - floor(x)


@numba.njit(**KERNEL)
def _towards_light(light, index, px, py, pz, a, b):
    """Unit direction to a point of a light, its distance, and the light's strength from there."""
    if light[KIND] == SUN:
        dx, dy, dz = light[NORMAL] + (a - 0.5) * 0.04, light[10] + (b - 0.5) * 0.04, light[11]
        inverse = 1.0 / sqrt(dx * dx + dy * dy + dz * dz)
        return dx * inverse, dy * inverse, dz * inverse, 60.0, 1.0
    a = _fraction(a + index * 0.618034) * 2 - 1
    b = _fraction(b + index * 0.754878) * 2 - 1
    dx = light[0] + a * light[3] + b * light[6] - px
    dy = light[1] + a * light[4] + b * light[7] - py
    dz = light[2] + a * light[5] + b * light[8] - pz
    squared = dx * dx + dy * dy + dz * dz
    distance = sqrt(squared)
    dx, dy, dz = dx / distance, dy / distance, dz / distance
    cosine = max(0.0, -(dx * light[9] + dy * light[10] + dz * light[11]))
    if light[KIND] == SPOT:
        cosine = cosine * cosine * cosine
    elif light[KIND] == BULB:
        cosine = 0.5
    return dx, dy, dz, distance, cosine * light[AREA] / max(squared, 0.02) / pi


@numba.njit(**KERNEL)
def direct_light(px, py, pz, nx, ny, nz, lights, bvh, r1, r2, pick, stack, proposals):
    """One-sample estimate of irradiance / pi at a point: RGB.

    Every light proposes a point; one proposal is drawn in proportion to what it would give without
    shadows, and only that one costs a shadow ray. `proposals` is scratch memory, (L, 5).
    """
    total = 0.0
    for k in range(len(lights)):
        dx, dy, dz, distance, strength = _towards_light(lights[k], k, px, py, pz, r1, r2)
        strength *= max(0.0, dx * nx + dy * ny + dz * nz)
        proposals[k] = (dx, dy, dz, distance, strength)
        total += strength * lights[k, RADIANCE + 1]
    if total <= 1e-6:
        return 0.0, 0.0, 0.0
    chosen = 0
    cumulated = proposals[0, 4] * lights[0, RADIANCE + 1]
    while cumulated < pick * total and chosen < len(lights) - 1:
        chosen += 1
        cumulated += proposals[chosen, 4] * lights[chosen, RADIANCE + 1]
    dx, dy, dz, distance, strength = proposals[chosen]
    if strength <= 0:
        return 0.0, 0.0, 0.0
    _, hit, _, _ = trace(px, py, pz, dx, dy, dz, distance - 0.02, bvh, True, stack)
    if hit >= 0:
        return 0.0, 0.0, 0.0
    gain = min(total, 9.0) / lights[chosen, RADIANCE + 1]
    return (
        gain * lights[chosen, RADIANCE],
        gain * lights[chosen, RADIANCE + 1],
        gain * lights[chosen, RADIANCE + 2],
    )


@numba.njit(**KERNEL)
def _bounced_light(px, py, pz, nx, ny, nz, world, r1, r2, r3, stack, proposals):
    """Light that one cosine-distributed ray brings back from the surface it meets: RGB."""
    bvh, materials, ambient = world.bvh, world.materials, world.ambient
    sign = 1.0 if nz >= 0 else -1.0
    a = -1.0 / (sign + nz)
    b = nx * ny * a
    radius, angle, up = sqrt(r1), 2 * pi * r2, sqrt(1 - r1)
    s, c = sin(angle) * radius, cos(angle) * radius
    dx = c * (1 + sign * nx * nx * a) + s * b + up * nx
    dy = c * sign * b + s * (sign + ny * ny * a) + up * ny
    dz = -c * sign * nx - s * ny + up * nz
    t, hit, _, _ = trace(px, py, pz, dx, dy, dz, 1e9, bvh, False, stack)
    if hit < 0:
        return ambient[0], ambient[1], ambient[2]
    m = world.surfaces.material[hit]
    mean, emission = materials.mean[m], materials.value[m, EMISSION]
    if emission > 0:
        return (
            min(GLOW, mean[0] * emission),
            min(GLOW, mean[1] * emission),
            min(GLOW, mean[2] * emission),
        )
    hx, hy, hz = _facing_normal(bvh.triangles, hit, dx, dy, dz)
    qx, qy, qz = px + dx * t + hx * OFFSET, py + dy * t + hy * OFFSET, pz + dz * t + hz * OFFSET
    red, green, blue = direct_light(
        qx, qy, qz, hx, hy, hz, world.lights, bvh, r2, r3, r1, stack, proposals
    )
    openness = 1 - exp(-t * 1.2)
    return (
        mean[0] * (min(red, FIREFLY) + ambient[0] * openness),
        mean[1] * (min(green, FIREFLY) + ambient[1] * openness),
        mean[2] * (min(blue, FIREFLY) + ambient[2] * openness),
    )


@numba.njit(**KERNEL)
def _mirrored_light(
    px, py, pz, nx, ny, nz, dx, dy, dz, m, travelled, world, r1, r2, r3, stack, proposals
):
    """Light reflected towards the camera by the gloss of material m: RGB."""
    materials, ambient = world.materials, world.ambient
    specular, roughness = materials.value[m, SPECULAR], materials.value[m, ROUGHNESS]
    cosine = -(nx * dx + ny * dy + nz * dz)
    fresnel = specular + (1 - specular) * (1 - cosine) ** 5 * (1 - roughness)
    rx = dx + 2 * cosine * nx + (r1 - 0.5) * roughness
    ry = dy + 2 * cosine * ny + (r2 - 0.5) * roughness
    rz = dz + 2 * cosine * nz + (r3 - 0.5) * roughness
    inverse = 1.0 / sqrt(rx * rx + ry * ry + rz * rz)
    rx, ry, rz = rx * inverse, ry * inverse, rz * inverse
    if rx * nx + ry * ny + rz * nz <= 0:
        return 0.0, 0.0, 0.0
    t, hit, u, v = trace(px, py, pz, rx, ry, rz, 1e9, world.bvh, False, stack)
    if hit < 0:
        return 0.0, 0.0, 0.0
    other = world.surfaces.material[hit]
    lx, ly, lz = local_point(world.surfaces, hit, u, v)
    r, g, b = albedo(other, materials, lx, ly, lz, (travelled + t) * 0.002 + 0.004)
    emission = materials.value[other, EMISSION]
    if emission > 0:
        r, g, b = min(GLOW, r * emission), min(GLOW, g * emission), min(GLOW, b * emission)
        return fresnel * r, fresnel * g, fresnel * b
    hx, hy, hz = _facing_normal(world.bvh.triangles, hit, rx, ry, rz)
    qx, qy, qz = px + rx * t + hx * OFFSET, py + ry * t + hy * OFFSET, pz + rz * t + hz * OFFSET
    red, green, blue = direct_light(
        qx, qy, qz, hx, hy, hz, world.lights, world.bvh, r2, r3, r1, stack, proposals
    )
    return (
        fresnel * r * (min(FIREFLY, red) + ambient[0]),
        fresnel * g * (min(FIREFLY, green) + ambient[1]),
        fresnel * b * (min(FIREFLY, blue) + ambient[2]),
    )


@numba.njit(**KERNEL)
def _interleaved(column, row):
    """Interleaved gradient noise (Jimenez 2014): neighbours differ as much as they can."""
    return (52.9829189 * ((0.06711056 * column + 0.00583715 * row) % 1.0)) % 1.0


@numba.njit(**KERNEL)
def illuminate(pixels, hits, frame, world, samples, stride, seed, out):
    """Light at P pixels (flat indices): out (P, 9) float32 gets direct, bounced, mirrored RGB.

    `samples` is (direct, bounced) rays per pixel. Neighbouring pixels of the grid with `stride`
    take complementary samples, so that the filter averages them. Direct and bounced light come
    without the surface's own colour.
    """
    direct, bounced = samples
    size = len(hits.triangle)
    stack, proposals = np.empty(STACK, np.int32), np.empty((len(world.lights), 5))
    sums = np.empty(9)
    for q in range(len(pixels)):
        y, x = pixels[q] // size, pixels[q] % size
        i = hits.triangle[y, x]
        out[q] = 0.0
        if i < 0:
            continue
        dx, dy, dz = pixel_ray(frame, x + 0.5, y + 0.5, size)
        nx, ny, nz = smooth_normal(world.surfaces, i, hits.u[y, x], hits.v[y, x])
        # Rays start along the geometric normal, and the shading normal is turned to its side:
        # without both, silhouettes of smooth shapes get black dots.
        gx, gy, gz = _facing_normal(world.bvh.triangles, i, dx, dy, dz)
        if nx * gx + ny * gy + nz * gz < 0:
            nx, ny, nz = -nx, -ny, -nz
        t = np.float64(hits.distance[y, x])
        px = frame[0, 0] + dx * t + gx * OFFSET
        py = frame[0, 1] + dy * t + gy * OFFSET
        pz = frame[0, 2] + dz * t + gz * OFFSET
        column, row = x // stride, y // stride
        r1 = _interleaved(column, row)
        r2 = (_interleaved(row + 37, column + 11) + hash_unit(column, row, 3, seed) / 4) % 1.0
        r3 = (_interleaved(column + 71, 53 - row) + hash_unit(column, row, 7, seed) / 4) % 1.0
        sums[:] = 0.0
        for s in range(direct):
            a, b = (r1 + s * 0.7548777) % 1.0, (r2 + s * 0.5698403) % 1.0
            pick = (r3 + s * 0.618034) % 1.0
            red, green, blue = direct_light(
                px, py, pz, nx, ny, nz, world.lights, world.bvh, a, b, pick, stack, proposals
            )
            sums[0] += red / direct
            sums[1] += green / direct
            sums[2] += blue / direct
        for s in range(bounced):
            a, b = (r1 + s * 0.7548777 + 0.31) % 1.0, (r2 + s * 0.5698403 + 0.17) % 1.0
            c = (r3 + s * 0.71) % 1.0
            red, green, blue = _bounced_light(
                px, py, pz, nx, ny, nz, world, a, b, c, stack, proposals
            )
            sums[3] += red / bounced
            sums[4] += green / bounced
            sums[5] += blue / bounced
        m = world.surfaces.material[i]
        if world.materials.value[m, SPECULAR] > 0:
            a, b = hash_unit(column, row, 11, seed), hash_unit(column, row, 13, seed)
            sums[6], sums[7], sums[8] = _mirrored_light(
                px, py, pz, nx, ny, nz, dx, dy, dz, m, t, world, a, b, r3, stack, proposals
            )
        out[q] = sums
