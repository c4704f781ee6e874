"""Cells that answer for instances, and the masks they are taught."""

import pytest
import torch

from helpers.config import Solov2Config
from helpers.models.solov2_targets import cell_spans, cell_targets, centres_of_mass, downscaled
from helpers.structures import Targets

CONFIG = Solov2Config(
    grids=(8, 4, 2, 2, 1),
    ranges=((1.0, 16.0), (8.0, 32.0), (32.0, 64.0), (64.0, 65.0), (65.0, 66.0)),
)
STARTS = (0, 64, 80, 84, 88)  # first cell of each level
PADDED = (64, 64)


def cells_by_level(truth) -> list[list[int]]:
    return [
        sorted(c - start for c in truth.cells.tolist() if start <= c < stop)
        for start, stop in zip(STARTS, (*STARTS[1:], 89), strict=True)
    ]


def test_levels_overlap_and_both_ends_of_a_range_count(make_targets):
    small = make_targets((0, 0, 16, 16, 1))  # 16 px: in (1, 16) and in (8, 32)
    truth = cell_targets(small, PADDED, CONFIG, num_classes=3)
    # centre of mass 7.5 px; a fifth of the box is 5.9..9.1 px, over the border at 8 px of the
    # fine cells, inside the first of the coarse ones
    assert cells_by_level(truth) == [[0, 1, 8, 9], [0], [], [], []]
    assert truth.labels[[0, 1, 8, 9, 64]].tolist() == [1] * 5
    assert (truth.labels == 3).sum() == 89 - 5
    large = cell_targets(make_targets((0, 0, 64, 64, 0)), PADDED, CONFIG, num_classes=3)
    assert cells_by_level(large) == [[], [], [0, 1, 2, 3], [0, 1, 2, 3], []]


def test_at_most_one_cell_from_that_of_the_centre():
    grid, box = 40, torch.tensor([[0.0, 0.0, 1000.0, 1000.0]])
    spans = cell_spans(box, torch.tensor([[500.0, 500.0]]), (1000, 1000), grid)
    assert spans.tolist() == [[19, 19, 21, 21]]  # the fifth alone would be cells 16..24


def test_spans_stay_on_the_grid():
    boxes = torch.tensor([[0.0, 0.0, 100.0, 100.0], [900.0, 900.0, 1000.0, 1000.0]])
    centres = torch.tensor([[2.0, 2.0], [999.0, 999.0]])
    spans = cell_spans(boxes, centres, (1000, 1000), 100)
    assert spans.tolist() == [[0, 0, 1, 1], [98, 98, 99, 99]]


def test_the_centre_is_that_of_the_mask_not_of_the_box():
    masks = torch.zeros(2, 10, 12, dtype=torch.bool)
    masks[0, 2, 3:8] = True
    masks[0, 2:7, 3] = True  # an L: 9 pixels
    centres = centres_of_mass(masks)
    rows, columns = masks[0].nonzero().float().mean(dim=0).tolist()
    assert centres[0].tolist() == pytest.approx([columns, rows])
    assert centres[1].tolist() == [0.0, 0.0]


def test_two_instances_in_one_cell_keep_both_masks_and_the_later_label(make_targets):
    both = make_targets((2, 2, 6, 6, 0), (1, 1, 7, 7, 2))
    truth = cell_targets(both, PADDED, CONFIG, num_classes=3)
    assert truth.labels[0] == 2
    assert sorted(truth.instances[truth.cells == 0].tolist()) == [0, 1]


def test_downscaling_is_bilinear_interpolation_at_a_quarter():
    torch.manual_seed(0)
    masks = torch.rand(3, 13, 18) > 0.5
    full = torch.zeros(3, 32, 32)
    full[:, :13, :18] = masks.float()
    expected = torch.nn.functional.interpolate(full[:, None], scale_factor=0.25, mode="bilinear")
    assert torch.equal(downscaled(masks, (32, 32)), expected[:, 0] >= 0.5)


def test_cells_of_crowds_do_not_count_unless_an_instance_is_there(make_targets):
    target = make_targets((2, 2, 6, 6, 0), ignore=((0.0, 0.0, 32.0, 32.0),))
    truth = cell_targets(target, PADDED, CONFIG, num_classes=3)
    fine = truth.counted[:64].view(8, 8)
    assert fine[0, 0]  # the instance's own
    assert fine[:4, :4].sum() == 1
    assert fine.sum() == 64 - 16 + 1


def test_an_instance_without_pixels_is_passed_over(make_targets):
    target = make_targets((2, 2, 6, 6, 0), (20, 20, 30, 30, 1))
    masks = target.masks.clone()
    masks[0] = False
    target = Targets(target.boxes, target.labels, masks, target.ignore)
    truth = cell_targets(target, PADDED, CONFIG, num_classes=3)
    assert set(truth.instances.tolist()) == {1}


def test_no_instance_at_all(make_targets):
    truth = cell_targets(make_targets(), PADDED, CONFIG, num_classes=3)
    assert (truth.labels == 3).all()
    assert truth.counted.all()
    assert len(truth.cells) == len(truth.instances) == 0
    assert truth.masks.shape == (0, 16, 16)
