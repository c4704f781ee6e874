"""Evaluations as tables for notebooks, in percent as papers print them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from helpers.evaluation.average_precision import Evaluation, Kind

_MASK_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
_COLUMNS = [*_MASK_COLUMNS, "boundary AP"]


def comparison_table(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """One row a named run, in the order given: mask AP, AP50, AP75, APs, APm, APl, boundary AP, and
    the preset that all of them depend on. Percent, two decimals; NaN where nothing was scored.
    """
    rows = {}
    for name, evaluation in evaluations.items():
        masks = evaluation.metrics.get("segm", {})
        scores = {column: masks.get(column) for column in _MASK_COLUMNS}
        scores["boundary AP"] = evaluation.metrics.get("boundary", {}).get("AP")
        rows[name] = {**scores, "preset": evaluation.preset}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[*_COLUMNS, "preset"])
    table[_COLUMNS] = (table[_COLUMNS].astype(float) * 100).round(2)
    return table.rename_axis("run")


def class_table(evaluation: Evaluation, kind: Kind = "segm") -> pd.DataFrame:
    """One row a class, by category id: name, instances, detections, AP, AP50, AP75 in percent.

    NaN for classes that the truth does not contain: they are not part of the mean. Raises KeyError
    for a kind that was not scored.
    """
    scores = [row.metrics[kind] for row in evaluation.classes]
    table = pd.DataFrame(
        {
            "category": [row.name for row in evaluation.classes],
            "instances": [row.instances for row in evaluation.classes],
            "detections": [row.detections for row in evaluation.classes],
        },
        index=pd.Index([row.category_id for row in evaluation.classes], name="category_id"),
    )
    for column in ("AP", "AP50", "AP75"):
        table[column] = [round(100 * values[column], 2) for values in scores]
    return table
