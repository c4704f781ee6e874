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
    rows = []
    for row in evaluation.classes:
        scores = {name: round(100 * row.metrics[kind][name], 2) for name in ("AP", "AP50", "AP75")}
        counts = {"instances": row.instances, "detections": row.detections}
        rows.append({"category_id": row.category_id, "category": row.name, **counts, **scores})
    return pd.DataFrame(rows).set_index("category_id")
