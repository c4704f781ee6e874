"""The fate of each instance of the small data set, under results made to order."""

from __future__ import annotations

import pytest

from helpers.data.index import InstanceIndex
from helpers.series.analysis.failures import fate_shares, fates, worst_images

from .conftest import IMAGES, box_rle


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


def test_a_lower_score_lets_more_in(small_index: InstanceIndex):
    table = fates(small_index, RESULTS, score=0.2)
    assert table["fate"].iloc[3] == "found"


def test_no_results_at_all(small_index: InstanceIndex):
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


def test_worst_images_come_first(small_index: InstanceIndex):
    assert worst_images(fates(small_index, RESULTS), 2) == [2, 1]
