"""Rooms: who stands in them, where, that nothing stands in anything else; and the long tail."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import pi

import pytest

from helpers.scenes.layout import Footprint
from helpers.scenes.rooms import FEATURES, PROGRAMMES, WEIGHT, feature_of, make_room


@pytest.fixture(scope="module")
def rooms():
    return [make_room(7, "train", index) for index in range(24)]


@pytest.mark.parametrize(
    ("other", "meets"),
    [
        (Footprint(0.9, 0.0, 0.0, 1.0, 1.0), True),
        (Footprint(1.1, 0.0, 0.0, 1.0, 1.0), False),
        (Footprint(1.1, 0.0, pi / 4, 1.0, 1.0), True),  # a corner reaches over
        (Footprint(0.9, 0.9, pi / 4, 1.0, 1.0), False),  # boxes round them would meet
        (Footprint(0.0, 0.0, 0.3, 0.2, 0.2), True),  # inside
    ],
)
def test_footprints(other, meets):
    square = Footprint(0.0, 0.0, 0.0, 1.0, 1.0)
    assert square.overlaps(other) is meets
    assert other.overlaps(square) is meets


def test_pieces_stand_inside_the_room_and_clear_of_each_other(rooms):
    for room in rooms:
        standing = [p for p in room.furniture if p.piece.support == "floor"]
        assert standing
        for placed in standing:
            assert placed.z == 0.0
            for x, y in placed.footprint().corners():
                assert abs(x) <= room.width / 2 and 0 <= y <= room.depth
        for a, b in combinations(standing, 2):
            assert not a.footprint().overlaps(b.footprint()), (a, b)
        hanging = [p for p in room.furniture if p.piece.support == "ceiling"]
        assert all(placed.z == room.height for placed in hanging)


def test_every_category_can_appear():
    assert set(range(1, 35)) == set(WEIGHT) | set(FEATURES)
    offered = {kind: {c for s in slots for c in s.categories} for kind, slots in PROGRAMMES.items()}
    for category, (_, kinds) in FEATURES.items():
        assert all(category in offered[kind] for kind in kinds)
    assert set(WEIGHT) <= set().union(*offered.values())


@pytest.mark.parametrize("first", [0, 137])
def test_rare_categories_keep_their_shares_in_every_stretch_of_rooms(first):
    seen = Counter(feature_of(3, "train", room) for room in range(first, first + 400))
    for category, (share, _) in FEATURES.items():
        assert abs(seen[category] - share * 400) < 2.5, category


def test_featured_pieces_get_a_place(rooms):
    for index, room in enumerate(rooms):
        wanted = feature_of(7, "train", index)
        if wanted is not None:
            assert room.furniture[room.feature].piece.category_id == wanted
    assert any(room.feature is not None for room in rooms)
