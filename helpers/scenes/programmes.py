"""What stands in a room: programmes of slots, and the long tail of the categories.

Common categories are drawn by weights that were calibrated so that the pieces seen in many views
follow `TARGET_SHARE`. Rare ones would be missing from small sets if they were left to chance, so
rooms take turns in featuring them, in a sequence whose every stretch keeps the shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from helpers.scenes.random import Stream, stream

RoomKind = Literal["living", "bedroom", "dining", "study", "children"]
Place = Literal[
    "wall_anchor", "table_anchor", "desk_anchor", "before", "beside", "facing", "around",
    "wall", "seat", "corner", "over",
]  # fmt: skip


@dataclass(frozen=True)
class Slot:
    """Room for one kind of thing: candidates, how they are placed, how often, and in what number.

    place: relative to the anchor (the first slot of a programme) or to the room; chance: that it
    is used at all; copies: least and most equal pieces.
    """

    place: Place
    categories: tuple[int, ...]
    chance: float = 1.0
    copies: tuple[int, int] = (1, 1)


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

#: Share of each category among all visible pieces, per cent (counts of the released CAD models
#: times the usual number of copies in a room).
TARGET_SHARE: dict[int, float] = {
    1: 0.65, 2: 8.9, 3: 2.7, 4: 2.1, 5: 6.3, 6: 3.8, 7: 4.4, 8: 1.8, 9: 2.5, 10: 2.8, 11: 1.2,
    12: 0.79, 13: 3.4, 14: 0.53, 15: 0.89, 16: 0.87, 17: 0.62, 18: 11.9, 19: 5.0, 20: 0.14,
    21: 0.26, 22: 0.75, 23: 0.98, 24: 2.9, 25: 1.0, 26: 7.1, 27: 7.3, 28: 3.7, 29: 1.5, 30: 0.91,
    31: 0.17, 32: 3.0, 33: 7.0, 34: 2.3,
}  # fmt: skip

#: Weight of a common category in every slot that offers it (calibrated against TARGET_SHARE).
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


def room_kind(draw: Stream, feature: int | None) -> RoomKind:
    """Which programme the room follows."""
    if feature is not None:
        return draw.choice(FEATURES[feature][1])
    return draw.weighted(ROOM_WEIGHT)


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
