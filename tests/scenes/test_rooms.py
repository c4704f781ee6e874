"""Rooms: who stands in them, where, and that nothing stands in anything else."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import cos, pi

import pytest

from helpers.scenes.layout import Footprint
from helpers.scenes.programmes import FEATURES, PROGRAMMES, TARGET_SHARE, WEIGHT, feature_of
from helpers.scenes.rooms import Room, make_room

ROOMS = range(24)


@pytest.fixture(scope="module")
def rooms() -> list[Room]:
    return [make_room(7, "train", index) for index in ROOMS]


@pytest.mark.parametrize(
    ("other", "meets"),
    [
        (Footprint(0.9, 0.0, 1.0, 1.0, 0.0), True),
        (Footprint(1.1, 0.0, 1.0, 1.0, 0.0), False),
        (Footprint(1.1, 0.0, 1.0, 1.0, pi / 4), True),  # a corner reaches over
        (Footprint(0.9, 0.9, 1.0, 1.0, pi / 4), False),  # boxes round them would meet
        (Footprint(0.0, 0.0, 0.2, 0.2, 0.3), True),  # inside
    ],
)
def test_footprints(other, meets):
    square = Footprint(0.0, 0.0, 1.0, 1.0, 0.0)
    assert square.overlaps(other) is meets
    assert other.overlaps(square) is meets


def test_pieces_stand_clear_of_each_other(rooms):
    for room in rooms:
        standing = [p for p in room.furniture if p.piece.support == "floor"]
        assert standing
        for a, b in combinations(standing, 2):
            assert not a.footprint().overlaps(b.footprint()), (room.kind, a, b)


def test_pieces_stand_inside_the_room(rooms):
    for room in rooms:
        for placed in room.furniture:
            if placed.piece.support == "ceiling":
                assert placed.z == room.height
                continue
            assert placed.z == 0.0
            for x, y in placed.footprint().corners():
                assert abs(x) <= room.width / 2 and 0 <= y <= room.depth


def test_no_chair_turns_its_back_at_a_desk(rooms):
    seats = [
        p for room in rooms for p in room.furniture
        if room.kind == "study" and p.piece.category_id in (19, 21)
    ]  # fmt: skip
    assert seats
    assert all(cos(p.yaw) > -0.2 for p in seats)


def test_a_room_is_the_same_every_time(rooms):
    again = make_room(7, "train", 3)
    assert [(p.x, p.y, p.yaw) for p in again.furniture] == [
        (p.x, p.y, p.yaw) for p in rooms[3].furniture
    ]
    assert (again.lights == rooms[3].lights).all()
    other = make_room(7, "val", 3)
    assert (other.width, other.depth) != (again.width, again.depth)


def test_every_category_can_appear():
    assert set(TARGET_SHARE) == set(range(1, 35))
    assert set(WEIGHT) | set(FEATURES) == set(TARGET_SHARE)
    assert not set(WEIGHT) & set(FEATURES)
    offered = {
        kind: {c for slot in slots for c in slot.categories} for kind, slots in PROGRAMMES.items()
    }
    for category, (_, kinds) in FEATURES.items():
        assert all(category in offered[kind] for kind in kinds)
    assert set(WEIGHT) <= set().union(*offered.values())


@pytest.mark.parametrize("first", [0, 137])
def test_features_keep_their_shares_in_every_stretch(first):
    count = 400
    seen = Counter(feature_of(3, "train", room) for room in range(first, first + count))
    for category, (share, _) in FEATURES.items():
        assert abs(seen[category] - share * count) < 2.5, category


def test_featured_pieces_get_a_place(rooms):
    wanted = [feature_of(7, "train", index) for index in ROOMS]
    found = [
        room.feature is not None and room.furniture[room.feature].piece.category_id == feature
        for room, feature in zip(rooms, wanted, strict=True)
        if feature is not None
    ]
    assert found and all(found)
