"""Scores against pycocotools, against plain loops, and in the cases that evaluators get wrong."""

import logging

import numpy as np
import pytest

from helpers.data import rle
from helpers.evaluation.average_precision import Evaluation, evaluate
from helpers.evaluation.tables import class_table, comparison_table
from helpers.files import UserError

from .reference import CATEGORIES, make_truth, perturb, pycocotools_scores, truth_as_results


@pytest.fixture(scope="module")
def truth():
    return make_truth(images=20, size=(400, 480), seed=4)


@pytest.fixture(scope="module")
def results(truth):
    return perturb(truth, seed=2, copies=2)


def one_square(**changes) -> dict:
    """Results: one square, as the truth of `square_truth` has it, with changes."""
    mask = np.zeros((60, 80), bool)
    mask[10:30, 20:40] = True
    return {
        "image_id": 1,
        "category_id": 7,
        "segmentation": rle.encode(mask),
        "bbox": [20.0, 10.0, 20.0, 20.0],
        "score": 0.9,
    } | changes


def square_truth() -> dict:
    square = one_square(id=0, area=400, iscrowd=0)
    del square["score"]
    return {
        "images": [{"id": 1, "height": 60, "width": 80, "file_name": "1.jpg"}],
        "annotations": [square],
        "categories": [{"id": 7, "name": "chair"}, {"id": 8, "name": "lamp"}],
    }


@pytest.mark.parametrize("kind", ["segm", "bbox"])
@pytest.mark.parametrize("preset", ["coco", "future3d"])
def test_equals_pycocotools(truth, results, preset, kind):
    expected, by_class = pycocotools_scores(truth, results, kind, preset)
    assert min(expected) > 0.02 and max(expected) < 0.98, "too easy to tell anything"
    found = evaluate(truth, results, preset=preset, kinds=(kind,))
    np.testing.assert_allclose(list(found.metrics[kind].values()), expected, rtol=0, atol=1e-9)
    classes = [row.metrics[kind]["AP"] for row in found.classes]
    np.testing.assert_allclose(classes, by_class, rtol=0, atol=1e-9)


def test_truth_against_itself_is_one_and_nothing_is_zero(truth):
    perfect = evaluate(truth, truth_as_results(truth, crowds=False)).metrics
    empty = evaluate(truth, []).metrics
    for kind in perfect:
        assert {perfect[kind][name] for name in ("AP", "AP50", "APs", "APl", "AR100")} == {1.0}
        assert set(empty[kind].values()) == {0.0}


@pytest.mark.parametrize("annotations", [[], [one_square(id=4, area=400, iscrowd=1)]])
def test_nothing_to_find_is_nan(annotations):
    truth = square_truth() | {"annotations": annotations}
    for found in ([], [one_square()]):
        evaluation = evaluate(truth, found)
        assert np.isnan([scores["AP"] for scores in evaluation.metrics.values()]).all()
        assert evaluation.instances == 0


def test_classes_without_truth_or_detections():
    truth = square_truth()
    chair, lamp = evaluate(truth, [one_square(), one_square(category_id=8)]).classes
    assert (chair.instances, lamp.instances, lamp.detections) == (1, 0, 1)
    assert chair.metrics["segm"]["AP"] == 1 and np.isnan(lamp.metrics["segm"]["AP"])
    truth["annotations"].append(truth["annotations"][0] | {"id": 5, "category_id": 8})
    assert evaluate(truth, [one_square()]).metrics["segm"]["AP"] == 0.5


@pytest.mark.parametrize(("preset", "limit"), [("coco", 100), ("future3d", 10)])
def test_detections_above_the_limit_are_ignored_with_a_warning(preset, limit, caplog):
    elsewhere = np.zeros((60, 80), bool)
    elsewhere[40:50, 60:70] = True
    misses = [one_square(segmentation=rle.encode(elsewhere), score=0.8)] * (limit + 2)
    hit_last = one_square(score=0.1)
    with caplog.at_level(logging.WARNING):
        evaluation = evaluate(square_truth(), [*misses, hit_last], preset=preset)
    assert evaluation.metrics["segm"]["AP"] == 0 and "3 less confident" in caplog.text
    some = evaluate(square_truth(), [*misses[: limit - 1], hit_last], preset=preset)
    assert some.metrics["segm"]["AP"] > 0


def test_equal_scores_do_not_depend_on_the_order(truth, results):
    tied = [result | {"score": round(result["score"], 1)} for result in results]
    random, kinds = np.random.default_rng(7), ("segm", "bbox")
    orders = (random.permutation(len(tied)) for _ in range(3))
    scores = {str(evaluate(truth, [tied[i] for i in o], kinds=kinds).to_dict()) for o in orders}
    assert len(scores) == 1


def test_boxes_alone_can_be_scored_and_unknown_presets_not():
    result = one_square()
    del result["segmentation"]
    assert evaluate(square_truth(), [result], kinds=("bbox",)).metrics["bbox"]["AP"] == 1
    with pytest.raises(UserError, match="coco, future3d"):
        evaluate(square_truth(), [], preset="lvis")


def test_it_prints_its_preset_and_comes_back_from_json(truth, results):
    evaluation = evaluate(truth, results, preset="future3d", kinds=("segm",))
    assert "areas 113^2 and 256^2, 10 detections" in str(evaluation)
    values = evaluation.to_dict()
    assert values["classes"][-1]["metrics"]["segm"]["AP"] is None  # JSON has no NaN
    assert Evaluation.from_dict(values).to_dict() == values
    assert str(Evaluation.from_dict(values)) == str(evaluation)


def test_tables_in_percent(truth, results):
    ours = evaluate(truth, results)
    masks_only = evaluate(truth, [], preset="future3d", kinds=("segm",))
    table = comparison_table({"ours": ours, "empty": masks_only})
    assert list(table.index) == ["ours", "empty"] and len(comparison_table({})) == 0
    assert list(table["preset"]) == ["coco", "future3d"]
    assert table.loc["ours", "AP"] == round(100 * ours.metrics["segm"]["AP"], 2)
    assert table.loc["ours", "boundary AP"] == round(100 * ours.metrics["boundary"]["AP"], 2)
    assert table.loc["empty", "AP"] == 0 and np.isnan(table.loc["empty", "boundary AP"])
    by_class = class_table(ours)
    assert list(by_class.index) == list(CATEGORIES)
    assert by_class["instances"].sum() == ours.instances
    assert by_class["AP"].mean() == pytest.approx(100 * ours.metrics["segm"]["AP"], abs=0.01)
    assert np.isnan(by_class.loc[CATEGORIES[-1], "AP"])
