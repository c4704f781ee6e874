"""Charts of sizes, levels and steps show the numbers they were given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.data.rle import encode
from helpers.data.taxonomy import Category, Taxonomy
from helpers.evaluation.bootstrap import Difference
from helpers.series.analysis.steps import Step
from helpers.series.viz import scales
from helpers.structures import Sample, Targets

TAXONOMY = Taxonomy((Category(3, "Lamp", "Lighting"), Category(8, "Bed", "Bed")))


def thing(image_id: int, **more: float) -> dict:
    mask = np.zeros((20, 30), dtype=bool)
    mask[5:9, 4:8] = True
    box = [4.0, 5.0, 4.0, 4.0]
    return {
        "image_id": image_id,
        "category_id": 3,
        "bbox": box,
        "segmentation": encode(mask),
        **more,
    }


def step(name: str, mean: float) -> Step:
    table = pd.DataFrame({"difference": [mean + 0.1, mean, mean - 0.1, np.nan]})
    table = table.assign(file_name=list("wxyz"), image_id=[5, 6, 7, 8], a=0.5, b=0.5 + mean)
    masks = Difference(mean, mean - 0.02, mean + 0.03, table)
    outlines = Difference(2 * mean, mean - 0.05, 2 * mean + 0.01, table)
    truth = {"categories": [{"id": 3, "name": "Lamp"}], "annotations": [thing(5), thing(6)]}
    found = [thing(5, score=0.9), thing(5, score=0.2), thing(6, score=0.8)]
    about = (name, ("run", "other"), 1, "a test", "boxes", "coco", truth, found, [])
    return Step(*about, masks=masks, outlines=outlines)


def drawn(picture) -> bool:
    return len(picture.encoded()[1]) > 2000


def test_sizes_are_shares_of_all_boxes():
    picture = scales.size_shift({"one": np.array([[100, 200]]), "many": np.ones((3, 2))}, title="t")
    assert drawn(picture)
    one, many = picture.axes[0].patches
    assert one.get_data().values.sum() == many.get_data().values.sum() == 1
    assert [t.get_text() for t in picture.axes[0].texts] == ["P2", "P3", "P4", "P5"]


def test_levels_are_stacked_to_one():
    shares = pd.DataFrame({"P2": [0.5, 0.25], "P3": [0.5, 0.75]}, index=[100, 200])
    picture = scales.level_areas(shares, drawn=(120, 150), usual=120, title="levels")
    assert drawn(picture)
    top = picture.axes[0].collections[1].get_paths()[0].vertices
    assert top[:, 1].max() == 1 and [t.get_text() for t in picture.axes[0].texts][1] == "one scale"


def test_a_box_that_moves_is_thick_and_counted():
    boxes = np.array([[0, 0, 100, 100], [0, 0, 30, 30]], dtype=float)
    image = np.zeros((120, 160, 3), np.uint8)
    picture = scales.level_boxes(image, boxes, (120, 240), max_side=400)
    assert drawn(picture)
    small, large = picture.axes
    assert tuple(axes.get_title(loc="left") for axes in picture.axes) == (
        "short side 120 px",
        "short side 240 px: 1 moved",
    )
    widths = [patch.get_linewidth() for patch in large.patches]
    assert widths[1] == 3.4 and widths[3] == 1.5
    assert {patch.get_linewidth() for patch in small.patches} == {2.9, 1.5}


def test_samples_become_panels():
    masks = torch.zeros(1, 20, 30, dtype=torch.bool)
    masks[0, 5:9, 4:8] = True
    boxes, none = torch.tensor([[4.0, 5, 8, 9]]), torch.zeros(0, 4)
    targets = Targets(boxes, torch.tensor([1]), masks, none)
    sample = Sample(torch.full((3, 20, 30), 7, dtype=torch.uint8), targets, 1, (20, 30))
    [panel] = scales.sample_panels({"as it is": sample}, TAXONOMY)
    assert panel.title == "as it is" and panel.image.shape == (20, 30, 3)
    assert panel.overlay.names == ("Bed",) and panel.overlay.category_ids.tolist() == [8]
    assert panel.overlay.masks.sum() == 16


def test_steps_have_a_point_and_an_interval_of_each_kind():
    picture = scales.step_intervals([step("up", 0.1), step("down", -0.2)], title="steps")
    assert drawn(picture)
    axes = picture.axes[0]
    masks, outlines = axes.containers
    assert masks.lines[0].get_xdata() == pytest.approx([10, -20])
    assert outlines.lines[0].get_xdata() == pytest.approx([20, -40])
    ends = [segment[:, 0] for segment in masks.lines[2][0].get_segments()]
    assert np.array(ends) == pytest.approx(np.array([[8, 13], [-22, -17]]))
    assert [t.get_text() for t in axes.get_yticklabels()] == ["up, seed 1", "down, seed 1"]


def test_pictures_are_sorted_by_their_difference():
    picture = scales.image_differences([step("up", 0.1)], title="pictures")
    assert drawn(picture)
    assert picture.axes[0].lines[1].get_ydata() == pytest.approx([20, 10, 0])


def test_two_seeds_show_what_another_seed_alone_does():
    one, two = step("up", 0.1), replace(step("up", 0.1), seed=2)
    table = two.masks.per_image.assign(a=[0.4, 0.9, 0.5, np.nan])
    two = replace(two, masks=replace(two.masks, per_image=table))
    assert scales.seed_differences([one, step("down", 0.1)]) is None
    noise = scales.seed_differences([one, two])
    assert noise["file_name"].tolist()[:3] == ["x", "y", "w"]
    assert noise["difference"].dropna().tolist() == pytest.approx([0.4, 0, -0.1])
    *_, dashed = scales.image_differences([one, two], title="pictures").axes[0].lines
    assert dashed.get_ydata() == pytest.approx([40, 0, -10])


def test_a_picture_before_and_after_a_step():
    image = np.zeros((20, 30, 3), np.uint8)
    truth, before, after = scales.step_panels(image, step("up", 0.1), "w")
    assert [p.title for p in (truth, before, after)] == ["truth", "before: 50", "after: 60"]
    assert [len(p.overlay) for p in (truth, before, after)] == [1, 1, 0]
    assert truth.overlay.boxes.tolist() == [[4, 5, 8, 9]] and truth.overlay.names == ("Lamp",)
    assert before.overlay.masks.sum() == 16
    assert len(scales.step_panels(image, step("up", 0.1), "w", score=0.1)[1].overlay) == 2


@pytest.mark.parametrize("chart", [scales.step_intervals, scales.image_differences])
def test_no_step_is_no_chart(chart):
    with pytest.raises(ValueError, match="no step was measured"):
        chart([], title="nothing")
