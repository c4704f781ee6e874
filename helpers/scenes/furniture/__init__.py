"""The 34 furniture categories of 3D-FUTURE as parametric builders, grouped by how they are made."""

from __future__ import annotations

from collections.abc import Callable

from helpers.scenes.furniture import beds, cabinets, chairs, lamps, sofas, tables
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
    6: tables.side_table,
    7: cabinets.sideboard,
    8: cabinets.wine_cabinet,
    9: cabinets.tv_stand,
    10: cabinets.drawer_chest,
    11: cabinets.shelf,
    12: tables.round_end_table,
    13: beds.double_bed,
    14: beds.bunk_bed,
    15: beds.bed_frame,
    16: beds.single_bed,
    17: beds.kids_bed,
    18: chairs.dining_chair,
    19: chairs.lounge_chair,
    20: chairs.dressing_chair,
    21: chairs.chinese_chair,
    22: chairs.barstool,
    23: tables.dressing_table,
    24: tables.dining_table,
    25: tables.desk,
    26: sofas.three_seat_sofa,
    27: sofas.armchair,
    28: sofas.loveseat,
    29: sofas.l_shaped_sofa,
    30: sofas.lazy_sofa,
    31: sofas.chaise_longue,
    32: sofas.footstool,
    33: lamps.pendant_lamp,
    34: lamps.ceiling_lamp,
}


def build(category_id: int, stream: Stream, palette: Palette) -> Piece:
    """One piece of the category (1..34), its proportions and style drawn from the stream.

    Raises ValueError for any other id.
    """
    if category_id not in _BUILDERS:
        raise ValueError(f"no furniture category {category_id!r}: ids run from 1 to 34")
    parts = _BUILDERS[category_id](stream, palette)
    return piece(category_id, parts, support="ceiling" if category_id in CEILING else "floor")
