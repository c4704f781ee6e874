"""Masks through a grid and back, where the answer can be said beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.analysis.mask_grids import by_class, grid_ceilings, squeezed_iou, summary
from helpers.data.index import InstanceIndex


def chair(side: int) -> np.ndarray:
    """A seat on two legs that are 3 % of its width."""
    mask = np.zeros((side, side), bool)
    mask[: side // 3] = True
    leg = max(1, round(0.03 * side))
    mask[:, :leg] = mask[:, -leg:] = True
    return mask


@pytest.mark.parametrize("side", [14, 28, 224])
def test_a_filled_box_loses_only_its_corners(side: int):
    """Outside of the grid all is 0, so at a corner of the box a sample can fall below one half."""
    lost = 1 - squeezed_iou(np.ones((90, 60), bool), side)
    assert lost <= 4 * (90 / side / 2) * (60 / side / 2) / (90 * 60)


def test_a_hole_wider_than_a_cell_stays():
    mask = np.ones((56, 56), bool)
    mask[14:42, 14:42] = False
    assert squeezed_iou(mask, 28) > 0.97
    assert squeezed_iou(mask, 2) < 0.85


def test_thin_legs_are_lost_on_a_coarse_grid_and_kept_on_a_fine_one():
    ceilings = [squeezed_iou(chair(300), side) for side in (14, 28, 112, 224)]
    assert ceilings == sorted(ceilings)
    assert ceilings[0] < 0.93 < 0.97 < ceilings[-1]


def test_one_pixel_is_its_own_box():
    assert squeezed_iou(np.ones((1, 1), bool), 28) == 1


def test_a_mask_without_a_pixel_is_refused():
    with pytest.raises(ValueError, match="without a pixel"):
        squeezed_iou(np.zeros((4, 4), bool), 28)


def test_the_table_has_a_row_for_each_instance_and_a_column_for_each_side(
    small_index: InstanceIndex,
):
    table = grid_ceilings(small_index, sides=(14, 28))
    assert len(table) == 6  # the crowd region is none of them
    assert (table[[14, 28]] > 0.98).all(axis=None)  # every mask fills its box
    assert len(grid_ceilings(small_index, sides=(14,), limit=2)) == 2


def test_summary_and_classes(small_index: InstanceIndex):
    table = grid_ceilings(small_index, sides=(14, 28))
    table[14] = [0.6, 0.4, 0.96, 0.96, 0.96, 0.72]
    whole = summary(table, sides=(14, 28))
    assert whole.loc[14, "mean_iou"] == pytest.approx(4.6 / 6)
    assert whole.loc[14, "over_thresholds"] == pytest.approx((3 + 0 + 10 + 10 + 10 + 5) / 60)
    assert whole.loc[28, "over_thresholds"] == 1
    classes = by_class(table, sides=(14, 28))
    assert classes.index[0] == "Nightstand"
    assert classes.loc["Nightstand", 14] == pytest.approx((0.6 + 0.4 + 0.96) / 3)
    assert classes["instances"].tolist() == [3, 3]
