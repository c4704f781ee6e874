"""What a set of scenes turned out to be, beside what the paper and the release say of 3D-FUTURE.

Lengths and areas are given as they would be at 1200 x 1200 pixels, so that small pictures compare.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.data.coco import read_index
from helpers.data.taxonomy import FUTURE3D
from helpers.files import UserError
from helpers.series.dataset import instance_table

PERCENTILES = (5, 10, 25, 50, 75, 90, 95)
RELEASE_BOX_PERCENTILES = (99, 126, 180, 261, 351, 477, 549)  # px, read off a published histogram

Statistics = dict[str, Any]


def scene_statistics(folder: Path) -> Statistics:
    """Statistics of a finished folder of scenes, all its splits together.

    Counts of images and instances, shares in 0..1 (of masks and boxes larger than 96 x 96 and
    256 x 256, of boxes that touch the frame), percentiles of sqrt(box area), instances of each of
    the 34 categories, and the ratio of the most frequent category to the rarest that occurs at all.
    Raises UserError when the folder has no `coco/` annotations.
    """
    files = sorted((folder / "coco").glob("*.json"))
    if not files:
        raise UserError(f"{folder} is no finished set of scenes: make it first")
    sets = [read_index(file, check_images=False) for file in files]
    table, images = pd.concat(map(instance_table, sets)), sum(map(len, sets))
    area, side = table["area_1200"], np.sqrt(table["box_w_1200"] * table["box_h_1200"])
    percentiles = [round(float(np.percentile(side, p)), 3) for p in PERCENTILES if len(table)]
    counts = {c.id: int((table["category_id"] == c.id).sum()) for c in FUTURE3D.categories}
    present = [count for count in counts.values() if count]
    return {
        "images": images,
        "instances": len(table),
        "instances_per_image": len(table) / max(images, 1),
        "area_over_96": _share(area > 96**2),
        "area_over_256": _share(area > 256**2),
        "box_over_96": _share(side > 96),
        "box_over_256": _share(side > 256),
        "box_percentiles": percentiles or [math.nan] * len(PERCENTILES),
        "truncated": _share(table["truncated"]),
        "category_counts": counts,
        "head_to_tail": max(present) / min(present) if present else math.nan,
    }


def _share(flags: pd.Series) -> float:
    return float(flags.sum()) / max(len(flags), 1)


def comparison(found: Statistics) -> pd.DataFrame:
    """One row per quantity: 3D-FUTURE as published (where known), and these scenes."""
    missing = sum(count == 0 for count in found["category_counts"].values())
    percentiles = zip(PERCENTILES, RELEASE_BOX_PERCENTILES, found["box_percentiles"], strict=True)
    rows = [
        ("images", "20,240", f"{found['images']:,}"),
        ("instances per image", "5.02", f"{found['instances_per_image']:.2f}"),
        ("mask area > 96 x 96", "over 80 %", f"{100 * found['area_over_96']:.1f} %"),
        ("mask area > 256 x 256", "over 25 %", f"{100 * found['area_over_256']:.1f} %"),
        ("box area > 96 x 96", "95.6 %", f"{100 * found['box_over_96']:.1f} %"),
        ("box area > 256 x 256", "52.9 %", f"{100 * found['box_over_256']:.1f} %"),
        *(
            (f"sqrt(box area), percentile {percent}", f"{release} px", f"{mine:.0f} px")
            for percent, release, mine in percentiles
        ),
        ("touching the frame", "?", f"{100 * found['truncated']:.1f} %"),
        ("head : tail category", "52 : 1 (3D models)", f"{found['head_to_tail']:.0f} : 1"),
        ("categories that do not occur", "none", f"{missing} of 34"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "3D-FUTURE", "scenes"]).set_index("quantity")


def category_table(found: Statistics) -> pd.DataFrame:
    """Instances of every category, most frequent first."""
    counts = found["category_counts"]
    rows = [(c.id, c.name, c.supercategory, counts[c.id]) for c in FUTURE3D.categories]
    table = pd.DataFrame(rows, columns=["id", "category", "super-category", "instances"])
    return table.sort_values(["instances", "id"], ascending=[False, True]).set_index("id")
