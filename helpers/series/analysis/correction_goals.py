"""What a correction reaches beside the goals set beforehand, on noisy maps and on clean ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.series.analysis.correction import GOALS

AT_MOST = {"damage"}  # all other metrics are to be at least their goal
NOTHING_TO_MEND = ("precision", "recall", "boundary IoU")  # on clean maps
NOISES = {"mixed noise": "all", "no noise": "none"}


def beside_goals(table: pd.DataFrame, *, method: str = "ours with picture") -> pd.DataFrame:
    """One row a metric: the goal, the value with mixed noise and without any, and whether met.

    table: that of `analysis.correction.measure` with the noises "all" and "none". Damage and thin
    parts are asked both of noisy maps and of clean ones, the rest of noisy ones alone ("-").
    """
    rows = table[table["method"] == method].set_index("noise")
    columns = {"goal": [_said(metric, goal, goal=True) for metric, goal in GOALS.items()]}
    for name, noise in NOISES.items():
        values = {metric: float(rows.loc[noise, metric]) for metric in GOALS}
        if noise == "none":
            values |= dict.fromkeys(NOTHING_TO_MEND, np.nan)
        columns[name] = [_said(metric, value) for metric, value in values.items()]
        columns[f"met with {name}"] = [_met(metric, value) for metric, value in values.items()]
    return pd.DataFrame(columns, index=pd.Index(GOALS, name="metric"))


def _met(metric: str, value: float) -> str:
    if np.isnan(value):
        return "-"
    reached = value <= GOALS[metric] if metric in AT_MOST else value >= GOALS[metric]
    return "yes" if reached else "no"


def _said(metric: str, value: float, *, goal: bool = False) -> str:
    """The value as text, damage and thin parts in per cent."""
    if np.isnan(value):
        return "-"
    text = {"damage": f"{value:.4%}", "thin kept": f"{value:.1%}"}.get(metric, f"{value:.3f}")
    return f"{'at most' if metric in AT_MOST else 'at least'} {text}" if goal else text
