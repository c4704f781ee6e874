"""The models against the golden numbers of the reference implementation."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from compare import _backbone, _difference, compare

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


@pytest.mark.parametrize(
    ("depth", "shape", "name"),
    [
        (18, None, "resnet18"),
        (101, [256, 8, 3, 3], "resnext101_32x8d"),
        (50, [256, 8, 3, 3], "resnext50_32x8d"),  # timm has no name for it
    ],
)
def test_depth_and_weights_tell_the_backbone(depth, shape, name):
    keys = {"backbone.bottom_up.res2.0.conv2.weight": shape}
    assert _backbone({"depth": depth, "resnext": shape is not None, "keys": keys}) == name
    with torch.device("meta"):
        block = timm.create_model(name).layer1[0]
    assert shape is None or list(block.conv2.weight.shape) == shape
