"""The models against the golden numbers of the reference implementation."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import weights
from compare import _backbone, _config, _difference, _partners, _tta_images, compare
from PIL import Image

from helpers.config import TtaConfig

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("name", ["maskrcnn_r50.npz", "pointrend_r50.npz", "cascade_r50.npz"])
def test_every_quantity_is_within_its_tolerance(name):
    rows = compare(FOLDER / name)
    assert len(rows) > 25  # features, proposals, detections, masks, losses
    assert [str(row) for row in rows if not row.passed] == []


def test_nan_and_other_shapes_are_beyond_any_tolerance():
    golden = {"boxes": np.zeros((2, 4), np.float32)}
    assert _difference("boxes", torch.zeros(2, 4), golden, 0.1, "px").passed
    assert not _difference("boxes", torch.full((2, 4), torch.nan), golden, 0.1, "px").passed
    assert not _difference("boxes", torch.zeros(3, 4), golden, 0.1, "px").passed


def test_relative_to_a_zero_the_deviation_itself_counts():
    golden = {"loss": np.float32(0)}  # of a cascade's last stage without any foreground
    for value, passed in ((0.0, True), (5e-4, True), (2e-3, False)):
        row = _difference("loss", torch.tensor(value), golden, 1e-3, "relative", relative=True)
        assert row.passed is passed


def test_a_variant_that_is_not_known_is_no_pointrend():
    with np.load(FOLDER / "maskrcnn_r50.npz") as file:
        meta = json.loads(str(file["meta"])) | {"variant": "solov2"}
    with pytest.raises(ValueError, match="'solov2' is not maskrcnn, pointrend or cascade"):
        _config(meta, {})


def test_equal_scores_may_swap_places_but_others_not():
    boxes = torch.tensor([[0.0, 0, 1, 1], [5, 5, 9, 9], [2, 2, 3, 3]])
    wanted = boxes[[1, 0, 2]].numpy()
    tied = torch.tensor([0.9, 0.9, 0.1])
    assert _partners(boxes, tied, wanted, tied.numpy(), 1e-4).tolist() == [1, 0, 2]
    apart = torch.tensor([0.9, 0.8, 0.1])
    assert _partners(boxes, apart, wanted, apart.numpy(), 1e-4).tolist() == [0, 1, 2]


def test_nothing_found_by_either_has_no_partners():
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    assert _partners(boxes, scores, boxes.numpy(), scores.numpy(), 1e-4).shape == (0,)


@pytest.mark.parametrize(
    ("depth", "shape", "name"),
    [
        (18, None, "resnet18"),
        (101, None, "resnet101"),
        (101, [256, 8, 3, 3], "resnext101_32x8d"),
        (101, [256, 4, 3, 3], "resnext101_64x4d"),
        (50, [128, 4, 3, 3], "resnext50_32x4d"),
        (50, [256, 8, 3, 3], "resnext50_32x8d"),  # timm has no name for it
    ],
)
def test_depth_and_weights_tell_the_backbone(depth, shape, name):
    keys = {"backbone.bottom_up.res2.0.conv2.weight": shape}
    assert _backbone({"depth": depth, "resnext": shape is not None, "keys": keys}) == name
    with torch.device("meta"):
        block = timm.create_model(name).layer1[0]
    assert shape is None or list(block.conv2.weight.shape) == shape


@pytest.mark.parametrize("side", [97, 224, 400])
def test_augmented_pictures_are_resized_as_the_reference_does(side):
    image = torch.from_numpy(weights.image_for(150, 211, "x"))
    (given,) = _tta_images(image, TtaConfig(sizes=(side,)))
    picture = Image.fromarray(image.permute(1, 2, 0).byte().numpy())
    width = int(211 * side / 150 + 0.5)
    wanted = np.asarray(picture.resize((width, side), Image.Resampling.BILINEAR))
    assert np.array_equal(given.permute(1, 2, 0).numpy(), wanted)
