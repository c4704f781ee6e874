"""Views of generated rooms: their pictures and label maps.

`compose_view` decides what is seen, `render_image` paints it, `render_ids` only labels it. All
three give the same bytes on every machine and in every process.

Shape letters: T triangles, S image side in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import atan, atan2, cos, degrees, exp, hypot, radians, sin, tan
from typing import NamedTuple

import numpy as np

from helpers.scenes import picture
from helpers.scenes.config import REFERENCE_SIZE, Quality, SceneConfig
from helpers.scenes.layout import Footprint, Room
from helpers.scenes.materials import pack_materials
from helpers.scenes.pieces import GRID
from helpers.scenes.random import Stream, stream
from helpers.scenes.rasterise import Hits, visible_hits, visible_triangles
from helpers.scenes.raycast import build_bvh
from helpers.scenes.rooms import make_room
from helpers.scenes.shading import Surfaces, World, illuminate
from helpers.scenes.shapes import corner_normals, turned
from helpers.scenes.shell import camera_light

PROBE = 150  # side in pixels of the id map that a camera is judged by
TRIES = 40  # cameras drawn before the best so far is taken
AMBITION = 3  # the first cameras have to show up to this many pieces more than asked for
PATIENCE = 6  # cameras after which one piece less is wanted
EYE_HEIGHT = (1.0, 1.35)  # metres
HALF_FOV = tan(radians(24.5))  # tangent of half the usual field of view
ZOOM = (-0.06, 0.28)  # mean and deviation of the logarithm of the factor on it
LEAST_ZOOM, MOST_ZOOM = 0.5, 1.6  # bounds of that factor: 26 and 72 degrees
WALL_GAP = 0.3  # metres between camera and walls
BODY = 0.7  # metres of free floor around the camera


class Effort(NamedTuple):
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
class Camera:
    """position: x, y, z in metres; yaw: radians from +y towards +x; pitch: radians upward;
    fov: degrees across the square picture."""

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    fov: float

    def frame(self) -> np.ndarray:
        """(4, 3): position, forward, half the image plane to the right and upward."""
        c, s = cos(self.yaw), sin(self.yaw)
        level, rise = cos(self.pitch), sin(self.pitch)
        half = tan(radians(self.fov) / 2)
        forward = (s * level, c * level, rise)
        right = (c * half, -s * half, 0.0)
        up = (-s * rise * half, -c * rise * half, level * half)
        return np.array([self.position, forward, right, up])


@dataclass(frozen=True)
class View:
    """One picture to be. category_ids: 1..34 of every placed piece; id k of the label maps is
    category_ids[k - 1]. world: what the kernels read of the room, in the light of this picture;
    piece: (T,) int32, the id of every triangle, 0 for what is not furniture."""

    category_ids: tuple[int, ...]
    camera: Camera
    world: World = field(repr=False)
    piece: np.ndarray = field(repr=False)
    seed: int = field(repr=False)


def compose_view(config: SceneConfig, split: str, index: int) -> View:
    """The view number `index` of a split; its room is number index // config.views_per_room."""
    number, place = divmod(index, config.views_per_room)
    room, world, piece = _room(config.seed, split, number)
    draw = stream(config.seed, split, number, "camera", place)
    camera = find_camera(room, world.bvh.triangles, piece, draw, config)
    lights = np.concatenate([world.lights, camera_light(camera.position, camera.yaw)])
    return View(
        category_ids=tuple(placed.piece.category_id for placed in room.furniture),
        camera=camera,
        world=world._replace(lights=lights),
        piece=piece,
        seed=draw.integers(2**31),
    )


@lru_cache(maxsize=2)
def _room(seed: int, split: str, number: int) -> tuple[Room, World, np.ndarray]:
    """Rooms are asked for once per view, in a row."""
    room = make_room(seed, split, number)
    return room, *_assemble(room)


def _assemble(room: Room) -> tuple[World, np.ndarray]:
    """Triangles, hierarchy, materials and lights of a room, and the piece of every triangle."""
    things = [(placed, number) for number, placed in enumerate(room.furniture, 1)]
    things += [(placed, 0) for placed in (*room.shell, *room.decor)]
    corners, normals, local, rows = [], [], [], []
    smooth: dict[int, np.ndarray] = {}  # equal chairs share their parts
    for placed, piece in things:
        for part in placed.piece.parts:
            if id(part) not in smooth:
                smooth[id(part)] = corner_normals(part.vertices, part.faces)
            moved = turned(part.vertices, "z", placed.yaw) + np.array(
                [placed.x, placed.y, placed.z]
            )
            corners.append((np.round(moved / GRID) * GRID)[part.faces])
            normals.append(turned(smooth[id(part)], "z", placed.yaw))
            local.append(part.vertices[part.faces])
            rows.append(np.tile([part.material, len(rows), piece], (len(part.faces), 1)))
    bvh, order = build_bvh(np.concatenate(corners))
    material, part_index, piece = np.concatenate(rows)[order].astype(np.int32).T.copy()
    normals, local = (
        np.concatenate(values)[order].reshape(-1, 9).astype(np.float32)
        for values in (normals, local)
    )
    surfaces = Surfaces(normals, local, material, part_index)
    return World(bvh, surfaces, pack_materials(room.palette.materials), room.lights), piece


def find_camera(
    room: Room, triangles: np.ndarray, piece: np.ndarray, draw: Stream, config: SceneConfig
) -> Camera:
    """A camera that shows at least `min_instances` pieces of `min_visible_area` (of the config).

    The first tries ask for a few more than that. In a room made for a rare piece, that piece has
    to be among them. After TRIES cameras the best of them is taken, whatever it shows.
    """
    enough, least = config.min_visible_area * (PROBE / REFERENCE_SIZE) ** 2, config.min_instances
    # In a room full of furniture: from the middle of the front wall.
    best = Camera((0.0, WALL_GAP, EYE_HEIGHT[1]), 0.0, 0.0, 2 * degrees(atan(HALF_FOV)))
    best_score = -1000.0
    wanted = least + draw.integers(AMBITION + 1)
    for attempt in range(TRIES):
        camera = _draw_camera(room, draw)
        if camera is None:
            continue
        seen = visible_triangles(triangles, camera.frame(), PROBE)
        areas = np.bincount(piece[seen[seen >= 0]], minlength=len(room.furniture) + 1)
        shown = areas[1:] >= enough
        score = float(shown.sum())
        if room.feature is not None and not shown[room.feature]:
            score -= least
        if score >= wanted - attempt // PATIENCE and score >= least:
            return camera
        if score > best_score:
            best, best_score = camera, score
    return best


def _draw_camera(room: Room, draw: Stream) -> Camera | None:
    """A camera towards some piece, or None where it would stand in the furniture."""
    focus = room.furniture[draw.integers(len(room.furniture))]
    if room.feature is not None and draw.chance(0.7):
        focus = room.furniture[room.feature]
    elif draw.chance(0.5):
        focus = room.furniture[0]
    x = draw.uniform(-0.5, 0.5) * (room.width - 2 * WALL_GAP)
    y = draw.uniform(WALL_GAP, 0.35 * room.depth)
    if draw.chance(0.12):
        y = draw.uniform(0.5, 1.0) * (room.depth - WALL_GAP)
    if hypot(focus.x - x, focus.y - y) < 1.6 or not _stands_free(room, x, y):
        return None
    middle = (focus.x * 0.8, 0.5 * focus.y + 0.5 * (room.depth - 1.5))
    yaw = atan2(middle[0] - x, middle[1] - y) + draw.normal(0.0, 0.07)
    pitch = 0.0 if draw.chance(0.5) else draw.uniform(-0.12, 0.0)
    zoom = max(LEAST_ZOOM, min(MOST_ZOOM, exp(draw.normal(*ZOOM))))
    fov = 2 * degrees(atan(HALF_FOV * zoom))
    return Camera((x, y, draw.uniform(*EYE_HEIGHT)), yaw, pitch, fov)


def _stands_free(room: Room, x: float, y: float) -> bool:
    body = Footprint(x, y, 0.0, BODY, BODY)
    floor = (p for p in room.furniture if p.piece.support == "floor")
    return not any(body.overlaps(placed.footprint()) for placed in floor)


def render_ids(view: View, size: int, *, supersample: int = 1) -> np.ndarray:
    """Exact label map, both sides size * supersample, int32: 0 or index + 1 of a piece."""
    triangles = view.world.bvh.triangles
    return _label(view, visible_triangles(triangles, view.camera.frame(), size * supersample))


def _label(view: View, seen: np.ndarray) -> np.ndarray:
    return np.where(seen >= 0, view.piece[seen], np.int32(0))


def render_image(view: View, size: int, quality: Quality) -> tuple[np.ndarray, np.ndarray]:
    """Picture (size, size, 3) uint8 sRGB and its label map (size, size) int32."""
    world, frame, effort = view.world, view.camera.frame(), EFFORT[quality]
    hits = visible_hits(world.bvh.triangles, frame, size)
    normals, parts = picture.surface_guides(hits, world.surfaces)
    light = _light(view, hits, normals, parts, effort)
    edges = picture.mark_edges(parts, normals)
    linear = picture.compose(hits, light, edges, parts, frame, world, effort.edge_rays)
    return picture.tone_map(linear), _label(view, hits.triangle)


def _light(
    view: View, hits: Hits, normals: np.ndarray, parts: np.ndarray, effort: Effort
) -> np.ndarray:
    """Smooth light at every pixel, (S, S, 9) float32: sampled on a sparse grid, filtered there and
    spread; thin parts that the grid missed are lit pixel by pixel, with more rays."""
    size, stride, frame = len(parts), effort.stride, view.camera.frame()
    rows = np.arange(0, size, stride)
    pixels = (rows[:, None] * size + rows).reshape(-1)
    grid = illuminate(pixels, hits, frame, view.world, effort.rays, stride, view.seed)
    grid = grid.reshape(len(rows), len(rows), 9)
    sparse = [np.ascontiguousarray(a[::stride, ::stride]) for a in (parts, normals, hits.distance)]
    for step, channels in enumerate(picture.PASSES):
        grid, support = picture.filter_light(grid, *sparse, 1 << step, channels)
        if step == 0:
            usable = support >= picture.ENOUGH
    light, missing = picture.upsample_light(grid, usable, parts, normals, stride)
    pixels = np.flatnonzero(missing)
    if len(pixels):
        flat = light.reshape(-1, 9)
        rays, seed = effort.thin_rays, view.seed + 1
        flat[pixels] = illuminate(pixels, hits, frame, view.world, rays, 1, seed)
        flat[pixels] = picture.soften_light(light, pixels, parts, normals)
    return light
