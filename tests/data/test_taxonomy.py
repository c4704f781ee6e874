"""The 34 categories of 3D-FUTURE, and the ways between ids, labels and names."""

from __future__ import annotations

import pytest

from helpers.data.taxonomy import ALIASES, FUTURE3D, Category, canonical_name


def test_future3d_is_the_published_list() -> None:
    assert [c.id for c in FUTURE3D.categories] == list(range(1, 35))
    by_id = {c.id: c for c in FUTURE3D.categories}
    assert by_id[3] == Category(3, "Bookcase / jewelry Armoire", "Cabinet/Shelf/Desk")
    assert by_id[16] == Category(16, "Single bed", "Bed")
    assert by_id[34] == Category(34, "Ceiling Lamp", "Lighting")


def test_seven_super_categories_in_order() -> None:
    grouped = FUTURE3D.in_space("super")
    assert " ".join(grouped.names) == (
        "Cabinet/Shelf/Desk Bed Chair Table Sofa Pier/Stool Lighting"
    )
    labels = [grouped.label_of(n) for n in range(1, 35)]
    assert [labels.count(label) for label in range(7)] == [12, 5, 5, 3, 6, 1, 2]
    assert [group.id for group in grouped.classes] == [1, 2, 3, 4, 5, 6, 7]
    assert [FUTURE3D.classes[FUTURE3D.label_of(n)].id for n in (1, 34)] == [1, 34]
    with pytest.raises(KeyError):
        FUTURE3D.label_of(35)


def test_D11_names_of_later_releases() -> None:
    for alias, name in ALIASES.items():
        assert canonical_name(alias) == name and name in FUTURE3D.names
        assert canonical_name(alias.upper().replace(" / ", "/")) == name
    assert canonical_name("Spaceship") == "Spaceship"
