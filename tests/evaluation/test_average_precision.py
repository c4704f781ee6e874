"""Scores against pycocotools, against plain loops, and in the cases of the data specification."""

import copy
import logging

import numpy as np
import pytest

from helpers.data import rle
from helpers.evaluation.average_precision import PRESETS, Evaluation, evaluate
from helpers.evaluation.results import truth_as_results
from helpers.files import UserError

from .reference import make_truth, naive_boundary_ap, perturb, pycocotools_metrics

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@pytest.fixture(scope="module")
def truth():
    return make_truth(images=40, size=(400, 480), seed=4)


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
def test_equals_pycocotools_d58(truth, results, preset, kind):
    expected = pycocotools_metrics(truth, results, kind, preset)
    metrics = evaluate(truth, results, preset=preset, kinds=(kind,)).metrics[kind]
    assert ((expected > 0.02) & (expected < 0.98)).all(), "too easy to tell anything"
    np.testing.assert_allclose(list(metrics.values()), expected, rtol=0, atol=1e-6)


def test_equals_pycocotools_without_crowds_or_where_areas_are_missing_d58():
    truth = make_truth(images=6, size=(40, 50), seed=3, crowds=False)
    results = perturb(truth, seed=4)
    expected = pycocotools_metrics(truth, results, "segm", "coco")
    values = list(evaluate(truth, results, kinds=("segm",)).metrics["segm"].values())
    assert (expected == -1).any()  # nothing is as large as 96^2
    np.testing.assert_allclose(values, np.where(expected == -1, np.nan, expected), atol=1e-6)


def test_boundary_ap_equals_plain_loops():
    truth = make_truth(images=12, size=(90, 110), seed=5)
    results = perturb(truth, seed=6)
    evaluation = evaluate(truth, results, kinds=("boundary", "segm"))
    expected = naive_boundary_ap(truth, results)
    for row in evaluation.classes:
        value = row.metrics["boundary"]["AP"]
        np.testing.assert_allclose(value, expected.get(row.category_id, np.nan), atol=1e-9)
    mean = np.mean(list(expected.values()))
    assert evaluation.metrics["boundary"]["AP"] == pytest.approx(mean, abs=1e-9)
    assert mean < evaluation.metrics["segm"]["AP"]


def test_truth_against_itself_is_one_d57(truth):
    metrics = evaluate(truth, truth_as_results(truth, crowds=False)).metrics
    assert {values[name] for values in metrics.values() for name in NAMES[:6]} == {1.0}


def test_no_results_score_zero_d46(truth):
    evaluation = evaluate(truth, [])
    assert {values[name] for values in evaluation.metrics.values() for name in NAMES} == {0.0}


@pytest.mark.parametrize("annotations", [[], [one_square(id=4, area=400, iscrowd=1)]])
def test_nothing_to_find_is_nan(annotations):
    truth = square_truth() | {"annotations": annotations}
    for found in ([], [one_square()]):
        evaluation = evaluate(truth, found)
        assert np.isnan([evaluation.metrics[kind]["AP"] for kind in evaluation.metrics]).all()
        assert evaluation.instances == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"image_id": 77}, "image_id 77", id="D47-unknown-image"),
        pytest.param({"image_id": "1"}, "image_id '1'", id="D47-image-as-text"),
        pytest.param({"category_id": 99}, "category_id 99", id="D48-unknown-category"),
        pytest.param({"category_id": True}, "category_id True", id="D48-truth-value"),
        pytest.param({"score": None}, "score is None", id="D49-none"),
        pytest.param({"score": float("nan")}, "score is nan", id="D49-nan"),
        pytest.param({"score": 1.5}, "score is 1.5", id="D49-above-1"),
        pytest.param({"score": -0.1}, "score is -0.1", id="D49-below-0"),
        pytest.param({"score": "0.9"}, "score is '0.9'", id="D49-text"),
        pytest.param({"segmentation": None}, "segmentation is missing", id="no-mask"),
        pytest.param(
            {"segmentation": {"size": [80, 60], "counts": [4800]}},
            r"\[80, 60\], its image is \[60, 80\]",
            id="mask-of-swapped-size",
        ),
        pytest.param(
            {"segmentation": {"size": [60, 80], "counts": [4000]}},
            "RLE runs sum to 4000",
            id="mask-too-short",
        ),
        pytest.param({"bbox": [1, 2, 3]}, "bbox", id="box-of-three"),
        pytest.param({"bbox": [1, 2, float("inf"), 3]}, "bbox", id="box-infinite"),
        pytest.param({"bbox": [1, 2, -3, 3]}, "negative", id="box-negative"),
    ],
)
def test_bad_result_is_named(change, message):
    results = [one_square(), one_square(**change)]
    with pytest.raises(UserError, match=f"result 1 .*{message}"):
        evaluate(square_truth(), results)


def test_missing_score_is_named_d49():
    result = one_square()
    del result["score"]
    with pytest.raises(UserError, match=r"result 0 \(image_id 1\): score is None"):
        evaluate(square_truth(), [result])


def test_many_bad_results_are_counted():
    with pytest.raises(UserError, match=r"result 9 .*; and 15 more"):
        evaluate(square_truth(), [one_square(score=2)] * 25)


@pytest.mark.parametrize("results", ["results.json", 3, {"images": []}, [[1]]])
def test_other_shapes_are_refused(results):
    with pytest.raises(UserError, match="found"):
        evaluate(square_truth(), results)


def test_both_shapes_of_a_file_are_read_d50():
    listed = evaluate(square_truth(), [one_square()])
    wrapped = evaluate(square_truth(), {"images": [], "annotations": [one_square()]})
    assert listed.metrics["segm"]["AP50"] == wrapped.metrics["segm"]["AP50"] == 1


def test_any_form_of_mask_is_read_d51():
    text = one_square()["segmentation"]
    forms = [
        text,
        text | {"counts": text["counts"].encode()},
        text | {"counts": rle.runs(text).tolist()},
        [[20, 10, 40, 10, 40, 30, 20, 30]],
    ]
    for form in forms:
        evaluation = evaluate(square_truth(), [one_square(segmentation=form)])
        assert evaluation.metrics["boundary"]["AP"] == 1


def test_size_of_a_detection_is_that_of_its_mask_d52():
    """A thin L is small though its box is not: it is a false alarm among the small ones."""
    mask = np.zeros((60, 80), bool)
    mask[:60, 0:2], mask[58:, :80] = True, True
    result = one_square(segmentation=rle.encode(mask), bbox=[0, 0, 80, 60])
    coco = PRESETS["coco"]
    assert mask.sum() < coco.small_below < 80 * 60 < coco.large_above
    scores = evaluate(square_truth(), [result, one_square(score=0.5)]).metrics["segm"]
    assert scores["APs"] == pytest.approx(0.5)  # the L is a small false alarm, ranked first


def test_presets_differ_and_are_printed_d53(truth, results):
    coco, future3d = (evaluate(truth, results, preset=p, kinds=("segm",)) for p in PRESETS)
    for name in ("APs", "APm", "APl"):
        assert coco.metrics["segm"][name] != future3d.metrics["segm"][name]
    assert "preset coco (areas 32^2 and 96^2, 100 detections" in str(coco)
    assert "preset future3d (areas 113^2 and 256^2, 10 detections" in repr(future3d)
    assert {"AR1", "AR5", "AR10"} < set(future3d.metrics["segm"])


def test_class_without_truth_is_left_out_of_the_mean_d54():
    chair, lamp = evaluate(square_truth(), [one_square(), one_square(category_id=8)]).classes
    assert (chair.instances, lamp.instances, lamp.detections) == (1, 0, 1)
    assert chair.metrics["segm"]["AP"] == 1
    assert np.isnan(lamp.metrics["segm"]["AP"])


def test_class_without_detection_scores_zero_d54():
    truth = square_truth()
    truth["annotations"].append(truth["annotations"][0] | {"id": 5, "category_id": 8})
    evaluation = evaluate(truth, [one_square()])
    assert [row.metrics["segm"]["AP"] for row in evaluation.classes] == [1, 0]
    assert evaluation.metrics["segm"]["AP"] == 0.5


@pytest.mark.parametrize(("preset", "limit"), [("coco", 100), ("future3d", 10)])
def test_detections_above_the_limit_are_ignored_with_a_warning_d55(preset, limit, caplog):
    truth, elsewhere = square_truth(), np.zeros((60, 80), bool)
    elsewhere[40:50, 60:70] = True
    misses = [one_square(segmentation=rle.encode(elsewhere), score=0.8)] * (limit + 2)
    hit_last = one_square(score=0.1)
    with caplog.at_level(logging.WARNING):
        evaluation = evaluate(truth, [*misses, hit_last], preset=preset)
    assert evaluation.metrics["segm"]["AP"] == 0
    assert f"{limit} detections an image and class: 3 less confident ones" in caplog.text
    assert evaluate(truth, [*misses[: limit - 1], hit_last], preset=preset).metrics["segm"]["AP"]


def test_equal_scores_do_not_depend_on_the_order_d56(truth, results):
    tied = [result | {"score": round(result["score"], 1)} for result in results]
    random = np.random.default_rng(7)
    scores = set()
    for _ in range(4):
        shuffled = [tied[i] for i in random.permutation(len(tied))]
        scores.add(str(evaluate(truth, shuffled, kinds=("segm", "bbox")).to_dict()))
    assert len(scores) == 1


def test_annotation_ids_do_not_matter(truth, results):
    """An id of 0, or ids used twice, must not cost a match."""
    renumbered = copy.deepcopy(truth)
    for annotation in renumbered["annotations"]:
        annotation["id"] = 0
    assert (
        evaluate(renumbered, results, kinds=("segm",)).metrics
        == evaluate(truth, results, kinds=("segm",)).metrics
    )


def test_inputs_are_left_as_they_are(truth, results):
    before = copy.deepcopy((truth, results))
    evaluate(truth, results, preset="future3d")
    assert (truth, results) == before


def test_boxes_alone_can_be_scored():
    result = one_square()
    del result["segmentation"]
    assert evaluate(square_truth(), [result], kinds=("bbox",)).metrics["bbox"]["AP"] == 1


def test_counts(truth, results):
    evaluation = evaluate(truth, results, kinds=("bbox",))
    crowds = sum(annotation["iscrowd"] for annotation in truth["annotations"])
    assert crowds > 0
    assert evaluation.images == 40
    assert evaluation.instances == len(truth["annotations"]) - crowds
    assert evaluation.detections == len(results) == sum(c.detections for c in evaluation.classes)


def test_unknown_preset_and_kind_are_refused():
    with pytest.raises(UserError, match="choose one of coco, future3d"):
        evaluate(square_truth(), [], preset="lvis")
    with pytest.raises(UserError, match="choose among segm, boundary, bbox"):
        evaluate(square_truth(), [], kinds=("keypoints",))


@pytest.mark.parametrize("missing", ["images", "annotations", "categories"])
def test_a_truth_that_is_none_is_refused(missing):
    truth = square_truth()
    del truth[missing]
    with pytest.raises(UserError, match=f"the truth has no {missing}: give"):
        evaluate(truth, [])
    with pytest.raises(UserError, match="has no images, annotations, categories"):
        evaluate({}, [])


def test_dict_round_trip_keeps_everything(truth, results):
    evaluation = evaluate(truth, results, kinds=("segm",))
    values = evaluation.to_dict()
    assert values["classes"][-1]["metrics"]["segm"]["AP"] is None  # JSON has no NaN
    assert Evaluation.from_dict(values).to_dict() == values
    assert str(Evaluation.from_dict(values)) == str(evaluation)
