"""Pictures and label maps of generated rooms.

`compose_view` decides what is seen, `render_image` paints it, `render_ids` only labels it. All
three give the same bytes on every machine and in every process. S is the image side in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from helpers.scenes import picture
from helpers.scenes.cameras import Camera, find_camera
from helpers.scenes.config import Quality, SceneConfig
from helpers.scenes.geometry import Geometry, assemble
from helpers.scenes.lights import camera_light
from helpers.scenes.random import stream
from helpers.scenes.rasterise import Hits, visible_hits, visible_triangles
from helpers.scenes.rooms import Room, make_room
from helpers.scenes.shading import World, illuminate

SOFTEN_RADIUS = 4  # pixels


@dataclass(frozen=True)
class Effort:
    """stride: light is sampled at one of stride x stride pixels; rays: direct and bounced ones at
    each of them; thin_rays: the same at pixels of thin parts, which the grid misses; edge_rays:
    sub-pixel rays per side on edges."""

    stride: int
    rays: tuple[int, int]
    thin_rays: tuple[int, int]
    edge_rays: int


EFFORT: dict[Quality, Effort] = {
    "draft": Effort(stride=3, rays=(4, 2), thin_rays=(8, 2), edge_rays=2),
    "full": Effort(stride=2, rays=(5, 4), thin_rays=(12, 6), edge_rays=3),
}


@dataclass(frozen=True)
class View:
    """One picture to be. category_ids: 1..34 of every placed piece; id k of the label maps is
    category_ids[k - 1]. world, piece: what the kernels read of the room, see `Geometry`, in the
    light of this picture; frame: the camera as (4, 3) array."""

    category_ids: tuple[int, ...]
    camera: Camera
    frame: np.ndarray = field(repr=False)
    world: World = field(repr=False)
    piece: np.ndarray = field(repr=False)
    seed: int = field(repr=False)


def compose_view(config: SceneConfig, split: str, index: int) -> View:
    """The view number `index` of a split; its room is number index // config.views_per_room."""
    number, place = divmod(index, config.views_per_room)
    room, geometry = _room(config.seed, split, number)
    draw = stream(config.seed, split, number, "camera", place)
    camera = find_camera(room, geometry, draw, config)
    lights = np.concatenate([room.lights, camera_light(camera.position, camera.yaw)])
    return View(
        category_ids=tuple(placed.piece.category_id for placed in room.furniture),
        camera=camera,
        frame=camera.frame(),
        world=geometry.world._replace(lights=lights),
        piece=geometry.piece,
        seed=draw.integers(2**31),
    )


@lru_cache(maxsize=2)
def _room(seed: int, split: str, number: int) -> tuple[Room, Geometry]:
    """Rooms are asked for once per view, in a row."""
    room = make_room(seed, split, number)
    return room, assemble(room)


def render_ids(view: View, size: int, *, supersample: int = 1) -> np.ndarray:
    """Exact label map, both sides size * supersample, int32: 0 or index + 1 of a piece."""
    triangles = view.world.bvh.triangles
    return _label(view, visible_triangles(triangles, view.frame, size * supersample))


def render_image(view: View, size: int, quality: Quality) -> tuple[np.ndarray, np.ndarray]:
    """Picture (size, size, 3) uint8 sRGB and its label map (size, size) int32."""
    world, effort = view.world, EFFORT[quality]
    hits = visible_hits(world.bvh.triangles, view.frame, size)
    normals, parts = np.zeros((size, size, 3), np.float32), np.empty((size, size), np.int32)
    picture.surface_guides(hits, world.surfaces, normals, parts)
    light = _light(view, hits, normals, parts, effort)
    edges = np.empty((size, size), bool)
    picture.mark_edges(parts, normals, edges)
    linear = np.empty((size, size, 3), np.float32)
    picture.compose(hits, light, edges, parts, view.frame, world, effort.edge_rays, linear)
    image = np.empty((size, size, 3), np.uint8)
    picture.tone_map(linear, picture.exposure(linear), image)
    return image, _label(view, hits.triangle)


def _label(view: View, seen: np.ndarray) -> np.ndarray:
    return np.where(seen >= 0, view.piece[seen], np.int32(0))


def _light(
    view: View, hits: Hits, normals: np.ndarray, parts: np.ndarray, effort: Effort
) -> np.ndarray:
    """Smooth light at every pixel, (S, S, 9) float32: sampled on a sparse grid, filtered there and
    spread; thin parts that the grid missed are lit pixel by pixel, with more rays."""
    size, stride, world = len(parts), effort.stride, view.world
    rows = np.arange(0, size, stride)
    pixels = (rows[:, None] * size + rows).reshape(-1)
    grid = np.empty((len(pixels), 9), np.float32)
    illuminate(pixels, hits, view.frame, world, effort.rays, stride, view.seed, grid)
    grid = grid.reshape(len(rows), len(rows), 9)
    grid, usable = _filtered(grid, hits.distance, normals, parts, stride)
    light = np.empty((size, size, 9), np.float32)
    missing = np.empty((size, size), bool)
    picture.upsample_light(grid, usable, parts, normals, stride, light, missing)
    pixels = np.flatnonzero(missing)
    if len(pixels):
        flat, values = light.reshape(-1, 9), np.empty((len(pixels), 9), np.float32)
        illuminate(pixels, hits, view.frame, world, effort.thin_rays, 1, view.seed + 1, values)
        flat[pixels] = values
        picture.soften_light(light, pixels, parts, normals, SOFTEN_RADIUS, values)
        flat[pixels] = values
    return light


def _filtered(
    grid: np.ndarray, distance: np.ndarray, normals: np.ndarray, parts: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """The grid after all filter passes, and which of its points had enough neighbours."""
    sparse = [np.ascontiguousarray(a[::stride, ::stride]) for a in (parts, normals, distance)]
    usable = np.zeros(grid.shape[:2], bool)
    support, out = np.zeros(grid.shape[:2]), np.empty_like(grid)
    for step, channels in enumerate(picture.PASSES):
        picture.filter_light(grid, *sparse, 1 << step, channels, out, support)
        if step == 0:
            usable = support >= picture.ENOUGH
        grid, out = out, grid
    return grid, usable
