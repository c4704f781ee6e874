"""The 34 furniture categories of 3D-FUTURE as parametric builders, grouped by how they are made."""

from __future__ import annotations

from collections.abc import Callable

from helpers.scenes.furniture import cabinets, chairs, tables
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Part, Piece, piece
from helpers.scenes.random import Stream

Builder = Callable[[Stream, Palette], list[Part]]

CEILING = frozenset({33, 34})

_BUILDERS: dict[int, Builder] = {
    1: cabinets.children_cabinet,
    2: cabinets.nightstand,
    3: cabinets.bookcase,
    4: cabinets.wardrobe,
    5: tables.coffee_table,
    7: cabinets.sideboard,
    8: cabinets.wine_cabinet,
    9: cabinets.tv_stand,
    10: cabinets.drawer_chest,
    11: cabinets.shelf,
    18: chairs.dining_chair,
    22: chairs.barstool,
    24: tables.dining_table,
}


def build(category_id: int, stream: Stream, palette: Palette) -> Piece:
    """One piece of the category (1..34), its proportions and style drawn from the stream.

    Raises ValueError for any other id.
    """
    if category_id not in _BUILDERS:
        raise ValueError(f"no furniture category {category_id!r}: ids run from 1 to 34")
    parts = _BUILDERS[category_id](stream, palette)
    return piece(category_id, parts, support="ceiling" if category_id in CEILING else "floor")
