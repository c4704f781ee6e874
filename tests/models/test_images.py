"""Normalising and padding: values, and the order of both."""

import torch

from helpers.models.images import Normalise


def test_mixed_sizes_are_padded_right_and_below_to_a_common_multiple_of_32():
    batch = Normalise()([torch.full((3, 40, 70), 255, dtype=torch.uint8), torch.zeros(3, 64, 20)])
    assert batch.tensor.shape == (2, 3, 64, 96)
    assert batch.sizes == ((40, 70), (64, 20))
    assert (batch.tensor[0, :, 40:] == 0).all()
    assert (batch.tensor[0, :, :, 70:] == 0).all()
    assert (batch.tensor[1, :, :, :20] < 0).all()
