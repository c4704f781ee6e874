"""Tables of evaluations."""

import numpy as np
import pytest

from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.tables import class_table, comparison_table

from .reference import CATEGORIES, make_truth, perturb


@pytest.fixture(scope="module")
def truth():
    return make_truth(images=8, size=(80, 90), seed=1)


@pytest.fixture(scope="module")
def evaluation(truth):
    return evaluate(truth, perturb(truth, seed=2))


def test_one_row_a_run_in_percent_with_its_preset(truth, evaluation):
    masks_only = evaluate(truth, [], preset="future3d", kinds=("segm",))
    table = comparison_table({"ours": evaluation, "empty": masks_only})
    assert list(table.index) == ["ours", "empty"]
    assert list(table.columns) == [
        *("AP", "AP50", "AP75", "APs", "APm", "APl", "boundary AP", "preset")
    ]
    assert list(table["preset"]) == ["coco", "future3d"]
    assert table.loc["ours", "AP"] == round(100 * evaluation.metrics["segm"]["AP"], 2)
    boundary = round(100 * evaluation.metrics["boundary"]["AP"], 2)
    assert table.loc["ours", "boundary AP"] == boundary
    assert table.loc["empty", "AP"] == 0
    assert np.isnan(table.loc["empty", "boundary AP"])


def test_no_runs_make_an_empty_table():
    assert len(comparison_table({})) == 0


def test_one_row_a_class(truth, evaluation):
    table = class_table(evaluation)
    assert list(table.index) == list(CATEGORIES)
    assert table["instances"].sum() == evaluation.instances
    assert table["detections"].sum() == evaluation.detections
    assert table["AP"].mean() == pytest.approx(100 * evaluation.metrics["segm"]["AP"], abs=0.01)
    assert np.isnan(table.loc[CATEGORIES[-1], "AP"])


def test_a_kind_that_was_not_scored_is_an_error(truth):
    with pytest.raises(KeyError, match="boundary"):
        class_table(evaluate(truth, [], kinds=("segm",)), "boundary")
