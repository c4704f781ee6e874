"""Numbers of the dataset analysis and the fate of each instance, by hand on seven boxes."""

from __future__ import annotations

import pytest

from helpers.data.index import InstanceIndex
from helpers.series.analysis.failures import fate_shares, fates, worst_images
from helpers.series.analysis.statistics import instance_table

from .conftest import IMAGES, box_rle


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


def result(image: int, category: int, *box: int, score: float = 0.9) -> dict:
    return {
        "image_id": image,
        "category_id": category,
        "score": score,
        "segmentation": box_rle(IMAGES[image], *box),
    }


RESULTS = [
    result(1, 1, 10, 10, 50, 50),  # found
    result(1, 2, 100, 10, 50, 100),  # a Nightstand called Bed Frame
    result(1, 2, 0, 200, 300, 50),  # a quarter of the Bed Frame
    result(2, 2, 100, 100, 100, 80, score=0.3),  # too unsure to count
    result(3, 2, 1100, 100, 100, 60),  # found
]


def test_each_fate(small_index: InstanceIndex):
    table = fates(small_index, RESULTS, score=0.5)
    assert table["fate"].tolist() == [
        "found", "wrong class", "poor mask", "missed", "missed", "found"
    ]  # fmt: skip
    assert table["iou"].tolist() == pytest.approx([1, 0, 0.25, 0, 0, 1])
    assert table["any_iou"].tolist() == pytest.approx([1, 1, 0.25, 0, 0, 1])
    assert worst_images(table, 2) == [2, 1]
    assert fates(small_index, RESULTS, score=0.2)["fate"].iloc[3] == "found"
    assert set(fates(small_index, [])["fate"]) == {"missed"}


def test_super_classes_forgive_the_fine_name(small_index: InstanceIndex):
    bunk = [result(3, 2, 1100, 100, 100, 60)]  # id 2 in the space of groups is "Bed"
    table = fates(small_index.in_space("super"), bunk)
    assert table["fate"].iloc[-1] == "found"


def test_shares_sum_to_one_and_end_with_all(small_index: InstanceIndex):
    table = fate_shares(fates(small_index, RESULTS), by="supercategory")
    assert table.index[-1] == "all"
    assert table.loc["all", ["found", "missed"]].tolist() == pytest.approx([2 / 6, 2 / 6])
    assert table[["found", "wrong class", "poor mask", "missed"]].sum(axis=1).tolist() == [1, 1, 1]
    assert table["instances"].tolist() == [3, 3, 6]
