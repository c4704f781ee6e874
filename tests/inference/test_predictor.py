"""One picture in every form people have it in."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.config import TestConfig, TtaConfig, preset
from helpers.data.taxonomy import Category, Taxonomy
from helpers.files import UserError
from helpers.inference.predictor import Prediction, Predictor, read_any
from helpers.structures import Detections

from .tiny import TEST, noise_picture, tiny_model

CLASSES = Taxonomy(tuple(Category(n, f"kind {n}", "thing") for n in (1, 2, 3)), "fine")
PICTURE = noise_picture(48, 64)
PIXELS = np.asarray(PICTURE)
GREY = PIXELS[:, :, [0, 0, 0]]


class Trained:
    """As much of a run as a predictor asks for."""

    config = preset("quick")
    taxonomy = CLASSES

    def model(self, test):
        return tiny_model(test=replace(TEST, max_detections=test.max_detections))


@pytest.fixture(scope="module")
def predictor():
    return Predictor(Trained(), test=TestConfig(short_side=64, max_side=128), device="cpu")


def test_path_picture_and_array_are_one(predictor, tmp_path):
    PICTURE.save(tmp_path / "room.png")
    with_alpha = PICTURE.convert("RGBA")
    forms = (tmp_path / "room.png", str(tmp_path / "room.png"), PICTURE, PIXELS, with_alpha)
    answers = [predictor(form) for form in forms]
    assert len(answers[0]) > 0
    for answer in answers:
        assert torch.equal(answer.boxes, answers[0].boxes)
        assert torch.equal(answer.masks, answers[0].masks)
        assert answer.image_size == (48, 64)
        np.testing.assert_array_equal(answer.image, PIXELS)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (PIXELS[:, :, 0], GREY),
        (PIXELS[:, :, :1], GREY),
        (np.dstack((PIXELS, PIXELS[:, :, 0])), PIXELS),
        (PIXELS.astype(np.uint16) * 257, PIXELS),
        (PIXELS[:, :, 0] > 127, (GREY > 127) * np.uint8(255)),
        (PIXELS[:, ::-1], PIXELS[:, ::-1]),
    ],
)
def test_arrays_of_any_sort(array, expected):
    np.testing.assert_array_equal(np.asarray(read_any(array)), expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (PIXELS / 255, r"float64 values.*uint8"),
        (PIXELS.transpose(2, 0, 1), r"shape \(3, 48, 64\)"),
        (PIXELS[:0], r"shape \(0, 64, 3\)"),
        (torch.zeros(3, 8, 8), "not Tensor"),
        (Image.new("F", (4, 4)), "white is unknown"),
        (Image.new("RGB", (0, 5)), "0 x 5 pixels"),
        ("gone.jpg", r"gone\.jpg"),
    ],
)
def test_what_is_no_picture_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        read_any(wrong)


def test_augmentation_can_be_asked_for(predictor):
    augmented = Predictor(Trained(), test=TestConfig(tta=TtaConfig(sizes=(48, 64))))
    assert not torch.equal(augmented(PICTURE).boxes, predictor(PICTURE).boxes)


@pytest.mark.parametrize(
    ("model", "how", "message"),
    [
        ("quick", {}, r"from a run, not from 'quick'.*find_run"),
        (Trained(), {"device": "gpu"}, "device 'gpu' is not there: choose cpu"),
    ],
)
def test_what_makes_no_predictor_is_refused(model, how, message):
    with pytest.raises(UserError, match=message):
        Predictor(model, **how)


class TestPrediction:
    @pytest.fixture
    def prediction(self):
        return Prediction(
            boxes=torch.tensor([[4.0, 4, 40, 40], [30, 8, 60, 44]]),
            scores=torch.tensor([0.9, 0.4]),
            labels=torch.tensor([0, 2]),
            image_size=(48, 64),
            masks=torch.full((2, 7, 7), 0.9),
            image=PIXELS,
            taxonomy=CLASSES,
        )

    def test_one_by_number_and_one_after_the_other(self, prediction):
        for last in (1, -1, np.int64(1)):
            assert prediction[last].names == ("kind 3",)
        assert [len(one) for one in prediction] == [1, 1]
        with pytest.raises(IndexError):
            prediction[2]

    def test_says_what_it_shows(self, prediction):
        assert repr(prediction) == "2 instances: kind 1 0.90, kind 3 0.40"
        assert repr(prediction[:0]) == "0 instances: nothing found"
        assert prediction[prediction.scores > 0.5].names == ("kind 1",)

    def test_draws_itself(self, prediction):
        bundle = prediction._repr_mimebundle_()
        with Image.open(io.BytesIO(base64.b64decode(bundle["image/jpeg"]))) as jpeg:
            assert jpeg.width > jpeg.height
        # the weaker one is drawn on demand only
        assert prediction[prediction.scores < 0.5]._repr_mimebundle_() != bundle

    def test_is_detections_and_lets_go_of_the_picture(self, prediction):
        assert type(prediction.resized((96, 128))) is Detections
        assert prediction.resized((96, 128)).boxes[0].tolist() == [8, 8, 80, 80]
        assert type(prediction.to("cpu")) is Detections
