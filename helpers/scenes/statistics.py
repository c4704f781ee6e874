"""What a set of scenes turned out to be, beside what the paper and the release say of 3D-FUTURE.

Lengths and areas are given as they would be at 1200 x 1200 pixels, so that small pictures compare.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers.data.taxonomy import FUTURE3D
from helpers.files import UserError, read_json
from helpers.scenes import render, write
from helpers.scenes.config import REFERENCE_SIZE, SceneConfig

PERCENTILES = (5, 10, 25, 50, 75, 90, 95)
RELEASE_BOX_PERCENTILES = (99, 126, 180, 261, 351, 477, 549)  # px, read off a published histogram

Statistics = dict[str, Any]
Row = tuple[int, ...]  # category id, mask area, box x, y, w, h, width and height of the picture


def scene_statistics(folder: Path) -> Statistics:
    """Statistics of a finished folder of scenes, all its splits together.

    Counts of images and instances, shares in 0..1 (of masks and boxes larger than 96 x 96 and
    256 x 256, of boxes that touch the frame), percentiles of sqrt(box area), instances of each of
    the 34 categories, and the ratio of the most frequent category to the rarest that occurs at all.
    Raises UserError when the folder has no `coco/` annotations.
    """
    sets = [read_json(file) for file in sorted((folder / "coco").glob("*.json"))]
    if not sets:
        raise UserError(f"{folder} is no finished set of scenes: make it first")
    rows = []
    for one in sets:
        sizes = {image["id"]: (image["width"], image["height"]) for image in one["images"]}
        for a in one["annotations"]:
            rows.append((a["category_id"], a["area"], *a["bbox"], *sizes[a["image_id"]]))
    return _statistics(rows, sum(len(one["images"]) for one in sets))


def label_statistics(config: SceneConfig, *, views: int) -> Statistics:
    """The same of the first `views` training pictures of a config, without rendering them.

    Labels are drawn at 300 pixels or the config's size, whichever is less.
    """
    config = dataclasses.replace(config, size=min(config.size, 300))
    rows = []
    for index in tqdm(range(views), desc="views"):
        view = render.compose_view(config, "train", index)
        ids = render.render_ids(view, config.size)
        for label in write.visible_labels(ids, config):
            mask = write.describe_mask(ids == label)
            category = int(view.category_ids[label - 1])
            rows.append((category, mask["area"], *mask["bbox"], config.size, config.size))
    return _statistics(rows, views)


def _statistics(rows: Sequence[Row], images: int) -> Statistics:
    category, area, x, y, w, h, width, height = np.array(rows, np.int64).reshape(-1, 8).T
    scale = REFERENCE_SIZE**2 / (width * height)  # to areas at the reference size
    area, side = area * scale, np.sqrt(w * h * scale)
    cut = (x <= 0) | (y <= 0) | (x + w >= width) | (y + h >= height)
    counts = {c.id: int((category == c.id).sum()) for c in FUTURE3D.categories}
    present = [count for count in counts.values() if count]
    percentiles = [round(float(np.percentile(side, p)), 3) for p in PERCENTILES if len(rows)]
    return {
        "images": images,
        "instances": len(rows),
        "instances_per_image": len(rows) / max(images, 1),
        "area_over_96": _share(area > 96**2),
        "area_over_256": _share(area > 256**2),
        "box_over_96": _share(side > 96),
        "box_over_256": _share(side > 256),
        "box_percentiles": percentiles or [math.nan] * len(PERCENTILES),
        "truncated": _share(cut),
        "category_counts": counts,
        "head_to_tail": max(present) / min(present) if present else math.nan,
    }


def _share(flags: np.ndarray) -> float:
    return float(flags.sum()) / max(len(flags), 1)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def comparison(found: Statistics) -> pd.DataFrame:
    """One row per quantity: 3D-FUTURE as published (where known), and these scenes."""
    missing = sum(count == 0 for count in found["category_counts"].values())
    percentiles = zip(PERCENTILES, RELEASE_BOX_PERCENTILES, found["box_percentiles"], strict=True)
    rows = [
        ("images", "20,240", f"{found['images']:,}"),
        ("instances per image", "5.02", f"{found['instances_per_image']:.2f}"),
        ("mask area > 96 x 96", "over 80 %", _percent(found["area_over_96"])),
        ("mask area > 256 x 256", "over 25 %", _percent(found["area_over_256"])),
        ("box area > 96 x 96", "95.6 %", _percent(found["box_over_96"])),
        ("box area > 256 x 256", "52.9 %", _percent(found["box_over_256"])),
        *(
            (f"sqrt(box area), percentile {percent}", f"{release} px", f"{mine:.0f} px")
            for percent, release, mine in percentiles
        ),
        ("touching the frame", "?", _percent(found["truncated"])),
        ("head : tail category", "52 : 1 (3D models)", f"{found['head_to_tail']:.0f} : 1"),
        ("categories that do not occur", "none", f"{missing} of 34"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "3D-FUTURE", "scenes"]).set_index("quantity")


def category_table(found: Statistics) -> pd.DataFrame:
    """Instances of every category, most frequent first."""
    counts, total = found["category_counts"], max(1, found["instances"])
    rows = [
        (c.id, c.name, c.supercategory, counts[c.id], _percent(counts[c.id] / total, 2))
        for c in FUTURE3D.categories
    ]
    table = pd.DataFrame(rows, columns=["id", "category", "super-category", "instances", "share"])
    return table.sort_values(["instances", "id"], ascending=[False, True]).set_index("id")
