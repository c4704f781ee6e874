"""Prediction over an index with a model that sees coloured rectangles."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.config import TtaConfig, change
from helpers.data import rle
from helpers.inference.predict import predict_image, predict_index, to_results

from .painted import CONFIG, PICTURES, ColourModel, paint
from .tiny import TEST, noise_picture, tiny_model


def predict(index, model=None, config=CONFIG):
    return predict_index(model or ColourModel(), index, config=config, progress=False)


def test_results_are_of_the_original_pictures(index):
    results = predict(index)
    json.dumps(results)
    found = [(r["image_id"], r["category_id"]) for r in results]
    assert found == [(7, 4), (7, 9), (31, 4), (31, 9)]
    truth = {(a["image_id"], a["category_id"]): a for a in index.to_coco()["annotations"]}
    for result in results:
        annotation = truth[result["image_id"], result["category_id"]]
        assert set(result) == {"image_id", "category_id", "segmentation", "bbox", "score"}
        assert rle.iou([result["segmentation"]], [annotation["segmentation"]])[0, 0] > 0.85
        np.testing.assert_allclose(result["bbox"], annotation["bbox"], atol=2)


def test_pictures_are_resized_one_at_a_time_in_evaluation_mode(index):
    model = ColourModel().train()
    predict(index, model)
    # short side 60; the tall picture is held back by the limit of 100
    assert model.seen == [((3, 100, 50), False), ((3, 75, 60), False), ((3, 60, 80), False)]
    assert model.training
    model.predict = lambda images: 1 / 0
    with pytest.raises(ZeroDivisionError):
        predict(index, model)
    assert model.training


def test_workers_change_nothing(index):
    assert predict(index, config=change(CONFIG, train__workers=2)) == predict(index)


def test_super_categories_get_their_own_ids(index):
    results = predict(index.in_space("super"))
    assert {result["category_id"] for result in results} == {1, 2}


def test_one_picture_as_in_an_index_without_those_that_have_no_pixel(index):
    found = predict_image(ColourModel(), paint(*PICTURES[0][1:]), CONFIG)
    assert to_results(found, 31, index.taxonomy) == predict(index.subset([31]))
    masks = torch.stack((torch.zeros(7, 7), torch.ones(7, 7)))
    results = to_results(replace(found, masks=masks), 31, index.taxonomy)
    assert [result["category_id"] for result in results] == [9]


@pytest.mark.parametrize("views", [1, 4])
@pytest.mark.parametrize("variant", ["pointrend", "cascade"])
def test_in_bfloat16_the_best_detections_stay_nearly_the_same(variant, views):
    tta = None if views == 1 else TtaConfig(sizes=(64, 96), max_side=160)
    test = replace(TEST, short_side=64, max_side=160, tta=tta)
    model, config = tiny_model(variant, test=test), change(CONFIG, test=test)
    exact = predict_image(model, noise_picture(), config)
    rough = predict_image(model, noise_picture(), change(config, test__precision="bf16"))
    assert {rough.boxes.dtype, rough.scores.dtype, rough.masks.dtype} == {torch.float32}
    assert not torch.equal(rough.scores[:1], exact.scores[:1])
    torch.testing.assert_close(rough.scores[0], exact.scores[0], rtol=0.02, atol=0.01)
