"""Every figure renders, from plausible numbers and from the least there can be."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest

from helpers.series.analysis.correction import METRICS
from helpers.series.analysis.kernel_points import Reading
from helpers.series.analysis.mask_grids import BoxedMask, drawings
from helpers.series.viz import (
    augmentation,
    box_stages,
    compare,
    correction,
    figures,
    kernel_points,
    mask_ceilings,
    results,
)

NAN = float("nan")
IMAGE = np.full((80, 90, 3), 120, np.uint8)
BOXES = np.array([[10.0, 10, 40, 40], [5, 20, 80, 70]])
NAMES = {"title": "t", "xlabel": "x", "ylabel": "y"}
TITLE = {"title": "t"}
CLASSES = pd.DataFrame(
    {
        "category_id": [18, 2, 34],
        "category": ["King-size Bed", "Sideboard / Side Cabinet / Console", "_costs $5 or $6"],
        "supercategory": ["Bed", "Cabinet/Shelf/Desk", "床"],
        "instances": [30, 12, 1],
        "AP": [50.0, 75.0, NAN],
    }
)
SHARES = pd.DataFrame({"P2": [0.5, 0.25], "P3": [0.5, 0.75]}, index=[100, 200])
LOG = pd.DataFrame({"step": [1, 2], "lr": 0.1, "loss_mask": [3.0, 2], "total": [4.0, 3]})
COST = pd.DataFrame(
    {"views": [1, 2], "seconds": [0.1, 0.3], "AP": [10.0, 12], "APs": 5.0, "APm": 20.0, "APl": NAN}
)
LADDER = pd.DataFrame(
    {
        "step": ["start", "+ one", "+ two"], "paper": [70.0, 71.5, 71.0],
        "ours": [10.0, 12.0, NAN], "paper gain": [NAN, 1.5, -0.5],
        "our gain": [NAN, 2.0, NAN], "low": [NAN, 0.5, NAN], "high": [NAN, 3.5, NAN],
    }
)  # fmt: skip
UNMEASURED = LADDER.assign(**dict.fromkeys(("ours", "our gain", "low", "high"), NAN))
CEILINGS = pd.DataFrame(
    {"mean_iou": [0.8, 0.9], "mean_boundary_iou": [0.4, 0.6], "over_thresholds": [0.7, 1]},
    index=pd.Index(["14 x 14", "784 points"], name="mask"),
)
DEVIATIONS = pd.DataFrame(
    {"worst": [0.0, 0.5, np.inf, NAN], "tolerance": [0.1, 0.1, 0.0, 0.1],
     "passed": [True, False, False, False]}, index=list("abcd"),
)  # fmt: skip
FITS = pd.DataFrame({"proposals": [0.4, 0.6], "stage 1": [0.6, 0.8]})
GAINS = pd.DataFrame({"before": [0.4, 0.6], "after": [0.6, 0.8], "boxes": [1, 1]})
GRID = np.stack(np.meshgrid([20.0, 28, 36], [20.0, 28, 36]), axis=-1).reshape(-1, 2)
READING = Reading(GRID[4], GRID, np.repeat(GRID, 9, axis=0), np.eye(9, 2), GRID)
STILL = replace(READING, pulls=np.zeros((9, 2)))
LEG = np.ones((120, 100), bool)
LEG[60:, 4:] = False


def methods(*values: float) -> pd.DataFrame:
    row = {
        f"{m}{end}": v
        for m in METRICS
        for end, v in zip(("", " low", " high"), values, strict=True)
    }
    return pd.DataFrame([row | {"noise": "leak", "method": name} for name in ("nothing", "ours")])


FIGURES = {
    "cost": (augmentation.cost_curve, (COST,), TITLE),
    "disagreement": (augmentation.disagreement_map, (IMAGE, np.eye(80, 90) / 2), {}),
    "no disagreement": (augmentation.disagreement_map, (IMAGE, np.zeros((80, 90))), {}),
    "box steps": (box_stages.boxes_by_step, (IMAGE, np.stack([BOXES] * 2), ["a", "b"]), TITLE),
    "fits": (box_stages.fit_curves, (FITS, [GAINS]), TITLE),
    "deviations": (compare.deviations, (DEVIATIONS,), TITLE),
    "no deviation": (compare.deviations, (DEVIATIONS.head(1),), TITLE),
    "correction": (correction.comparison, (methods(0.5, 0.4, 0.6),),
                   {"metrics": ["precision", "recall"], "goals": {"recall": 0.9}, "title": "t"}),
    "nothing corrected": (correction.comparison, (methods(NAN, NAN, NAN),),
                          {"metrics": ["precision", "recall"], "goals": {}, "title": "t"}),
    "AP": (figures.class_ap_bars, (CLASSES.set_index("category_id"),), TITLE),
    "no AP": (figures.class_ap_bars, (CLASSES.set_index("category_id").assign(AP=NAN),), TITLE),
    "curves": (figures.curves, (SHARES,), NAMES | {"marks": {"m": 150}}),
    "stacked": (figures.stacked_shares, (SHARES,), {"title": "t", "ylabel": "y"}),
    "loss": (figures.loss_curves, (LOG,), TITLE),
    "first step": (figures.loss_curves, (LOG.head(1),), TITLE),
    "kernel points": (kernel_points.kernel_points, (IMAGE, [READING, STILL]), TITLE),
    "ceilings": (mask_ceilings.ceiling_curves,
                 (CEILINGS, pd.DataFrame({"784 points": [0.7], "instances": [2]}, index=["床"])),
                 TITLE),
    "masks": (mask_ceilings.masks_compared,
              ([drawings(BoxedMask(LEG, "Chair", 1200), budgets=[784])],), TITLE),
    "results": (results.ladder_figure, (LADDER,), {"data": "scenes"}),
    "nothing measured": (results.ladder_figure, (UNMEASURED,), {"data": "scenes"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_figures_render_and_leave_nothing_behind_in_pyplot(name):
    draw, given, options = FIGURES[name]
    mime, content = draw(*given, **options).encoded()
    assert mime in ("image/png", "image/jpeg") and len(content) > 2000
    assert matplotlib.pyplot.get_fignums() == []


def test_class_names_stand_beside_their_own_numbers():
    by_id = CLASSES.set_index("category_id")
    [axes] = figures.class_ap_bars(by_id.iloc[[1, 0, 2]], title="AP").axes  # one has no AP
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert [bar.get_width() for bar in axes.patches] == [50, 75]
    assert labels[0] == "King-size Bed  (30)"
    assert labels[1].startswith("Sideboard") and labels[1].endswith("(12)")
    labels = [
        text.get_text() for text in figures.class_bars(CLASSES, title="t").axes[0].get_xticklabels()
    ]


def test_losses_of_a_log_and_their_moving_average():
    log = LOG.assign(epoch=1, skipped=0, grad_norm=9.0, seconds_step=0.1, loss_box=1.0)
    assert figures.loss_columns(log) == ["loss_mask", "loss_box"]
    total, _ = figures.loss_curves(log, title="t", window=2).axes
    assert total.lines[1].get_ydata().tolist() == [4, 3.5]


def test_shares_that_fit_and_masks_that_need_more_points():
    shares, _ = box_stages.fit_curves(FITS, [GAINS], title="t").axes
    [before, after] = (line.get_ydata() for line in shares.lines[:2])
    assert (before[0], after[0], before[-1], after[-1]) == (100, 100, 0, 0)
    table = pd.DataFrame({"outline": [100, 900], "784 points": [0.99, 0.9]})
    picture = mask_ceilings.outline_scatter(table, [784], title="t")
    assert picture.axes[0].get_title("left") == "784 points: 50% of masks need more"
    assert picture.encoded()[0] == "image/png"
