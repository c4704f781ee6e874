"""Merging by hand, and test-time augmentation of small models with random weights."""

from dataclasses import replace

import pytest
import torch
from PIL import ImageOps
from torch import nn

from helpers.config import TestConfig, TtaConfig, change, preset
from helpers.inference.predict import predict_image, resized_images
from helpers.inference.tta import AugmentedPicture, merge, mirrored, views_of
from helpers.structures import Detections

from .tiny import TEST, VARIANTS, noise_picture, tiny_model

SIZE = (64, 96)
PLAIN = replace(preset("quick"), test=replace(TEST, short_side=64, max_side=128))
TWO = TtaConfig(sizes=(64, 96), merge="max")


def found(*rows, size=(100, 100)) -> Detections:
    """Detections of (x1, y1, x2, y2, score, label), best first."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].long(), size)


def with_tta(**fields):
    return change(PLAIN, test__tta=TtaConfig(**{"sizes": (64,), "flip": False, **fields}))


def look_at(model, images) -> AugmentedPicture:
    picture = AugmentedPicture(model, dict(zip(TWO.sizes, images, strict=True)), SIZE)
    for view in views_of(TWO):
        picture.look(view)
    return picture


class TestMerge:
    # the same thing in two of three views, shifted by 2 of 20 px (IoU 0.82); another class beside
    VIEWS = (
        found((10, 10, 30, 30, 0.9, 0), (10, 10, 30, 30, 0.3, 1)),
        found((12, 10, 32, 30, 0.6, 0)),
        found(),
    )

    @pytest.mark.parametrize(
        ("mode", "box", "scores"),
        [
            ("max", [10, 10, 30, 30], [0.9, 0.3]),
            ("mean", [11, 10, 31, 30], [0.5, 0.1]),  # also over the view that saw nothing
            ("vote", [10.8, 10, 30.8, 30], [0.7, 0.2]),  # half of max and half of mean
        ],
    )
    def test_boxes_and_scores_of_each_class(self, mode, box, scores):
        merged = merge(self.VIEWS, mode=mode, test=TestConfig())
        assert merged.boxes[0].tolist() == pytest.approx(box)
        assert merged.scores.tolist() == pytest.approx(scores)
        assert merged.labels.tolist() == [0, 1]

    @pytest.mark.parametrize("mode", ["mean", "vote"])
    def test_pixels_are_not_rounded_to_sixteen_bits(self, mode):
        far = found((1203.5, 10, 1403.5, 30, 0.9, 0))
        with torch.autocast("cpu", torch.bfloat16):
            assert merge((far, far), mode=mode, test=TestConfig()).boxes[0, 0] == 1203.5

    def test_order_follows_the_new_scores(self):
        lonely, agreed = (0, 0, 20, 20, 0.8, 0), (50, 50, 80, 80, 0.7, 0)
        views = (found(lonely, agreed), found(agreed), found(agreed))
        assert merge(views, mode="max", test=TestConfig()).boxes[0].tolist() == [0, 0, 20, 20]
        assert merge(views, mode="vote", test=TestConfig()).boxes[0, 0].round() == 50

    def test_a_view_votes_once_with_its_best(self):
        doubled = found((0, 0, 20, 20, 0.8, 0), (1, 0, 21, 20, 0.4, 0))
        merged = merge((doubled, found()), mode="mean", test=TestConfig())
        assert merged.scores.tolist() == pytest.approx([0.4])

    @pytest.mark.parametrize("mode", ["max", "mean", "vote"])
    def test_limit_and_nothing_at_all(self, mode):
        rows = [(i, 0, i + 1, 5, 0.5, 0) for i in range(9)]
        limited = merge((found(*rows), found()), mode=mode, test=TestConfig(max_detections=4))
        assert len(limited) == 4
        assert len(merge((found(), found()), mode=mode, test=TestConfig())) == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_plain_view_is_plain_prediction(variant):
    model, picture = tiny_model(variant), noise_picture()
    plain = predict_image(model, picture, PLAIN)
    assert len(plain) > 3
    for mode in ("max", "mean", "vote"):
        augmented = predict_image(model, picture, with_tta(merge=mode))
        torch.testing.assert_close(augmented.boxes, plain.boxes, atol=1e-3, rtol=0)
        torch.testing.assert_close(augmented.scores, plain.scores)
        assert augmented.labels.tolist() == plain.labels.tolist()
        torch.testing.assert_close(augmented.masks, plain.masks, atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_mirrored_picture_gives_mirrored_detections(variant):
    model, config = tiny_model(variant), with_tta(sizes=(64, 80), flip=True, merge="vote")
    one = predict_image(model, noise_picture(), config)
    other = predict_image(model, ImageOps.mirror(noise_picture()), config)
    assert len(one) > 3
    torch.testing.assert_close(mirrored(other).boxes, one.boxes, atol=1e-2, rtol=0)
    torch.testing.assert_close(other.scores, one.scores, atol=1e-5, rtol=0)
    torch.testing.assert_close(other.masks.flip(2), one.masks, atol=1e-4, rtol=0)


def test_masks_are_the_mean_over_the_views():
    model, picture = tiny_model("pointrend"), noise_picture()
    config = change(PLAIN, test__tta=TWO)
    images = resized_images(picture, config.test)
    look = look_at(model, images)
    merged = merge(look.found, mode="max", test=config.test)
    expected = torch.stack(list(look.masks(merged))).mean(dim=0)
    answer = predict_image(model, picture, config)
    torch.testing.assert_close(answer.masks, expected)
    assert not torch.allclose(expected, next(look.masks(merged)), atol=1e-3)


def test_a_model_without_a_second_stage_is_refused():
    model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="Linear has no second stage"):
        predict_image(model, noise_picture(), with_tta())
