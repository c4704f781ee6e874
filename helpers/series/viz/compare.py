"""Two models' answers drawn so that a difference shows."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd

from helpers.drawing import Overlay, Panel
from helpers.drawing_style import CYCLE, INK, STYLE, Picture
from helpers.inference.paste import paste_masks
from helpers.structures import Detections

LEAST = 1e-9  # share of the tolerance at which a mark for "no difference at all" is drawn


def deviations(table: pd.DataFrame, *, title: str) -> Picture:
    """Worst deviation of each quantity as a share of its tolerance, logarithmic; 1 is the limit.

    table: that of `models.compare.golden_table`. Exact zeros are open marks at the left end; where
    the tolerance is zero only these two cases exist: equal, or beyond.
    """
    limit = table["tolerance"].where(table["tolerance"] > 0, table["worst"].clip(lower=LEAST) / 2)
    share = (table["worst"] / limit).fillna(1e3).clip(LEAST, 1e3)
    places, exact = np.arange(len(table)), (table["worst"] == 0).to_numpy()
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.6, 1.0 + 0.2 * len(table)), alt=f"{title}: deviation over tolerance")
        axes = figure.add_subplot()
        for rows, face, label in (
            (exact, "white", "no difference at all"),
            (~exact & table["passed"], CYCLE[0], "within"),
            (~exact & ~table["passed"], CYCLE[3], "beyond"),
        ):
            if rows.any():
                edge = CYCLE[3] if label == "beyond" else CYCLE[0]
                values = np.where(exact, LEAST, share)[rows]
                axes.scatter(values, places[rows], s=30, color=face, edgecolor=edge, label=label)
        axes.axvline(1, color=INK, linewidth=1)
        axes.set_xscale("log")
        axes.set_yticks(places, table.index)
        axes.tick_params(axis="y", labelsize=7.5, length=0)
        axes.invert_yaxis()
        axes.set(title=title, xlabel="worst deviation / tolerance", xlim=(LEAST / 3, 3e3))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def on_one_picture(image: np.ndarray, found: Mapping[str, Detections], *, count: int) -> Panel:
    """The best `count` detections of each model as contours on one picture, a colour a model.

    image: (H, W, 3) uint8, the picture the boxes are pixels of. Where two models agree the later
    line covers the earlier one.
    """
    parts = [detections[:count] for detections in found.values()]
    owner = np.repeat(np.arange(1, len(parts) + 1), [len(part) for part in parts])
    overlay = Overlay(
        masks=np.concatenate([paste_masks(part).numpy() for part in parts]),
        boxes=np.concatenate([part.boxes.numpy() for part in parts]),
        category_ids=owner,
        names=tuple(list(found)[number - 1] for number in owner),
        scores=np.concatenate([part.scores.numpy() for part in parts]),
    )
    title = " and ".join(f"{name} ({len(found[name])})" for name in found)
    return Panel(image, title, overlay, fill=0.0, labels=False, boxes=True)
