"""RoI levels at their limits, alignment, order, mask targets, no boxes at all."""

import pytest
import torch

from helpers.models.roi_pool import level_of, pool_masks, pool_rois


@pytest.mark.parametrize(
    ("side", "level"),
    [(1, 2), (111.9, 2), (112, 3), (223.9, 3), (224, 4), (447.9, 4), (448, 5), (5000, 5), (0, 2)],
)
def test_level_of_a_square_box(side, level):
    assert level_of(torch.tensor([[10.0, 10, 10 + side, 10 + side]])).tolist() == [level]


def test_the_canonical_side_moves_the_levels():
    assert level_of(torch.tensor([[0.0, 0, 400, 400]]), canonical=448.0).tolist() == [3]


def test_a_box_that_is_not_finite_is_pooled_and_moves_no_other():
    nan, inf = float("nan"), float("inf")
    odd = torch.tensor([[nan, nan, nan, nan], [3, nan, 9, 9], [0, 0, inf, inf], [9, 9, 3, 3]])
    assert set(level_of(odd).tolist()) <= {2, 3, 4, 5}
    sound = torch.tensor([[64.0, 64, 96, 96], [64, 64, 400, 400]])
    pooled = pool_rois(pyramid(), [torch.cat((odd, sound))], 2)
    assert torch.equal(pooled[len(odd) :], pool_rois(pyramid(), [sound], 2))


def ramp(height: int, width: int, stride: int) -> torch.Tensor:
    """A map whose value is the x coordinate of its cell's centre in the picture."""
    centres = (torch.arange(width) + 0.5) * stride
    return centres.expand(1, 1, height, width).clone()


def pyramid(size: int = 512) -> list[torch.Tensor]:
    return [ramp(size // s, size // s, s) for s in (4, 8, 16, 32)]


def test_pooling_a_ramp_gives_the_centre_of_each_bin_on_every_level():
    boxes = torch.tensor([[100.0, 100, 200, 200], [64, 64, 64 + 224, 64 + 224], [40, 30, 490, 490]])
    assert level_of(boxes).tolist() == [2, 4, 5]
    pooled = pool_rois(pyramid(), [boxes], 4)
    for roi, (x1, _, x2, _) in zip(pooled, boxes.tolist(), strict=True):
        centres = x1 + (torch.arange(4) + 0.5) * (x2 - x1) / 4
        torch.testing.assert_close(roi[0], centres.expand(4, 4), atol=0.5, rtol=0)


def test_rois_come_back_in_the_order_given_over_images_and_levels():
    features = [torch.cat((level, -level)) for level in pyramid()]
    big, small = torch.tensor([[64.0, 64, 400, 400]]), torch.tensor([[64.0, 64, 96, 96]])
    pooled = pool_rois(features, [torch.cat((big, small)), torch.cat((small, big, big))], 2)
    means = pooled.mean(dim=(1, 2, 3)).tolist()
    assert means == pytest.approx([232, 80, -80, -232, -232], abs=1)


def test_no_boxes_give_no_rois_and_a_gradient_path():
    features = [level.requires_grad_() for level in pyramid()]
    pooled = pool_rois(features, [torch.zeros(0, 4)], 7)
    assert pooled.shape == (0, 1, 7, 7)
    pooled.sum().backward()
    assert features[0].grad is not None


def test_mask_targets_are_true_where_half_the_cell_is():
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, :, :5] = True
    index, box = torch.zeros(2, dtype=torch.int64), torch.tensor([[0.0, 0, 8, 8], [3, 0, 7, 8]])
    grids = pool_masks(mask, index, box, 4)
    assert grids.dtype == torch.bool
    assert grids[0, 0].tolist() == [True, True, True, False]
    assert grids[1, 0].tolist() == [True, True, False, False]


def test_mask_targets_of_no_boxes():
    empty = pool_masks(torch.zeros(0, 8, 8).bool(), torch.zeros(0).long(), torch.zeros(0, 4), 7)
    assert empty.shape == (0, 7, 7)
