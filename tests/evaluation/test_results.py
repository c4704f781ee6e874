"""Results as columns: any form in, one form and one order out, and nothing bad let through."""

from types import MappingProxyType

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


def as_dicts(results, truth, **options):
    return list(check_results(results, truth, **options))


def test_plain_results_come_back_as_they_are_in_order(truth, results):
    rows = as_dicts(results, truth)
    expected = sorted(results, key=lambda r: (r["image_id"], r["category_id"], -r["score"]))
    areas = [row.pop("area") for row in rows]
    assert rows == expected
    assert areas == [rle.area(row["segmentation"]) for row in rows]


def test_columns_number_the_ids_of_the_truth(truth, results):
    checked = check_results(results, truth)
    images, categories = (sorted(row["id"] for row in truth[n]) for n in ("images", "categories"))
    pairs = [(row["image_id"], row["category_id"]) for row in checked]
    numbers = zip(checked.image.tolist(), checked.kind.tolist(), strict=True)
    assert [(images[image], categories[kind]) for image, kind in numbers] == pairs
    assert (np.diff(checked.key) >= 0).all() and len(checked) == len(results)


def test_rows_of_equal_scores_are_ordered_by_content(truth, results):
    tied = [row | {"score": 0.5} for row in results] * 2  # some even equal in everything
    tied += [row | {"score": 0.5, "bbox": [0.0, 0.0, 1.0, 1.0]} for row in results]
    expected = as_dicts(tied, truth)
    random = np.random.default_rng(1)
    for _ in range(3):
        assert as_dicts([tied[n] for n in random.permutation(len(tied))], truth) == expected


UNUSUAL = {
    "numpy numbers": lambda row: (
        row
        | {name: np.int64(row[name]) for name in ("image_id", "category_id")}
        | {"score": np.float64(row["score"]), "bbox": np.array(row["bbox"])}
    ),
    "a tuple as box": lambda row: row | {"bbox": tuple(row["bbox"])},
    "not a dict": MappingProxyType,
    "more keys": lambda row: row | {"id": 3, "area": -1, "segmentation": row["segmentation"]},
    "counts as bytes": lambda row: (
        row
        | {
            "segmentation": row["segmentation"]
            | {"counts": row["segmentation"]["counts"].encode("ascii")}
        }
    ),
    "counts as a list": lambda row: (
        row
        | {
            "segmentation": {
                "size": tuple(row["segmentation"]["size"]),
                "counts": rle.runs(row["segmentation"]).tolist(),
            }
        }
    ),
}


@pytest.mark.parametrize("form", UNUSUAL)
@pytest.mark.parametrize("every", [1, 4])
def test_unusual_forms_are_read_as_the_usual_one(truth, results, form, every):
    mixed = [UNUSUAL[form](row) if n % every == 0 else row for n, row in enumerate(results)]
    assert as_dicts(mixed, truth) == as_dicts(results, truth)


def test_whole_numbers_are_numbers(truth, results):
    whole = [row | {"score": 1, "bbox": [1, 2, 3, 4]} for row in results]
    floats = [row | {"score": 1.0, "bbox": [1.0, 2.0, 3.0, 4.0]} for row in results]
    assert as_dicts(whole, truth) == as_dicts(floats, truth)


def test_a_missing_box_is_that_of_the_mask(truth, results):
    bare = [{k: v for k, v in row.items() if k != "bbox"} for row in results]
    for masks in (True, False):
        for row in as_dicts([*bare, *results], truth, masks=masks)[: len(bare)]:
            assert all(type(value) is float for value in row["bbox"])
        boxes = [row["bbox"] for row in as_dicts(bare, truth, masks=masks)]
        assert boxes == [list(rle.bbox(row["segmentation"])) for row in as_dicts(bare, truth)]


def test_masks_that_are_not_asked_for_are_not_looked_at(truth, results):
    broken = [row | {"segmentation": "none"} for row in results]
    expected = [
        {k: v for k, v in row.items() if k not in ("segmentation", "area")}
        for row in as_dicts(results, truth)
    ]
    assert as_dicts(broken, truth, masks=False) == expected
    del broken[2]["bbox"]
    with pytest.raises(UserError, match=r"result 2 .*segmentation is missing"):
        check_results(broken, truth, masks=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 10**400}, "score is 1000"),
        ({"bbox": [0, 0, 10**400, 1]}, "four finite numbers"),
        ({"bbox": [0.0, 0.0, float("nan"), 1.0]}, "four finite numbers"),
        ({"bbox": [0.0, 0.0, True, 1.0]}, "four finite numbers"),
        ({"bbox": None}, "bbox is None"),
        ({"image_id": [1]}, r"image_id \[1\]"),
        ({"image_id": 10**30}, "image_id 1000"),
        ({"category_id": 3.0}, "category_id 3.0"),
        ({"segmentation": {"size": [40, 50], "counts": "0"}}, "RLE runs sum to 0"),
        ({"segmentation": {"size": [50, 40], "counts": [2000]}}, r"its image is \[40, 50\]"),
    ],
)
def test_a_bad_result_among_good_ones_is_named(truth, results, change, message):
    mixed = [row | {"score": 1} if n % 2 else row for n, row in enumerate(results)]
    mixed[5] = mixed[5] | change
    with pytest.raises(UserError, match=f"scored: result 5 .*{message}"):
        check_results(mixed, truth)


def test_neighbouring_ids_too_large_for_floats_are_told_apart():
    ids = [2**53, 2**53 + 1]
    mask = rle.encode(np.eye(4, dtype=bool))
    row = {"category_id": 1, "segmentation": mask, "score": 0.5}
    truth = {
        "images": [{"id": n, "height": 4, "width": 4} for n in ids],
        "categories": [{"id": 1, "name": "chair"}],
    }
    checked = check_results([row | {"image_id": n} for n in ids], truth)
    assert checked.image.tolist() == [0, 1]
    assert [one["image_id"] for one in checked] == ids


def test_no_results_are_no_rows(truth):
    assert as_dicts([], truth) == [] == as_dicts({"annotations": []}, truth)
    assert check_results([], truth).boxes.shape == (0, 4)
