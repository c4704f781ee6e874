"""SOLOv2: which cells answer, what it draws from them, matrix NMS, and the model as a whole."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from helpers.config import Solov2Config
from helpers.models.solov2 import cell_targets, centres_of_mass
from helpers.models.solov2_masks import points_nms, tight_boxes

COARSE = Solov2Config(
    grids=(8, 4, 2, 2, 1),
    ranges=((1.0, 16.0), (8.0, 32.0), (32.0, 64.0), (64.0, 65.0), (65.0, 66.0)),
)
PADDED = (64, 64)


def test_two_instances_in_one_cell_keep_both_masks_and_the_later_label(make_targets):
    both = make_targets((2, 2, 6, 6, 0), (1, 1, 7, 7, 2))
    truth = cell_targets(both, PADDED, COARSE, num_classes=3)
    assert truth.labels[0] == 2
    assert sorted(truth.instances[truth.cells == 0].tolist()) == [0, 1]


def test_cells_of_crowds_do_not_count_unless_an_instance_is_there(make_targets):
    target = make_targets((2, 2, 6, 6, 0), ignore=((0.0, 0.0, 32.0, 32.0),))
    fine = cell_targets(target, PADDED, COARSE, num_classes=3).counted[:64].view(8, 8)
    assert fine[0, 0]  # the instance's own
    assert fine[:4, :4].sum() == 1
    assert fine.sum() == 64 - 16 + 1


def test_instances_without_pixels_are_passed_over_even_if_there_is_no_other(make_targets):
    target = make_targets((2, 2, 6, 6, 0), (20, 20, 30, 30, 1))
    target.masks[0] = False
    assert set(cell_targets(target, PADDED, COARSE, num_classes=3).instances.tolist()) == {1}
    truth = cell_targets(make_targets(), PADDED, COARSE, num_classes=3)
    assert (truth.labels == 3).all()
    assert len(truth.cells) == len(truth.instances) == 0
    assert truth.masks.shape == (0, 16, 16)


def test_points_nms_keeps_what_beats_left_and_above():
    scores = torch.tensor([[0.1, 0.5, 0.2], [0.4, 0.3, 0.2], [0.6, 0.1, 0.9]])
    kept = points_nms(scores[None, None])[0, 0]
    for y in range(3):
        for x in range(3):
            window = scores[max(0, y - 1) : y + 1, max(0, x - 1) : x + 1]
            assert kept[y, x] == scores[y, x] * (scores[y, x] == window.max())


def test_tight_boxes_are_those_of_the_enlarged_mask():
    torch.manual_seed(0)
    coarse = torch.randn(6, 1, 5, 6)
    maps = (4 * F.interpolate(coarse, (20, 24), mode="bicubic")).sigmoid()[:, 0]
    large = F.interpolate(maps[:, None], scale_factor=4, mode="bilinear")[:, 0]
    boxes = tight_boxes(maps, (78, 95))
    for plane, box in zip(large[:, :78, :95] > 0.5, boxes.tolist(), strict=True):
        y, x = plane.nonzero().T
        assert box == [edge.item() for edge in (x.min(), y.min(), x.max() + 1, y.max() + 1)]


def test_centres_are_those_of_float32_in_half_precision_too():
    masks = torch.zeros(1, 200, 1000, dtype=torch.bool)
    masks[0, 10:100, 701:904] = True
    with torch.autocast("cpu", torch.bfloat16):
        assert centres_of_mass(masks).tolist() == [[802.0, 54.5]]
