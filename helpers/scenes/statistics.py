"""What a set of scenes turned out to be, beside what the paper and the release say of 3D-FUTURE.

Lengths and areas are given as they would be at 1200 x 1200 pixels, so that small pictures compare.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers.data.taxonomy import FUTURE3D
from helpers.files import UserError
from helpers.scenes import render, write
from helpers.scenes.config import SceneConfig
from helpers.scenes.noise import REFERENCE_SIZE

PERCENTILES = (5, 10, 25, 50, 75, 90, 95)
RELEASE_BOX_PERCENTILES = (99, 126, 180, 261, 351, 477, 549)  # px, read off a published histogram


class Index(Protocol):
    """What is needed of an `InstanceIndex`."""

    def __len__(self) -> int: ...

    def frame(self) -> pd.DataFrame: ...


@dataclass(frozen=True)
class SceneStatistics:
    """Counts and size distribution; shares in 0..1, lengths in pixels at 1200 x 1200."""

    images: int
    instances: int
    instances_per_image: float
    area_over_96: float  # share of the masks larger than 96 x 96
    area_over_256: float
    box_over_96: float  # share of the boxes
    box_over_256: float
    box_percentiles: tuple[float, ...]  # of sqrt(box area), at PERCENTILES
    truncated: float  # share of the boxes that touch the frame
    category_counts: dict[int, int]  # category id -> instances, all 34 of them
    head_to_tail: float  # most frequent : least frequent category that occurs at all

    @property
    def absent(self) -> list[int]:
        """Ids of the categories that do not occur."""
        return [category for category, count in self.category_counts.items() if count == 0]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def scene_statistics(source: Path | Index) -> SceneStatistics:
    """Statistics of a finished folder of scenes (all its splits), or of an index.

    Raises UserError when the folder has no `coco/` annotations.
    """
    if not isinstance(source, Path):
        return _statistics(source.frame(), images=len(source))
    files = sorted((source / "coco").glob("*.json"))
    if not files:
        raise UserError(f"{source} is no finished set of scenes: make it first")
    sets = [json.loads(file.read_text()) for file in files]
    rows = [row for one in sets for row in _annotation_rows(one)]
    return _statistics(pd.DataFrame(rows, columns=_COLUMNS), sum(len(s["images"]) for s in sets))


def label_statistics(
    config: SceneConfig, *, views: int, split: str = "train", progress: bool = False
) -> SceneStatistics:
    """Statistics of the first `views` pictures of a config without rendering them.

    Labels are drawn at 300 pixels or the config's size, whichever is less.
    """
    config = dataclasses.replace(config, size=min(config.size, 300))
    rows = []
    for index in tqdm(range(views), desc="views", disable=not progress):
        view = render.compose_view(config, split, index)
        ids = render.render_ids(view, config.size)
        for label in write.visible_labels(ids, config):
            mask = write.describe_mask(ids == label)
            category = int(view.category_ids[label - 1])
            rows.append((category, mask["area"], *mask["bbox"], config.size, config.size))
    return _statistics(pd.DataFrame(rows, columns=_COLUMNS), images=views)


def comparison(statistics: SceneStatistics) -> pd.DataFrame:
    """One row per quantity: 3D-FUTURE as published (where known), and these scenes."""
    s = statistics
    absent = f" ({len(s.absent)} absent)" if s.absent else ""
    rows = [
        ("images", "20,240", f"{s.images:,}"),
        ("instances per image", "5.02", f"{s.instances_per_image:.2f}"),
        ("mask area > 96 x 96", "over 80 %", _percent(s.area_over_96)),
        ("mask area > 256 x 256", "over 25 %", _percent(s.area_over_256)),
        ("box area > 96 x 96", "95.6 %", _percent(s.box_over_96)),
        ("box area > 256 x 256", "52.9 %", _percent(s.box_over_256)),
        *(
            (f"sqrt(box area), percentile {p}", f"{release} px", f"{mine:.0f} px")
            for p, release, mine in zip(
                PERCENTILES, RELEASE_BOX_PERCENTILES, s.box_percentiles, strict=True
            )
        ),
        ("touching the frame", "?", _percent(s.truncated)),
        ("head : tail category", "52 : 1 (3D models)", f"{s.head_to_tail:.0f} : 1{absent}"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "3D-FUTURE", "scenes"]).set_index("quantity")


def category_table(statistics: SceneStatistics) -> pd.DataFrame:
    """Instances of every category, most frequent first."""
    counts = statistics.category_counts
    rows = [
        (c.id, c.name, c.supercategory, counts[c.id], counts[c.id] / max(1, statistics.instances))
        for c in FUTURE3D.categories
    ]
    table = pd.DataFrame(rows, columns=["id", "category", "super-category", "instances", "share"])
    return table.sort_values(["instances", "id"], ascending=[False, True]).set_index("id")


_COLUMNS = ["category_id", "area", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "width", "height"]


def _annotation_rows(coco: dict[str, Any]) -> Iterator[tuple[int, ...]]:
    sizes = {image["id"]: (image["width"], image["height"]) for image in coco["images"]}
    for a in coco["annotations"]:
        yield (a["category_id"], a["area"], *a["bbox"], *sizes[a["image_id"]])


def _statistics(frame: pd.DataFrame, images: int) -> SceneStatistics:
    scale = REFERENCE_SIZE**2 / (frame.width * frame.height)  # to areas at the reference size
    area = (frame.area * scale).to_numpy(float)
    side = np.sqrt((frame.bbox_w * frame.bbox_h * scale).to_numpy(float))
    right, bottom = frame.bbox_x + frame.bbox_w, frame.bbox_y + frame.bbox_h
    cut = (frame.bbox_x <= 0) | (frame.bbox_y <= 0)
    cut |= (right >= frame.width) | (bottom >= frame.height)
    counts = {c.id: int((frame.category_id == c.id).sum()) for c in FUTURE3D.categories}
    present = [count for count in counts.values() if count]
    return SceneStatistics(
        images=images,
        instances=len(frame),
        instances_per_image=len(frame) / max(images, 1),
        area_over_96=_share(area > 96**2),
        area_over_256=_share(area > 256**2),
        box_over_96=_share(side > 96),
        box_over_256=_share(side > 256),
        box_percentiles=tuple(_percentile(side, p) for p in PERCENTILES),
        truncated=_share(cut.to_numpy()),
        category_counts=counts,
        head_to_tail=max(present) / min(present) if present else math.nan,
    )


def _share(flags: np.ndarray) -> float:
    return float(flags.sum()) / max(len(flags), 1)


def _percentile(values: np.ndarray, percent: float) -> float:
    return round(float(np.percentile(values, percent)), 3) if len(values) else math.nan


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
