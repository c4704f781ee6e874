"""The 34 categories and the ways back and forth between ids and labels."""

from __future__ import annotations

import pytest

from helpers.data.taxonomy import ALIASES, FUTURE3D, Category, Taxonomy, canonical_name


def test_future3d_is_the_published_list() -> None:
    assert [c.id for c in FUTURE3D.categories] == list(range(1, 35))
    assert len(set(FUTURE3D.names)) == 34
    by_id = {c.id: c for c in FUTURE3D.categories}
    assert by_id[3] == Category(3, "Bookcase / jewelry Armoire", "Cabinet/Shelf/Desk")
    assert by_id[16] == Category(16, "Single bed", "Bed")
    assert by_id[27] == Category(27, "armchair", "Sofa")
    assert by_id[34] == Category(34, "Ceiling Lamp", "Lighting")


def test_seven_super_categories_in_order() -> None:
    grouped = FUTURE3D.in_space("super")
    assert grouped.names == (
        "Cabinet/Shelf/Desk",
        "Bed",
        "Chair",
        "Table",
        "Sofa",
        "Pier/Stool",
        "Lighting",
    )
    sizes = [sum(grouped.label_of(n) == label for n in range(1, 35)) for label in range(7)]
    assert sizes == [12, 5, 5, 3, 6, 1, 2]
    assert [grouped.category_id_of(label) for label in range(7)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("space", ["fine", "super"])
def test_labels_are_dense_and_lead_back(space: str) -> None:
    taxonomy = FUTURE3D.in_space(space)
    labels = [taxonomy.label_of(category.id) for category in taxonomy.categories]
    assert sorted(set(labels)) == list(range(taxonomy.num_classes))
    if space == "fine":
        assert [taxonomy.category_id_of(label) for label in labels] == list(range(1, 35))


def test_D11_every_alias_leads_to_a_published_name() -> None:
    for alias, name in ALIASES.items():
        assert canonical_name(alias) == name and name in FUTURE3D.names
        assert canonical_name(alias.upper().replace(" / ", "/")) == name
    assert canonical_name("Spaceship") == "Spaceship"


def test_wrong_ids_and_spaces_are_refused() -> None:
    with pytest.raises(KeyError):
        FUTURE3D.label_of(35)
    with pytest.raises(ValueError, match="choose 'fine' or 'super'"):
        Taxonomy(FUTURE3D.categories, "coarse")
    assert 34 in FUTURE3D and 35 not in FUTURE3D
