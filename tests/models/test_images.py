"""Normalising and padding: values, the order of both; pictures and targets that are refused."""

import dataclasses

import pytest
import torch

from helpers.files import UserError
from helpers.models.images import IMAGENET_MEAN, IMAGENET_STD, Normalise, check_targets


def test_mixed_sizes_are_padded_right_and_below_to_a_common_multiple_of_32():
    batch = Normalise()([torch.full((3, 40, 70), 255, dtype=torch.uint8), torch.zeros(3, 64, 20)])
    assert batch.tensor.shape == (2, 3, 64, 96)
    assert batch.sizes == ((40, 70), (64, 20))
    assert (batch.tensor[0, :, 40:] == 0).all()
    assert (batch.tensor[0, :, :, 70:] == 0).all()
    assert (batch.tensor[1, :, :, :20] < 0).all()


def test_each_channel_has_its_own_statistics():
    image = torch.tensor(IMAGENET_MEAN) + torch.tensor(IMAGENET_STD)
    batch = Normalise()([image.view(3, 1, 1).expand(3, 32, 32)])
    torch.testing.assert_close(batch.tensor, torch.ones(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "no image"),
        ([torch.zeros(1, 32, 32)], r"image 0 has shape \(1, 32, 32\)"),
        ([torch.zeros(3, 8, 8), torch.full((3, 8, 8), torch.nan)], "image 1 holds NaN"),
    ],
)
def test_what_is_no_picture_is_refused(images, words):
    with pytest.raises(UserError, match=words):
        Normalise()(images)


def test_targets_that_do_not_fit_are_refused(make_targets):
    image, sound = torch.zeros(3, 64, 64), make_targets((5, 5, 40, 50, 0), (8, 8, 20, 20, 1))
    infinite = sound.boxes.clone()
    infinite[0, 2] = torch.inf
    wrong = {
        "0 targets": [],
        "resize both alike": [make_targets((5, 5, 9, 9, 0), size=(32, 64))],
        r"outside 0\.\.2": [make_targets((5, 5, 9, 9, 3))],
        "empty or not finite": [make_targets((5, 5, 5, 9, 0))],
        "image 0 has a box": [dataclasses.replace(sound, boxes=infinite)],
        "1 boxes, 2 labels": [dataclasses.replace(sound, boxes=sound.boxes[:1])],
    }
    check_targets([image], [sound], 3)
    for words, targets in wrong.items():
        with pytest.raises(UserError, match=words):
            check_targets([image], targets, 3)
