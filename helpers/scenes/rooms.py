"""Rooms: a programme's slots filled with pieces, then decoration, walls and lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.scenes.decor import decorate
from helpers.scenes.furniture import build
from helpers.scenes.layout import Layout, Placed, make_walls, place
from helpers.scenes.lights import room_lights
from helpers.scenes.materials import Material, Palette
from helpers.scenes.pieces import Maker
from helpers.scenes.programmes import PROGRAMMES, RoomKind, feature_of, pick_category, room_kind
from helpers.scenes.random import Stream, stream
from helpers.scenes.shell import build_shell, draw_finish, draw_windows

ATTEMPTS = 8  # rooms drawn until a featured piece has its place
#: Width and depth of a room in metres, least and most.
ROOM_SIZE: dict[RoomKind, tuple[tuple[float, float], tuple[float, float]]] = {
    "living": ((4.2, 6.0), (5.2, 6.6)),
    "bedroom": ((3.8, 5.2), (5.0, 6.2)),
    "children": ((3.4, 4.6), (4.8, 6.0)),
    "dining": ((3.8, 5.2), (5.2, 6.4)),
    "study": ((3.6, 5.0), (5.0, 6.2)),
}
RoomKey = tuple[int, str, int, int]  # seed, split, index, attempt


@dataclass(frozen=True)
class Room:
    """A furnished room. furniture: what is labelled; decor and shell: what is not.

    lights: (L, 17), columns as in shading; feature: index into furniture of the piece that the
    room was made for, or None.
    """

    kind: RoomKind
    width: float
    depth: float
    height: float
    furniture: tuple[Placed, ...]
    decor: tuple[Placed, ...]
    shell: tuple[Placed, ...]
    materials: list[Material]
    lights: np.ndarray
    feature: int | None


def make_room(seed: int, split: str, index: int) -> Room:
    """The room with this index; it depends on nothing else.

    A room that has to feature a rare piece is drawn again (ATTEMPTS times at most) until that
    piece has found a place.
    """
    feature = feature_of(seed, split, index)
    for attempt in range(ATTEMPTS):
        room = _draw_room((seed, split, index, attempt), feature)
        if feature is None or room.feature is not None:
            break
    return room


def _draw_room(key: RoomKey, feature: int | None) -> Room:
    draw = stream(*key, "room")
    kind = room_kind(draw, feature)
    palette = Palette.sample(stream(*key, "palette"))
    (narrow, wide), (short, long) = ROOM_SIZE[kind]
    width, depth = draw.uniform(narrow, wide), draw.uniform(short, long)
    height = draw.uniform(2.65, 3.0)
    walls = make_walls(width, depth, draw_windows(draw, width, depth, height))
    layout = Layout(width, depth, height, walls)
    featured = _furnish(layout, kind, feature, palette, key, draw)
    make = Maker(stream(*key, "look"), palette)
    finish = draw_finish(make)
    decorate(layout, palette, make.draw)
    shell = build_shell(layout, finish, make)
    lights = room_lights(layout, make)  # some of them show in the decoration
    return Room(
        kind=kind,
        width=width,
        depth=depth,
        height=height,
        furniture=tuple(layout.furniture),
        decor=tuple(layout.decor),
        shell=tuple(shell),
        materials=palette.materials,
        lights=lights,
        feature=featured,
    )


def _furnish(
    layout: Layout,
    kind: RoomKind,
    feature: int | None,
    palette: Palette,
    key: RoomKey,
    draw: Stream,
) -> int | None:
    """Fill the slots in order; returns where the featured piece stands in layout.furniture."""
    featured, built = None, 0
    for slot in PROGRAMMES[kind]:
        category = pick_category(draw, slot, feature if featured is None else None)
        if category is None:
            continue
        built += 1  # every piece has a stream of its own
        piece = build(category, stream(*key, "piece", built), palette)
        before = len(layout.furniture)
        place(layout, slot, piece, draw)
        if category == feature and featured is None and len(layout.furniture) > before:
            featured = before
    return featured
