"""Rooms: who stands in them, where, that nothing stands in anything else; and the long tail."""

from __future__ import annotations

from collections import Counter

import pytest

from helpers.scenes.rooms import FEATURES, PROGRAMMES, WEIGHT, feature_of


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
