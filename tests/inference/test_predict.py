"""Prediction over an index with a model that sees coloured rectangles."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from helpers.config import TtaConfig, change
from helpers.data import rle
from helpers.evaluation.average_precision import evaluate
from helpers.inference.predict import predict_image, predict_index, to_results

from .painted import CONFIG, PICTURES, ColourModel, paint
from .tiny import TEST, noise_picture, tiny_model


def test_results_carry_original_ids_and_sizes(index):
    results = predict_index(ColourModel(), index, config=CONFIG, progress=False)
    assert [(r["image_id"], r["category_id"]) for r in results] == [
        (7, 4),
        (7, 9),
        (31, 4),
        (31, 9),
    ]
    sizes = {image_id: list(size) for image_id, size, *_ in PICTURES}
    for result in results:
        assert result["segmentation"]["size"] == sizes[result["image_id"]]
        assert set(result) == {"image_id", "category_id", "segmentation", "bbox", "score"}
    json.dumps(results)


def test_masks_and_boxes_come_back_to_the_original_pixels(index):
    results = predict_index(ColourModel(), index, config=CONFIG, progress=False)
    truth = {(a["image_id"], a["category_id"]): a for a in index.to_coco()["annotations"]}
    for result in results:
        annotation = truth[result["image_id"], result["category_id"]]
        assert rle.iou([result["segmentation"]], [annotation["segmentation"]])[0, 0] > 0.85
        np.testing.assert_allclose(result["bbox"], annotation["bbox"], atol=2)
    assert evaluate(index, results).metrics["segm"]["AP50"] == 1


def test_pictures_are_resized_one_at_a_time_in_evaluation_mode(index):
    model = ColourModel().train()
    predict_index(model, index, config=CONFIG, progress=False)
    # short side 60; the tall picture is held back by the limit of 100
    assert model.seen == [((3, 100, 50), False), ((3, 75, 60), False), ((3, 60, 80), False)]
    assert model.training


def test_mode_is_restored_after_an_error(index):
    model = ColourModel().train()
    model.predict = lambda images: 1 / 0
    with pytest.raises(ZeroDivisionError):
        predict_index(model, index, config=CONFIG, progress=False)
    assert model.training


def test_workers_change_nothing(index):
    alone = predict_index(ColourModel(), index, config=CONFIG, progress=False)
    shared = change(CONFIG, train__workers=2)
    assert predict_index(ColourModel(), index, config=shared, progress=False) == alone


def test_super_categories_get_their_own_ids(index):
    results = predict_index(ColourModel(), index.in_space("super"), config=CONFIG, progress=False)
    assert {result["category_id"] for result in results} == {1, 2}


def test_one_picture_as_in_an_index(index):
    found = predict_image(ColourModel(), paint(*PICTURES[0][1:]), CONFIG)
    assert found.image_size == (90, 120)
    expected = predict_index(ColourModel(), index.subset([31]), config=CONFIG, progress=False)
    assert to_results(found, 31, index.taxonomy) == expected


def test_grey_picture_is_read():
    grey = paint(*PICTURES[0][1:]).convert("L")
    assert predict_image(ColourModel(), grey, CONFIG).image_size == (90, 120)


def test_detections_without_a_pixel_are_dropped(index):
    found = predict_image(ColourModel(), paint(*PICTURES[0][1:]), CONFIG)
    masks = torch.stack((torch.zeros(7, 7), torch.ones(7, 7)))
    results = to_results(dataclasses.replace(found, masks=masks), 31, index.taxonomy)
    assert [result["category_id"] for result in results] == [9]


@pytest.mark.parametrize("views", [1, 4])
@pytest.mark.parametrize("variant", ["mask_rcnn", "pointrend", "cascade"])
def test_in_bfloat16_the_best_detections_stay_nearly_the_same(variant, views):
    tta = None if views == 1 else TtaConfig(sizes=(64, 96), max_side=160)
    test = dataclasses.replace(TEST, short_side=64, max_side=160, tta=tta)
    model, config = tiny_model(variant, test=test), change(CONFIG, test=test)
    exact = predict_image(model, noise_picture(), config)
    rough = predict_image(model, noise_picture(), change(config, test__precision="bf16"))
    assert len(exact) and len(rough)
    assert {rough.boxes.dtype, rough.scores.dtype, rough.masks.dtype} == {torch.float32}
    assert not torch.equal(rough.scores[:1], exact.scores[:1])
    torch.testing.assert_close(rough.scores[0], exact.scores[0], rtol=0.02, atol=0.01)


def test_sixteen_bits_of_a_gpu_are_refused_on_a_cpu(index):
    config = change(CONFIG, test__precision="fp16")
    with pytest.raises(ValueError, match="needs a GPU"):
        predict_index(ColourModel(), index, config=config, progress=False)
