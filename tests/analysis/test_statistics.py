"""Numbers of the dataset analysis, by hand on seven boxes."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.data.index import InstanceIndex
from helpers.series.analysis.statistics import (
    PAPER,
    beside_paper,
    class_counts,
    co_occurrence,
    instance_table,
    instances_per_image,
    percentiles,
    share_above,
    summarise,
)


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


def test_class_counts_are_sorted_and_keep_absent_classes(small_index: InstanceIndex):
    counts = class_counts(small_index)
    assert counts["category"].tolist() == ["Nightstand", "Bed Frame", "Bunk Bed", "Lamp"]
    assert counts["instances"].tolist() == [3, 3, 0, 0]
    assert counts["images"].tolist() == [2, 3, 0, 0]
    assert counts["share"].tolist() == [0.5, 0.5, 0, 0]


def test_pictures_without_instances_count_as_zero(small_index: InstanceIndex):
    assert instances_per_image(small_index).tolist() == [3, 2, 1, 0]


def test_shares_are_strictly_above_the_edge(small_index: InstanceIndex):
    table = instance_table(small_index)
    assert share_above(table, 96**2) == pytest.approx(5 / 6)
    assert share_above(table, 10_000) == pytest.approx(4 / 6)
    assert np.isnan(share_above(table.iloc[:0], 96**2))


def test_summary_and_its_place_beside_the_paper(small_index: InstanceIndex):
    found = summarise(small_index)
    assert (found.images, found.instances, found.classes) == (4, 6, 2)
    assert found.instances_per_image == 1.5
    assert found.over_256 == pytest.approx(2 / 6)
    assert found.imbalance == 1
    table = beside_paper(found, name="seven boxes")
    assert table.loc["instances", "seven boxes"] == "6"
    assert table.loc["instances", "paper (3D-FUTURE train)"] == "61,010"
    assert PAPER.instances / PAPER.images == pytest.approx(PAPER.instances_per_image, abs=0.005)
    assert table.loc["mask larger than 256 x 256"].tolist() == ["> 25%", "33.3%"]


def test_co_occurrence_by_hand(small_index: InstanceIndex):
    found = co_occurrence(small_index)
    assert list(found) == list(found.index) == ["Bed", "Cabinet"]
    assert found.loc["Bed", "Cabinet"] == pytest.approx(2 / 3)  # of three pictures with beds
    assert found.loc["Cabinet", "Bed"] == 1
    assert found.loc["Cabinet", "Cabinet"] == 0.5  # picture 1 has two of them
    assert found.loc["Bed", "Bed"] == 0


def test_percentiles_name_themselves_and_refuse_nothing():
    found = percentiles(np.arange(101), (5, 50))
    assert found.to_dict() == {"5 %": 5, "50 %": 50}
    with pytest.raises(ValueError, match="no instances"):
        percentiles(np.zeros(0))
