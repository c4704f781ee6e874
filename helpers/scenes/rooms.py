"""Rooms: what stands in them, and how one is put together.

A room follows a programme of slots, which are filled with pieces; then come decoration, walls and
lights. Common categories are drawn by weights that were calibrated so that the pieces seen in many
views have 3D-FUTURE's long tail. Rare ones would be missing from small sets if left to chance, so
rooms take turns in featuring them, in a sequence whose every stretch keeps the shares.
"""

from __future__ import annotations

from typing import Literal

from helpers.scenes.decor import decorate
from helpers.scenes.furniture import build
from helpers.scenes.layout import Room, Slot, make_walls, place
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Maker
from helpers.scenes.random import Stream, stream
from helpers.scenes.shell import add_lights, build_shell, draw_finish, draw_windows

RoomKind = Literal["living", "bedroom", "dining", "study", "children"]
RoomKey = tuple[int, str, int, int]  # seed, split, index, attempt

ATTEMPTS = 8  # rooms drawn until a featured piece has its place
#: Width and depth of a room in metres, least and most.
ROOM_SIZE: dict[RoomKind, tuple[tuple[float, float], tuple[float, float]]] = {
    "living": ((4.2, 6.0), (5.2, 6.6)),
    "bedroom": ((3.8, 5.2), (5.0, 6.2)),
    "children": ((3.4, 4.6), (4.8, 6.0)),
    "dining": ((3.8, 5.2), (5.2, 6.4)),
    "study": ((3.6, 5.0), (5.0, 6.2)),
}

SOFAS = (26, 28, 29, 31)
SEATS = (27, 19, 32, 30, 21)
STORAGE = (7, 9, 10, 3, 8, 11)
LAMPS = (33, 34)

PROGRAMMES: dict[RoomKind, tuple[Slot, ...]] = {
    "living": (
        Slot("wall_anchor", SOFAS),
        Slot("before", (5, 12), 0.7),
        Slot("facing", SEATS, 0.9, (1, 2)),
        Slot("beside", (6, 12), 0.35, (1, 2)),
        Slot("facing", (28, 27, 19, 32, 31), 0.6),
        Slot("wall", (*STORAGE, 22), 1.0),
        Slot("wall", STORAGE, 0.6),
        Slot("over", LAMPS, 0.55),
    ),
    "bedroom": (
        Slot("wall_anchor", (13, 15, 16)),
        Slot("beside", (2,), 1.0, (2, 2)),
        Slot("before", (32,), 0.25),
        Slot("wall", (4, 10, 9, 23), 1.0),
        Slot("wall", (4, 10, 9, 11), 0.6),
        Slot("seat", (20,), 0.3),
        Slot("corner", (27, 19, 31, 30), 0.4),
        Slot("over", LAMPS, 0.6),
    ),
    "children": (
        Slot("wall_anchor", (17, 14, 16)),
        Slot("beside", (2,), 0.8, (1, 2)),
        Slot("wall", (1, 4, 10, 3), 1.0),
        Slot("wall", (3, 4, 10), 0.4),
        Slot("corner", (30, 32, 19), 0.6),
        Slot("over", LAMPS, 0.6),
    ),
    "dining": (
        Slot("table_anchor", (24,)),
        Slot("around", (18,), 1.0, (4, 6)),
        Slot("wall", (7, 8, 10, 3, 22), 1.0),
        Slot("wall", (8, 11, 7), 0.6),
        Slot("over", LAMPS, 0.7),
    ),
    "study": (
        Slot("desk_anchor", (25,)),
        Slot("seat", (19, 21)),
        Slot("wall", (3, 11, 10), 1.0),
        Slot("wall", (3, 11, 10, 8), 0.6),
        Slot("corner", (27, 19, 30, 32), 0.7),
        Slot("beside", (6, 12), 0.3),
        Slot("over", LAMPS, 0.6),
    ),
}

#: Weight of a common category in every slot that offers it (calibrated: pieces seen follow the
#: counts of the released CAD models times the usual number of copies in a room).
WEIGHT: dict[int, float] = {
    2: 1.0, 3: 5.0, 4: 8.5, 5: 1.0, 6: 1.0, 7: 8.2, 8: 4.2, 9: 5.8, 10: 4.0, 11: 2.3, 13: 1.0,
    18: 1.0, 19: 3.6, 24: 1.0, 26: 10.8, 27: 6.4, 28: 4.4, 29: 2.2, 32: 1.8, 33: 5.4, 34: 3.3,
}  # fmt: skip

#: Share of the rooms that feature a rare category, and the kinds of room that can.
FEATURES: dict[int, tuple[float, tuple[RoomKind, ...]]] = {
    20: (0.009, ("bedroom",)),
    31: (0.0085, ("living", "bedroom")),
    21: (0.013, ("living", "study")),
    14: (0.008, ("children",)),
    17: (0.012, ("children",)),
    1: (0.0325, ("children",)),
    22: (0.04, ("dining", "living")),
    12: (0.0395, ("living",)),
    16: (0.025, ("bedroom",)),
    15: (0.0445, ("bedroom",)),
    30: (0.0455, ("living", "children")),
    23: (0.05, ("bedroom",)),
    25: (0.0435, ("study",)),
}

#: How often rooms without a feature are of each kind; the others come about as features only.
ROOM_WEIGHT: dict[RoomKind, float] = {"living": 0.66, "bedroom": 0.15, "dining": 0.19}

GOLDEN_RATIO = 0.6180339887498949


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
    draw, palette = stream(*key, "room"), Palette.sample(stream(*key, "palette"))
    kind = draw.weighted(ROOM_WEIGHT) if feature is None else draw.choice(FEATURES[feature][1])
    (narrow, wide), (short, long) = ROOM_SIZE[kind]
    width, depth = draw.uniform(narrow, wide), draw.uniform(short, long)
    height = draw.uniform(2.65, 3.0)
    walls = make_walls(width, depth, draw_windows(draw, width, depth, height))
    room = Room(width, depth, height, walls, palette)
    built = 0
    for slot in PROGRAMMES[kind]:
        category = pick_category(draw, slot, feature if room.feature is None else None)
        if category is None:
            continue
        built += 1  # every piece has a stream of its own
        piece, before = build(category, stream(*key, "piece", built), palette), len(room.furniture)
        place(room, slot, piece, draw)
        if category == feature and room.feature is None and len(room.furniture) > before:
            room.feature = before
    make = Maker(stream(*key, "look"), palette)
    finish = draw_finish(make)
    decorate(room, make.draw)
    build_shell(room, finish, make)
    add_lights(room, make)  # some of them show in the decoration
    return room


def feature_of(seed: int, split: str, room: int) -> int | None:
    """The rare category that this room has to show, or None.

    A sequence with golden-ratio steps visits every interval of [0, 1) evenly, so that any run of
    rooms has each category within about one of its share.
    """
    position = (stream(seed, split, "features").random() + room * GOLDEN_RATIO) % 1.0
    for category, (share, _) in FEATURES.items():
        position -= share
        if position < 0:
            return category
    return None


def pick_category(draw: Stream, slot: Slot, feature: int | None) -> int | None:
    """What fills a slot: the featured category if it is offered, else a common one, else None.

    Slots that are always used, but offer rare categories alone, draw one of those.
    """
    if feature in slot.categories:
        return feature
    if not draw.chance(slot.chance):
        return None
    common = tuple(c for c in slot.categories if c in WEIGHT)
    if common:
        return draw.weighted({category: WEIGHT[category] for category in common})
    return draw.choice(slot.categories) if slot.chance == 1.0 else None
