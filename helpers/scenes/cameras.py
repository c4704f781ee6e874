"""Views of a room: cameras at eye height, drawn until enough furniture is in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, atan2, cos, degrees, exp, hypot, radians, sin, tan

import numpy as np

from helpers.scenes.config import REFERENCE_SIZE, SceneConfig
from helpers.scenes.layout import Footprint
from helpers.scenes.random import Stream
from helpers.scenes.rasterise import visible_triangles
from helpers.scenes.rooms import Room

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


def find_camera(
    room: Room, triangles: np.ndarray, piece: np.ndarray, draw: Stream, config: SceneConfig
) -> Camera:
    """A camera that shows at least `min_instances` pieces of `min_visible_area` (of the config).

    The first tries ask for a few more than that. In a room made for a rare piece, that piece has
    to be among them. After TRIES cameras the best of them is taken, whatever it shows.
    """
    enough, least = config.min_visible_area * (PROBE / REFERENCE_SIZE) ** 2, config.min_instances
    best, best_score = None, -1000.0
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
    if best is None:  # a room full of furniture: from the middle of the front wall
        return Camera((0.0, WALL_GAP, EYE_HEIGHT[1]), 0.0, 0.0, 2 * degrees(atan(HALF_FOV)))
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
    body = Footprint(x, y, BODY, BODY, 0.0)
    floor = (p for p in room.furniture if p.piece.support == "floor")
    return not any(body.overlaps(placed.footprint()) for placed in floor)
