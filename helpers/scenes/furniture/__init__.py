"""The 34 furniture categories of 3D-FUTURE as parametric builders, grouped by how they are made.

A builder gets a `Maker`, to which it adds the parts of one piece; every number it draws comes from
the piece's own stream, so pieces never change one another.
"""

from __future__ import annotations

from helpers.scenes.furniture import beds, cabinets, chairs, lamps, sofas, tables
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Maker, Piece
from helpers.scenes.random import Stream

CEILING = frozenset({33, 34})

BUILDERS = (  # in the order of the category ids, from 1 on
    cabinets.children_cabinet, cabinets.nightstand, cabinets.bookcase, cabinets.wardrobe,
    tables.coffee_table, tables.side_table, cabinets.sideboard, cabinets.wine_cabinet,
    cabinets.tv_stand, cabinets.drawer_chest, cabinets.shelf, tables.round_end_table,
    beds.double_bed, beds.bunk_bed, beds.bed_frame, beds.single_bed, beds.kids_bed,
    chairs.dining_chair, chairs.lounge_chair, chairs.dressing_chair, chairs.chinese_chair,
    chairs.barstool, tables.dressing_table, tables.dining_table, tables.desk,
    sofas.three_seat_sofa, sofas.armchair, sofas.loveseat, sofas.l_shaped_sofa, sofas.lazy_sofa,
    sofas.chaise_longue, sofas.footstool, lamps.pendant_lamp, lamps.ceiling_lamp,
)  # fmt: skip


def build(category_id: int, stream: Stream, palette: Palette) -> Piece:
    """One piece of the category (1..34), its proportions and style drawn from the stream."""
    make = Maker(stream, palette)
    BUILDERS[category_id - 1](make, stream)
    return make.piece(category_id, support="ceiling" if category_id in CEILING else "floor")
