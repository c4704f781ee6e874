"""RoIAlign against torchvision's operator, which is the definition; levels and mask targets."""

from __future__ import annotations

import pytest
import torch
import torchvision

from helpers.models.roi_align import pool_masks, pool_rois, roi_align

STRIDE = 4


def compare(feature: torch.Tensor, rois: torch.Tensor, size: int) -> None:
    """Same answers, and the same gradient for answers that count unevenly."""
    leaf = feature.clone().requires_grad_()
    ours = roi_align(leaf, rois, size, scale=1 / STRIDE)
    theirs = torchvision.ops.roi_align(leaf, rois, size, 1 / STRIDE, aligned=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    wanted = torch.randn_like(theirs)
    gradients = [torch.autograd.grad((one * wanted).sum(), leaf)[0] for one in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 13), (9, 2), (33, 30)])
@pytest.mark.parametrize("whole", [False, True])
def test_random_boxes_give_what_torchvision_gives(height, width, size, whole):
    """A thousandth to ten times the map, some of them outside or turned round."""
    torch.manual_seed(100 * height + 10 * size + whole)
    sides = 10 ** (torch.rand(25, 2) * 4 - 3) * torch.tensor([width, height]) * STRIDE
    low = (torch.rand(25, 2) * 2 - 0.5) * torch.tensor([width, height]) * STRIDE
    sides[::7] *= -1
    boxes = torch.cat((low, low + sides), dim=1)
    image = torch.randint(0, 2, (25, 1)).float()
    rois = torch.cat((image, boxes.round() if whole else boxes), dim=1)
    compare(torch.randn(2, 5, height, width), rois, size)


@pytest.mark.parametrize(
    "box",
    [
        [-4, -4, 0, 0],  # its last sample may lie up to a cell outside
        [-800, -800, 900, 900],  # all of the map in the middle of a bin
        [10, 10, 10, 30],  # no width: no samples
        [46, 46, 52, 52],  # over the far corner
        [7.2, 9.1, 7.2001, 9.1001],  # less than a cell
    ],
)
def test_boxes_at_the_limits(box):
    torch.manual_seed(0)
    compare(torch.randn(1, 3, 12, 12), torch.tensor([[0.0, *box]]), 7)


def pyramid(size: int = 512) -> list[torch.Tensor]:
    """Maps of two images whose value is plus or minus the x coordinate of a cell's centre."""
    levels = []
    for stride in (4, 8, 16, 32):
        ramp = ((torch.arange(size // stride) + 0.5) * stride).expand(1, 1, size // stride, -1)
        levels.append(torch.cat((ramp, -ramp)))
    return levels


def test_rois_come_back_in_order_over_images_and_levels_with_the_centre_of_each_bin():
    big, small = torch.tensor([[64.0, 64, 400, 400]]), torch.tensor([[100.0, 100, 132, 132]])
    pooled = pool_rois(pyramid(), [torch.cat((big, small)), torch.cat((small, big, big))], 4)
    means = pooled.mean(dim=(1, 2, 3)).tolist()
    assert means == pytest.approx([232, 116, -116, -232, -232], abs=1)
    torch.testing.assert_close(pooled[1, 0, 0], torch.tensor([104.0, 112, 120, 128]))


def test_a_box_that_is_not_finite_is_pooled_and_moves_no_other():
    nan, inf = float("nan"), float("inf")
    odd = torch.tensor([[nan, nan, nan, nan], [3, nan, 9, 9], [0, 0, inf, inf], [9, 9, 3, 3]])
    sound = torch.tensor([[64.0, 64, 96, 96], [64, 64, 400, 400]])
    pooled = pool_rois(pyramid(), [torch.cat((odd, sound))], 2)
    assert torch.equal(pooled[len(odd) :], pool_rois(pyramid(), [sound], 2))


def test_mask_targets_are_true_where_half_the_cell_is():
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, :, :5] = True
    index, box = torch.zeros(2, dtype=torch.int64), torch.tensor([[0.0, 0, 8, 8], [3, 0, 7, 8]])
    grids = pool_masks(mask, index, box, 4)
    assert grids.dtype == torch.bool
    assert grids[:, 0].tolist() == [[True, True, True, False], [True, True, False, False]]
    assert pool_masks(mask[:0], index[:0], box[:0], 7).shape == (0, 7, 7)
