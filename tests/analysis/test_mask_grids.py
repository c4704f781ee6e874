"""Masks through a grid or a few points and back, where the answer can be said beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.data.index import InstanceIndex
from helpers.series.analysis.mask_grids import (
    BoxedMask,
    by_class,
    ceilings,
    mask_iou,
    outline_cells,
    rendered_masks,
    stored_masks,
    summary,
    through_grid,
    through_points,
)

WAYS = ("14 x 14", "28 x 28")


def chair(side: int) -> np.ndarray:
    """A seat on two legs that are 3 % of its width."""
    mask = np.zeros((side, side), bool)
    mask[: side // 3] = True
    leg = max(1, round(0.03 * side))
    mask[:, :leg] = mask[:, -leg:] = True
    return mask


def comb(side: int, teeth: int) -> np.ndarray:
    """Bars and gaps of equal width: an outline as long as one likes."""
    return np.tile((np.arange(side) * 2 * teeth // side % 2 == 0)[None], (side, 1))


@pytest.mark.parametrize("side", [14, 28, 224])
def test_a_filled_box_loses_only_its_corners(side: int):
    """Outside of the grid all is 0, so at a corner of the box a sample can fall below one half."""
    mask = np.ones((90, 60), bool)
    lost = 1 - mask_iou(through_grid(mask, side), mask)
    assert lost <= 4 * (90 / side / 2) * (60 / side / 2) / (90 * 60)


def test_a_hole_wider_than_a_cell_stays():
    mask = np.ones((56, 56), bool)
    mask[14:42, 14:42] = False
    assert mask_iou(through_grid(mask, 28), mask) > 0.97
    assert mask_iou(through_grid(mask, 2), mask) < 0.85


def test_thin_legs_are_lost_on_a_coarse_grid_and_kept_on_a_fine_one():
    mask = chair(300)
    reached = [mask_iou(through_grid(mask, side), mask) for side in (14, 28, 112, 224)]
    assert reached == sorted(reached)
    assert reached[0] < 0.93 < 0.97 < reached[-1]


def test_points_miss_what_they_are_too_few_for():
    mask = comb(672, 16)  # 32 edges: 7,168 cells of the 224 x 224 grid lie on one side of an edge
    few, many, all_ = (mask_iou(through_points(mask, n)[0], mask) for n in (784, 3136, 224**2))
    assert few < many < all_
    assert all_ > 0.98


def test_the_points_of_the_last_step_lie_along_the_outline():
    mask = chair(448)
    asked = through_points(mask, 784)[1]
    assert asked.shape == (784, 2)
    y, x = (asked[:, ::-1] * 448).astype(int).T
    near = [
        mask[max(0, b - 6) : b + 7, max(0, a - 6) : a + 7].mean() for b, a in zip(y, x, strict=True)
    ]
    assert np.mean([0 < share < 1 for share in near]) > 0.9


def test_outline_cells_are_those_an_edge_runs_through():
    mask = np.zeros((448, 448), bool)
    mask[:, :101] = True  # the edge lies in the middle of a cell of 2 px
    assert outline_cells(mask) == 224
    assert outline_cells(np.ones((300, 300), bool)) == 0


@pytest.mark.parametrize("way", [through_grid, through_points])
def test_a_mask_without_a_pixel_is_refused(way):
    with pytest.raises(ValueError, match="without a pixel"):
        way(np.zeros((4, 4), bool), 28)


def test_stored_masks_are_cut_to_their_boxes(small_index: InstanceIndex):
    masks = stored_masks(small_index)
    assert len(masks) == 6  # the crowd region is none of them
    assert [one.mask.shape for one in masks[:3]] == [(50, 50), (100, 50), (200, 300)]
    assert all(one.mask.all() for one in masks)  # every mask fills its box
    assert (masks[0].category, masks[0].picture, masks[5].picture) == ("Nightstand", 600, 600)
    assert len(stored_masks(small_index, limit=2)) == 2


def test_rendered_masks_are_the_pieces_of_generated_rooms():
    masks = rendered_masks(1, size=80)
    assert len(masks) >= 3
    assert all(one.mask.any(axis=0)[[0, -1]].all() for one in masks)  # cut to their boxes


def test_the_table_has_a_row_for_each_mask_and_a_column_for_each_way():
    masks = [BoxedMask(chair(300), "Chair", 1200), BoxedMask(np.ones((60, 60), bool), "Box", 600)]
    table = ceilings(masks, sides=(28,), budgets=(784,))
    assert table["category"].tolist() == ["Chair", "Box"]
    assert table["side_1200"][1] == 120
    assert table["outline"][0] > 400
    assert table["outline"][1] == 0
    assert (table[["28 x 28", "784 points"]].loc[1] > 0.98).all()
    for way in ("28 x 28", "784 points"):
        assert (table[f"boundary {way}"] <= table[way]).all()


def test_the_boundary_is_as_wide_as_in_the_whole_picture():
    """Half of a square of 600 px: in a picture of 600 px its band is 17 px wide, of 6000 px all."""
    mask = np.ones((300, 600), bool)
    mask[130:170, 280:320] = False
    narrow, all_ = ceilings(
        [BoxedMask(mask, "a", 600), BoxedMask(mask, "a", 12000)], sides=(4,), budgets=()
    )["boundary 4 x 4"]
    assert narrow < all_ == pytest.approx(mask_iou(through_grid(mask, 4), mask))


def test_summary_and_classes():
    masks = [BoxedMask(np.ones((9, 9), bool), name, 600) for name in "aab"]
    table = ceilings(masks, sides=(14, 28), budgets=())
    table["14 x 14"] = [0.6, 0.4, 0.96]
    whole = summary(table, WAYS)
    assert whole.loc["14 x 14", "mean_iou"] == pytest.approx(1.96 / 3)
    assert whole.loc["14 x 14", "over_thresholds"] == pytest.approx((3 + 0 + 10) / 30)
    assert whole.loc["28 x 28", "over_thresholds"] == 1
    classes = by_class(table, WAYS)
    assert classes.index[0] == "a"
    assert classes.loc["a", "14 x 14"] == pytest.approx(0.5)
    assert classes["instances"].tolist() == [2, 1]
