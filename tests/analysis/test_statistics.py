"""Numbers of the dataset analysis, by hand on seven boxes."""

from __future__ import annotations

import pytest

from helpers.data.index import InstanceIndex
from helpers.series.analysis.statistics import instance_table


def test_sizes_are_those_at_1200_pixels(small_index: InstanceIndex):
    table = instance_table(small_index)
    assert len(table) == 6  # the crowd region is left out
    assert table["scale"].tolist() == [2, 2, 2, 1, 1, 2]  # 300 x 1200 has the area of 600 x 600
    assert table["area_1200"].tolist() == [10000, 20000, 240000, 8000, 90000, 24000]
    assert table["side_1200"].iloc[0] == 100
    assert table[["box_w_1200", "box_h_1200"]].iloc[2].tolist() == [600, 400]


def test_shape_columns(small_index: InstanceIndex):
    table = instance_table(small_index)
    assert table["aspect"].tolist() == pytest.approx([1, 2, 2 / 3, 0.8, 1, 0.6])
    assert table["fill"].tolist() == [1] * 6
    assert table["truncated"].tolist() == [False, False, True, False, False, True]


