"""What a data set looks like to a detector: classes, sizes, shapes, company; the paper's beside it.

Lengths and areas are given at a reference picture of 1200 x 1200 pixels (the size of every
3D-FUTURE picture), so that sets of other picture sizes can be laid beside the paper: a length is
multiplied by 1200 / sqrt(W * H) of its own picture, an area by the square of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from helpers.data.index import InstanceIndex

REFERENCE_SIDE = 1200
AREA_EDGES = (96**2, 256**2)  # px at the reference size: the paper's two thresholds


@dataclass(frozen=True)
class Statistics:
    """The paper's headline numbers; a field is None where they are not known.

    instances_per_image counts pictures without instances too; over_96 and over_256 are shares in
    0..1 of instances whose mask area exceeds 96^2 and 256^2 px at 1200 x 1200; imbalance is the
    count of the commonest class over that of the rarest class that occurs at all.
    """

    images: int
    instances: int
    classes: int
    instances_per_image: float
    over_96: float
    over_256: float
    imbalance: float | None = None


# The paper's section on data: "over 80 %" and "over 25 %" are lower bounds, printed as such.
PAPER = Statistics(
    images=12_144,
    instances=61_010,
    classes=34,
    instances_per_image=5.02,
    over_96=0.80,
    over_256=0.25,
)


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


def class_counts(index: InstanceIndex) -> pd.DataFrame:
    """Instances and pictures of every category of the taxonomy, commonest first, absent ones last.

    Columns: category_id, category, supercategory, instances, images, share (of all instances).
    """
    table = instance_table(index)
    groups = table.groupby("category_id")
    counts = pd.DataFrame(
        {
            "category_id": [c.id for c in index.taxonomy.categories],
            "category": [c.name for c in index.taxonomy.categories],
            "supercategory": [c.supercategory for c in index.taxonomy.categories],
        }
    )
    ids = counts["category_id"]
    counts["instances"] = ids.map(groups.size()).fillna(0).astype(int)
    counts["images"] = ids.map(groups["image_id"].nunique()).fillna(0).astype(int)
    counts["share"] = counts["instances"] / max(len(table), 1)
    return counts.sort_values(["instances", "category_id"], ascending=[False, True]).reset_index(
        drop=True
    )


def instances_per_image(index: InstanceIndex) -> np.ndarray:
    """(len(index),) int64: instances of each picture, zeros for pictures without any."""
    table = instance_table(index)
    counts = table["image_id"].value_counts()
    return np.array([counts.get(image_id, 0) for image_id in index.image_ids], dtype=np.int64)


def share_above(table: pd.DataFrame, area: float) -> float:
    """Share (0..1) of instances whose mask exceeds `area` px^2 at 1200 x 1200; nan for no rows."""
    return float((table["area_1200"] > area).mean())


def summarise(index: InstanceIndex) -> Statistics:
    """The headline numbers of an index, the same ones the paper gives."""
    table = instance_table(index)
    counts = table["category_id"].value_counts()
    return Statistics(
        images=len(index),
        instances=len(table),
        classes=len(counts),
        instances_per_image=len(table) / max(len(index), 1),
        over_96=share_above(table, AREA_EDGES[0]),
        over_256=share_above(table, AREA_EDGES[1]),
        imbalance=float(counts.iloc[0] / counts.iloc[-1]) if len(counts) else None,
    )


def beside_paper(here: Statistics, *, name: str) -> pd.DataFrame:
    """Table of text, one row per number: the paper's 3D-FUTURE training set | the set `name`."""
    rows = {
        "images": (f"{PAPER.images:,}", f"{here.images:,}"),
        "instances": (f"{PAPER.instances:,}", f"{here.instances:,}"),
        "classes": (f"{PAPER.classes}", f"{here.classes}"),
        "instances per image": (
            f"{PAPER.instances_per_image:.2f}",
            f"{here.instances_per_image:.2f}",
        ),
        "mask larger than 96 x 96": (f"> {PAPER.over_96:.0%}", f"{here.over_96:.1%}"),
        "mask larger than 256 x 256": (f"> {PAPER.over_256:.0%}", f"{here.over_256:.1%}"),
        "commonest : rarest class": (
            "not given as a number",
            "-" if here.imbalance is None else f"{here.imbalance:.0f} : 1",
        ),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["paper (3D-FUTURE train)", name])


def percentiles(
    values: pd.Series | np.ndarray, at: tuple[int, ...] = (5, 10, 25, 50, 75, 90, 95)
) -> pd.Series:
    """The given percentiles of `values`, indexed "5 %", "10 %", ...; raises on no values."""
    if len(values) == 0:
        raise ValueError("no instances to take percentiles of: is the annotation file empty?")
    return pd.Series(np.percentile(values, at), index=[f"{p} %" for p in at])


def co_occurrence(index: InstanceIndex, *, by: str = "supercategory") -> pd.DataFrame:
    """P(column is in the picture | row is), square, with the commonest kind first.

    `by` is a column of `index.frame()`: "category" or "supercategory". The diagonal holds the
    share of the row's pictures that have two or more of it (its chance of company of its own kind).
    """
    table = instance_table(index)
    counts = pd.crosstab(table["image_id"], table[by])
    present = (counts > 0).astype(float)
    pictures = present.sum().sort_values(ascending=False, kind="stable")
    together = (present.T @ present).loc[pictures.index, pictures.index].to_numpy().copy()
    np.fill_diagonal(together, (counts >= 2).sum()[pictures.index])
    shares = together / pictures.to_numpy()[:, None]
    return pd.DataFrame(shares, index=list(pictures.index), columns=list(pictures.index))
