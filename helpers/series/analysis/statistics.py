"""The instances of a data set as a table, with their sizes and shapes.

Lengths and areas are given at a reference picture of 1200 x 1200 pixels (the size of every
3D-FUTURE picture), so that sets of other picture sizes can be laid beside the paper: a length is
multiplied by 1200 / sqrt(W * H) of its own picture, an area by the square of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from helpers.data.index import InstanceIndex

REFERENCE_SIDE = 1200


def instance_table(index: InstanceIndex) -> pd.DataFrame:
    """One row per instance (crowd regions left out), with sizes at the reference picture.

    Added to the columns of `index.frame()`: scale (reference px per picture px), area_1200 (px^2),
    side_1200 = sqrt(area_1200), box_w_1200 and box_h_1200 (px), aspect (box height / width), fill
    (mask area / box area, 0..1), truncated (the box touches the picture's border within 1 px).
    """
    frame = index.frame()
    table = frame[frame["iscrowd"] == 0].reset_index(drop=True)
    scale = REFERENCE_SIDE / np.sqrt(table["width"] * table["height"])
    box_area = table["bbox_w"] * table["bbox_h"]
    right, bottom = table["bbox_x"] + table["bbox_w"], table["bbox_y"] + table["bbox_h"]
    return table.assign(
        scale=scale,
        area_1200=table["area"] * scale**2,
        side_1200=np.sqrt(table["area"]) * scale,
        box_w_1200=table["bbox_w"] * scale,
        box_h_1200=table["bbox_h"] * scale,
        aspect=table["bbox_h"] / table["bbox_w"],
        fill=table["area"] / box_area,
        truncated=(table["bbox_x"] < 1)
        | (table["bbox_y"] < 1)
        | (right > table["width"] - 1)
        | (bottom > table["height"] - 1),
    )
