"""Point samples against torch's grid_sample; the cells that samples in a box read."""

import pytest
import torch
import torch.nn.functional as F

from helpers.models.points import (
    PointTable,
    bilinear_taps,
    cell_centres,
    cells_under,
    in_image,
)


def reference(maps: torch.Tensor, points: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    grid = 2 * points[:, :, None] - 1
    sampled = F.grid_sample(maps[index], grid, align_corners=False, padding_mode="zeros")
    return sampled.squeeze(3).transpose(1, 2)


@pytest.mark.parametrize(("height", "width"), [(5, 9), (1, 1), (16, 3)])
def test_samples_and_gradients_equal_grid_sample_inside_and_outside(height, width):
    torch.manual_seed(0)
    maps, wanted = torch.randn(3, 4, height, width), torch.randn(6, 50, 4)
    points, index = torch.rand(6, 50, 2) * 1.6 - 0.3, torch.tensor([2, 0, 1, 1, 2, 0])
    answers, gradients = [], []
    for sampler in (
        lambda m: PointTable.of(m).at(points, index),
        lambda m: reference(m, points, index),
    ):
        leaf = maps.clone().requires_grad_()
        answers.append(sampler(leaf))
        gradients.append(torch.autograd.grad((answers[-1] * wanted).sum(), leaf)[0])
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_the_cells_under_boxes_are_those_that_samples_in_them_read():
    table = PointTable.of(torch.randn(2, 3, 9, 12))
    boxes = torch.tensor(
        [[1.2, 2.7, 4.4, 3.1], [-5, -2, 2, 1.5], [10.5, 8.2, 30, 9.0], [40, 2, 50, 3]]
    )
    index = torch.tensor([0, 1, 1, 0])
    points = cell_centres(200, boxes) * 1.005 - 0.0025  # up to the edges
    where = in_image(points.expand(4, -1, -1), boxes) - 0.5
    row, weight = bilinear_taps(where, height=9, width=12)
    read = torch.zeros(2 * 9 * 12, dtype=torch.bool)
    read[(row + (index * 9 * 12)[:, None, None])[weight > 1e-3]] = True
    marked = cells_under(boxes, index, table)
    assert not (read & ~marked).any()
    assert (marked & ~read).sum() <= 2 * (9 + 12)  # a row or column more at most
    assert not cells_under(torch.full((1, 4), torch.nan), index[:1], table).any()
