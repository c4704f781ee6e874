"""The ladder of Table 2 as a figure: what each step gains, the paper's and ours on one scale."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd

from helpers.drawing_style import CYCLE, GREY, STYLE, Picture


def ladder_figure(table: pd.DataFrame, *, data: str) -> Picture:
    """Each step's gain in mask AP: the paper's, and ours on `data` with its 95 % interval over
    pictures as a bar. Labels hold the levels, which cannot be compared. Steps nobody measured have
    the paper's point alone.

    table: that of `analysis.results.steps`; its first row has no gain and is left out.
    """
    rows = table.iloc[1:]
    places = np.arange(len(rows))
    labels = [
        f"{row.step}\n{row.paper:.2f} | " + (f"{row.ours:.2f}" if np.isfinite(row.ours) else "-")
        for row in rows.itertuples()
    ]
    with matplotlib.rc_context(STYLE):
        alt = "What each step of the ladder gains: the paper's beside ours"
        figure = Picture((8.4, 1.4 + 0.55 * len(rows)), alt=alt)
        axes = figure.subplots()
        axes.axvline(0, color=GREY, lw=1)
        paper, ours = "the paper, 3D-FUTURE val", f"ours, {data}, 95 % over pictures"
        axes.plot(rows["paper gain"], places - 0.12, "D", color=CYCLE[3], ms=5, label=paper)
        known = rows["our gain"].notna().to_numpy()
        gains = rows["our gain"].to_numpy()[known]
        ends = rows[["low", "high"]].to_numpy()[known].T
        axes.errorbar(
            gains, places[known] + 0.12, xerr=np.abs(ends - gains), fmt="o", color=CYCLE[0], ms=5,
            capsize=3, label=ours if known.any() else f"ours, {data}: not measured",
        )  # fmt: skip
        axes.set_yticks(places, labels)
        axes.set(xlabel="gain in mask AP, points", title="step, and mask AP after it: paper | ours")
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=1)
    return figure
