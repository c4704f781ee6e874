"""Every figure renders, from plausible numbers and from the least there can be."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.bootstrap import Difference
from helpers.series.analysis.anchors import grid_anchors
from helpers.series.analysis.kernel_points import Reading
from helpers.series.analysis.mask_grids import BoxedMask, drawings
from helpers.series.analysis.steps import Step
from helpers.series.viz import (
    anchors,
    box_stages,
    diagrams,
    figures,
    kernel_points,
    losses,
    mask_ceilings,
    results,
    scales,
)
from helpers.series.viz.live import training_curves

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
        "alpha": [0.9, 1.6, 1.7],
        "AP": [50.0, 75.0, NAN],
        "after": [49.0, NAN, NAN],
        "AP, seed 0": [48.0, 74.0, NAN],
    }
)
SHARES = pd.DataFrame({"P2": [0.5, 0.25], "P3": [0.5, 0.75]}, index=[100, 200])
LOG = pd.DataFrame({"step": [1, 2], "lr": 0.1, "loss_mask": [3.0, 2], "total": [4.0, 3]})
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
FITS = pd.DataFrame({"proposals": [0.4, 0.6], "stage 1": [0.6, 0.8]})
GAINS = pd.DataFrame({"before": [0.4, 0.6], "after": [0.6, 0.8], "boxes": [1, 1]})
GRID = np.stack(np.meshgrid([20.0, 28, 36], [20.0, 28, 36]), axis=-1).reshape(-1, 2)
READING = Reading(GRID[4], GRID, np.repeat(GRID, 9, axis=0), np.eye(9, 2), GRID)
STILL = replace(READING, pulls=np.zeros((9, 2)))
LEG = np.ones((120, 100), bool)
LEG[60:, 4:] = False
STAGES = [("data", [diagrams.Stage("scenes", "made here", "00")]),
          ("model", [diagrams.Stage("RPN", "proposals"), diagrams.Stage("heads", "")])]  # fmt: skip


def step(name: str, mean: float) -> Step:
    """A step of four pictures, the last without instances."""
    table = pd.DataFrame({"difference": [mean + 0.1, mean, mean - 0.1, NAN]})
    table = table.assign(file_name=list("wxyz"), image_id=[5, 6, 7, 8], a=0.5, b=0.5 + mean)
    masks = Difference(mean, mean - 0.02, mean + 0.03, table)
    about = (name, ("run", "other"), 1, "a test", "boxes", "coco", {}, [], [])
    return Step(*about, masks=masks, outlines=masks)


FIGURES = {
    "anchors": (anchors.anchor_picture, (IMAGE, BOXES, grid_anchors("p")),
                {"short_side": 80, "max_side": 90}),
    "box steps": (box_stages.boxes_by_step, (IMAGE, np.stack([BOXES] * 2), ["a", "b"]), TITLE),
    "fits": (box_stages.fit_curves, (FITS, [GAINS]), TITLE),
    "pipeline": (diagrams.pipeline_map, (STAGES,), TITLE),
    "ladder": (diagrams.step_ladder, (pd.DataFrame(
        {"step": ["base", "more"], "mask_ap": [70.0, 71.5], "gain": [NAN, 1.5]}),),
        {"title": "t", "xlabel": "AP"}),
    "classes": (figures.class_bars, (CLASSES,), TITLE),
    "one class": (figures.class_bars, (CLASSES.head(1).assign(instances=0),), TITLE),
    "AP": (figures.class_ap_bars, (CLASSES.set_index("category_id"),), TITLE),
    "no AP": (figures.class_ap_bars, (CLASSES.set_index("category_id").assign(AP=NAN),), TITLE),
    "histogram": (figures.histogram, (np.arange(9.0),),
                  {"title": "t", "xlabel": "x", "marks": {"96": 4}}),
    "logarithmic": (figures.histogram, (np.arange(1, 9),),
                    {"title": "t", "xlabel": "x", "log": True}),
    "histogram of nothing": (figures.histogram, (np.zeros(0),), {"title": "t", "xlabel": "x"}),
    "histograms": (figures.histograms, ([{"values": np.ones(3), "xlabel": x} for x in "ab"],),
                   TITLE),
    "curves": (figures.curves, (SHARES,), NAMES | {"marks": {"m": 150}}),
    "heat map": (figures.heat_map, (SHARES.set_axis(["P2", "P3"]),), NAMES),
    "shapes": (figures.shape_map, (BOXES[:, 2:], {"paper": np.array([[64.0, 64]])}),
               {"title": "t", "side": 1200}),
    "stacked": (figures.stacked_shares, (SHARES,), {"title": "t", "ylabel": "y"}),
    "loss": (figures.loss_curves, (LOG,), TITLE),
    "first step": (figures.loss_curves, (LOG.head(1),), TITLE),
    "live": (training_curves, (LOG,), TITLE),
    "kernel points": (kernel_points.kernel_points, (IMAGE, [READING, STILL]), TITLE),
    "alpha": (losses.alpha_bars, (CLASSES.assign(alpha_precision=1.0),), TITLE),
    "AP by run": (losses.class_ap_by_run, (CLASSES, ["AP", "after"]), TITLE),
    "no AP by run": (losses.class_ap_by_run, (CLASSES.assign(after=NAN), ["after"]), TITLE),
    "ceilings": (mask_ceilings.ceiling_curves,
                 (CEILINGS, pd.DataFrame({"784 points": [0.7], "instances": [2]}, index=["床"])),
                 TITLE),
    "masks": (mask_ceilings.masks_compared,
              ([drawings(BoxedMask(LEG, "Chair", 1200), budgets=[784])],), TITLE),
    "results": (results.ladder_figure, (LADDER,), {"data": "scenes"}),
    "nothing measured": (results.ladder_figure, (UNMEASURED,), {"data": "scenes"}),
    "sizes": (scales.size_shift, ({"one": np.array([[100, 200]]), "none": np.zeros(0)},), TITLE),
    "levels": (scales.level_areas, (SHARES,), {"drawn": (120, 150), "usual": 120, "title": "t"}),
    "level boxes": (scales.level_boxes, (IMAGE, BOXES, (80, 400)), {"max_side": 900}),
    "no level box": (scales.level_boxes, (IMAGE, BOXES[:0], (80, 400)), {"max_side": 900}),
    "intervals": (scales.step_intervals, ([step("up", 0.1), step("down", -0.2)],), TITLE),
    "pictures": (scales.image_differences, ([step("up", 0.1)],), TITLE),
    "seeds": (scales.image_differences, ([step("a", 0.1), replace(step("a", 0.1), seed=2)],),
              TITLE),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_figures_render_and_leave_nothing_behind_in_pyplot(name):
    draw, given, options = FIGURES[name]
    mime, content = draw(*given, **options).encoded()
    assert mime in ("image/png", "image/jpeg") and len(content) > 2000
    assert matplotlib.pyplot.get_fignums() == []


@pytest.mark.parametrize("chart", [scales.step_intervals, scales.image_differences])
def test_no_step_is_no_chart(chart):
    with pytest.raises(ValueError, match="no step was measured"):
        chart([], title="nothing")


def test_class_names_stand_beside_their_own_numbers():
    by_id = CLASSES.set_index("category_id")
    [axes] = figures.class_ap_bars(by_id.iloc[[1, 0, 2]], title="AP").axes  # one has no AP
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert [bar.get_width() for bar in axes.patches] == [50, 75]
    assert labels[0] == "King-size Bed  (30)"
    assert labels[1].startswith("Sideboard") and labels[1].endswith("(12)")
    [axes] = losses.class_ap_by_run(CLASSES, ["AP", "after"], title="AP").axes
    assert [text.get_text().split()[-1] for text in axes.get_yticklabels()] == [
        "(30)",
        "(12)",
        "(1)",
    ]
    for axes in (figures.class_bars(CLASSES, title="t").axes[0],
                 losses.alpha_bars(CLASSES, title="t").axes[1]):  # fmt: skip
        labels = [text.get_text() for text in axes.get_xticklabels()]
        assert labels[0] == "King-size Bed" and len(set(labels)) == 3


def test_histograms_are_shares_with_all_beyond_the_edges_in_the_outermost_bins():
    picture = figures.histogram(np.array([0.1, 1.5, 9.0, 9.0]), title="", xlabel="", bins=[1, 2, 4])
    assert [bar.get_height() for bar in picture.axes[0].patches] == [0.5, 0.5]


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


def test_what_another_seed_alone_does_to_each_picture():
    one, two = step("up", 0.1), replace(step("up", 0.1), seed=2)
    table = two.masks.per_image.assign(a=[0.4, 0.9, 0.5, NAN])
    two = replace(two, masks=replace(two.masks, per_image=table))
    assert scales.seed_differences([one, step("down", 0.1)]) is None
    noise = scales.seed_differences([one, two])
    assert noise["file_name"].tolist()[:3] == ["x", "y", "w"]
    assert noise["difference"].dropna().tolist() == pytest.approx([0.4, 0, -0.1])
