"""RoIAlign against torchvision's operator, which is the definition here, and against finite
differences."""

from __future__ import annotations

import pytest
import torch
import torchvision

from helpers.models.roi_align import AxisTaps, roi_align

STRIDE = 4


def reference(feature: torch.Tensor, rois: torch.Tensor, size: int) -> torch.Tensor:
    return torchvision.ops.roi_align(
        feature, rois, size, 1 / STRIDE, sampling_ratio=0, aligned=True
    )


def compare(feature: torch.Tensor, rois: torch.Tensor, size: int) -> None:
    """Same answers, and the same gradient for answers that count unevenly."""
    leaf = feature.clone().requires_grad_()
    ours, theirs = roi_align(leaf, rois, size, scale=1 / STRIDE), reference(leaf, rois, size)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    wanted = torch.randn_like(theirs)
    gradients = [torch.autograd.grad((one * wanted).sum(), leaf)[0] for one in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=2e-5)


def random_rois(count: int, height: int, width: int, *, whole: bool) -> torch.Tensor:
    """Boxes of a thousandth to ten times the map, some of them outside or turned round."""
    sides = 10 ** (torch.rand(count, 2) * 4 - 3) * torch.tensor([width, height]) * STRIDE
    low = (torch.rand(count, 2) * 2 - 0.5) * torch.tensor([width, height]) * STRIDE
    sides[::7] *= -1
    boxes = torch.cat((low, low + sides), dim=1)
    image = torch.randint(0, 2, (count, 1)).float()
    return torch.cat((image, boxes.round() if whole else boxes), dim=1)


@pytest.mark.parametrize("size", [1, 3, 7, 14])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 13), (9, 2), (12, 17), (33, 30)])
@pytest.mark.parametrize("whole", [False, True])
def test_random_boxes_give_what_torchvision_gives(height, width, size, whole):
    torch.manual_seed(100 * height + 10 * size + whole)
    feature = torch.randn(2, 5, height, width)
    compare(feature, random_rois(25, height, width, whole=whole), size)


@pytest.mark.parametrize(
    "box",
    [
        [0, 0, 48, 48],  # the whole map
        [-4, -4, 0, 0],  # its last sample may lie up to a cell outside
        [-200, -200, -100, -100],  # nothing of the map
        [-800, -800, 900, 900],  # all of it in the middle of a bin
        [10, 10, 10, 30],  # no width: no samples
        [30, 30, 10, 10],  # turned round
        [46, 46, 52, 52],  # over the far corner
        [7.2, 9.1, 7.2001, 9.1001],  # less than a cell
    ],
)
def test_boxes_at_the_limits(box):
    torch.manual_seed(0)
    compare(torch.randn(1, 3, 12, 12), torch.tensor([[0.0, *box]]), 7)


def test_layouts_and_a_view_of_a_larger_batch_change_nothing():
    torch.manual_seed(0)
    feature, rois = torch.randn(3, 4, 11, 9), random_rois(20, 11, 9, whole=False)
    wanted = roi_align(feature, rois, 7, scale=1 / STRIDE)
    last = feature.contiguous(memory_format=torch.channels_last)
    assert torch.equal(roi_align(last, rois, 7, scale=1 / STRIDE), wanted)
    wide = torch.randn(3, 8, 11, 9)
    wide[:, ::2] = feature
    assert torch.equal(roi_align(wide[:, ::2], rois, 7, scale=1 / STRIDE), wanted)


def test_the_gradient_is_that_of_finite_differences():
    torch.manual_seed(0)
    feature = torch.randn(2, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor(
        [[0, -9, 2, 20, 17], [1, 1, 1, 1.5, 1.2], [1, 4, 4, 4, 4]], dtype=torch.float64
    )
    assert torch.autograd.gradcheck(lambda x: roi_align(x, rois, 3, scale=1 / STRIDE), feature)


def test_no_rois_give_a_path_for_the_gradient():
    feature = torch.randn(1, 3, 4, 4, requires_grad=True)
    answer = roi_align(feature, torch.zeros(0, 5), 7, scale=1.0)
    assert answer.shape == (0, 3, 7, 7)
    answer.sum().backward()
    assert torch.equal(feature.grad, torch.zeros(1, 3, 4, 4))


def test_boxes_that_are_no_numbers_read_nothing():
    rois = torch.tensor([[0.0, float("nan"), 0, 8, 8], [0, 0, 0, 8, 8]])
    answer = roi_align(torch.ones(1, 1, 8, 8), rois, 2, scale=1.0)
    assert torch.equal(answer[:, 0], torch.tensor([0.0, 1])[:, None, None].expand(2, 2, 2))


def test_neighbouring_samples_share_their_cells():
    low, high = torch.tensor([0.0]), torch.tensor([8.0])
    taps = AxisTaps.of(low, high, bins=2, length=20)
    assert taps.first.tolist() == [[0, 4]]  # four samples a bin, half a cell from the next
    assert taps.count.tolist() == [[5, 5]]
    torch.testing.assert_close(taps.weight[0, 0], torch.tensor([0.125, 0.25, 0.25, 0.25, 0.125]))
