"""The models against the golden numbers of the reference implementation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from compare import _difference, _partners, compare

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


def test_equal_scores_may_swap_places_but_others_not():
    boxes = torch.tensor([[0.0, 0, 1, 1], [5, 5, 9, 9], [2, 2, 3, 3]])
    wanted = boxes[[1, 0, 2]].numpy()
    tied = torch.tensor([0.9, 0.9, 0.1])
    assert _partners(boxes, tied, wanted, tied.numpy(), 1e-4).tolist() == [1, 0, 2]
    apart = torch.tensor([0.9, 0.8, 0.1])
    assert _partners(boxes, apart, wanted, apart.numpy(), 1e-4).tolist() == [0, 1, 2]
