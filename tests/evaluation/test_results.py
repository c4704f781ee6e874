"""Results of any form in, one form and one order out, and nothing bad let through."""

import numpy as np
import pytest

from helpers.data import rle
from helpers.evaluation.results import check_results
from helpers.files import UserError

from .reference import make_truth, perturb


@pytest.fixture(scope="module")
def truth():
    return make_truth(images=6, size=(40, 50), seed=8)


@pytest.fixture(scope="module")
def results(truth):
    return perturb(truth, seed=9)


def test_plain_results_come_back_as_they_are_in_order(truth, results):
    rows = check_results(results, truth)
    expected = sorted(results, key=lambda r: (r["image_id"], r["category_id"], -r["score"]))
    areas = [row.pop("area") for row in rows]
    assert rows == expected
    assert areas == [rle.area(row["segmentation"]) for row in rows]
    assert check_results([], truth) == [] == check_results({"annotations": []}, truth)


def test_rows_of_equal_scores_are_ordered_by_content(truth, results):
    tied = [row | {"score": 0.5} for row in results] * 2  # some even equal in everything
    tied += [row | {"score": 0.5, "bbox": [0.0, 0.0, 1.0, 1.0]} for row in results]
    expected, random = check_results(tied, truth), np.random.default_rng(1)
    shuffled = [tied[n] for n in random.permutation(len(tied))]
    assert check_results(shuffled, truth) == expected


UNUSUAL = {
    "numpy": lambda row: (
        row
        | {name: np.int64(row[name]) for name in ("image_id", "category_id")}
        | {"score": np.float64(row["score"]), "bbox": np.array(row["bbox"])}
    ),
    "more keys": lambda row: row | {"id": 3, "area": -1},
    "bytes": lambda row: row | {"segmentation": _with(row, lambda text: text.encode())},
    "list": lambda row: (
        row | {"segmentation": _with(row, lambda _: rle.runs(row["segmentation"]).tolist())}
    ),
}


def _with(row, change):
    return row["segmentation"] | {"counts": change(row["segmentation"]["counts"])}


@pytest.mark.parametrize("form", UNUSUAL)
def test_unusual_forms_are_read_as_the_usual_one(truth, results, form):
    mixed = [UNUSUAL[form](row) if n % 2 else row for n, row in enumerate(results)]
    assert check_results(mixed, truth) == check_results(results, truth)


def test_polygons_are_masks_and_a_missing_box_is_that_of_the_mask(truth, results):
    square = results[0] | {"segmentation": [[20, 10, 30, 10, 30, 30, 20, 30]]}
    del square["bbox"]
    [row] = check_results([square], truth)
    assert (row["bbox"], row["area"]) == ([20.0, 10.0, 10.0, 20.0], 200)


BAD = {
    "unknown image": ({"image_id": 5}, "no picture 5"),
    "unknown category": ({"category_id": 99}, "category_id 99 .*3 kind 3"),
    "truth value": ({"category_id": True}, "category_id True"),
    "no score": ({"score": None}, "score is None"),
    "nan": ({"score": float("nan")}, "score is nan"),
    "huge": ({"score": 10**400}, "score is 1000"),
    "no mask": ({"segmentation": None}, "segmentation is missing"),
    "swapped": ({"segmentation": {"size": [50, 40], "counts": [2000]}}, r"image is \[40, 50\]"),
    "too short": ({"segmentation": {"size": [40, 50], "counts": [1000]}}, "1000"),
    "infinite": ({"bbox": [1, 2, float("inf"), 3]}, "bbox"),
    "negative": ({"bbox": [1, 2, -3, 3]}, "bbox"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_result_among_good_ones_is_named(truth, results, what):
    change, message = BAD[what]
    mixed = [row | change if n == 5 else row for n, row in enumerate(results)]
    with pytest.raises(UserError, match=f"result 5 .*{message}"):
        check_results(mixed, truth)


def test_many_bad_results_are_counted_and_other_shapes_refused(truth, results):
    with pytest.raises(UserError, match=r"result 9 .*; and 15 more"):
        check_results([results[0] | {"score": 2}] * 25, truth)
    for odd in ("results.json", 3, {"images": []}, [[1]]):
        with pytest.raises(UserError, match="found"):
            check_results(odd, truth)
