"""Anchors: exact corners, the order of cells, one size per level."""

import pytest
import torch

from helpers.models.anchors import Anchors

SIZES = (64.0, 128.0, 256.0, 512.0, 1024.0)


def maps(*shapes: tuple[int, int]) -> list[torch.Tensor]:
    return [torch.zeros(1, 1, *shape) for shape in shapes]


def test_corners_of_the_first_cell_are_unrounded_and_centred_on_the_origin():
    levels = Anchors(SIZES, (0.5, 1.0, 2.0))(maps(*[(1, 1)] * 5))
    root = 2**0.5
    assert levels[0].tolist() == [
        pytest.approx([-32 * root, -16 * root, 32 * root, 16 * root]),  # height / width = 0.5
        [-32, -32, 32, 32],
        pytest.approx([-16 * root, -32 * root, 16 * root, 32 * root]),
    ]
    assert levels[4][1].tolist() == [-512, -512, 512, 512]


def test_anchors_run_along_ratios_then_columns_then_rows():
    level = Anchors(SIZES, (1.0, 4.0))(maps((2, 3), *[(1, 1)] * 4))[0]
    centres = (level[:, :2] + level[:, 2:]) / 2
    expected = [[x * 4, y * 4] for y in range(2) for x in range(3) for _ in range(2)]
    assert centres.tolist() == expected
    assert (level[:, 2] - level[:, 0]).tolist() == [64, 32] * 6


def test_a_coarser_level_has_its_own_stride():
    level = Anchors(SIZES, (1.0,))(maps((1, 1), (1, 2), *[(1, 1)] * 3))[1]
    assert level.tolist() == [[-64, -64, 64, 64], [-56, -64, 72, 64]]


def test_every_ratio_has_the_area_of_its_level():
    levels = Anchors(SIZES, (0.5, 1.0, 2.0))(maps(*[(1, 1)] * 5))
    for size, level in zip(SIZES, levels, strict=True):
        sides = level[:, 2:] - level[:, :2]
        torch.testing.assert_close(sides.prod(dim=1), torch.full((3,), size**2))
