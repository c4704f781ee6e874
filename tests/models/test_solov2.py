"""SOLOv2: which cells answer, what it draws from them, matrix NMS, and the model as a whole."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from helpers.config import LossConfig, Solov2Config, TestConfig, TrainConfig, preset
from helpers.models.build import build_model
from helpers.models.matrix_nms import mask_overlaps, matrix_nms
from helpers.models.solov2 import (
    SOLOv2,
    cell_spans,
    cell_targets,
    centres_of_mass,
    downscaled,
)
from helpers.models.solov2_masks import detect, points_nms, tight_boxes
from helpers.structures import Targets
from helpers.training.optimizer import parameter_groups, set_learning_rate
from tests.models.conftest import SMALL, bright, is_learnt

VARIANTS = {"plain": SMALL, "deformable": dataclasses.replace(SMALL, deformable=True)}
COARSE = Solov2Config(
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
    truth = cell_targets(small, PADDED, COARSE, num_classes=3)
    # centre of mass 7.5 px; a fifth of the box is 5.9..9.1 px, over the border at 8 px of the
    # fine cells, inside the first of the coarse ones
    assert cells_by_level(truth) == [[0, 1, 8, 9], [0], [], [], []]
    assert truth.labels[[0, 1, 8, 9, 64]].tolist() == [1] * 5
    assert (truth.labels == 3).sum() == 89 - 5
    large = cell_targets(make_targets((0, 0, 64, 64, 0)), PADDED, COARSE, num_classes=3)
    assert cells_by_level(large) == [[], [], [0, 1, 2, 3], [0, 1, 2, 3], []]


def test_cells_stay_on_the_grid_and_at_most_one_from_that_of_the_centre():
    boxes = torch.tensor([[0.0, 0, 100, 100], [900, 900, 1000, 1000], [0, 0, 1000, 1000]])
    centres = torch.tensor([[2.0, 2], [999, 999], [500, 500]])
    spans = cell_spans(boxes, centres, (1000, 1000), 100)
    assert spans.tolist() == [[0, 0, 1, 1], [98, 98, 99, 99], [49, 49, 51, 51]]


def test_the_centre_is_that_of_the_mask_not_of_the_box():
    masks = torch.zeros(2, 10, 12, dtype=torch.bool)
    masks[0, 2, 3:8] = True
    masks[0, 2:7, 3] = True  # an L: 9 pixels
    rows, columns = masks[0].nonzero().float().mean(dim=0).tolist()
    assert centres_of_mass(masks).tolist() == [pytest.approx([columns, rows]), [0, 0]]


def test_two_instances_in_one_cell_keep_both_masks_and_the_later_label(make_targets):
    both = make_targets((2, 2, 6, 6, 0), (1, 1, 7, 7, 2))
    truth = cell_targets(both, PADDED, COARSE, num_classes=3)
    assert truth.labels[0] == 2
    assert sorted(truth.instances[truth.cells == 0].tolist()) == [0, 1]


def test_downscaling_is_bilinear_interpolation_at_a_quarter():
    torch.manual_seed(0)
    masks = torch.rand(3, 13, 18) > 0.5
    full = torch.zeros(3, 32, 32)
    full[:, :13, :18] = masks.float()
    expected = F.interpolate(full[:, None], scale_factor=0.25, mode="bilinear")
    assert torch.equal(downscaled(masks, (32, 32)), expected[:, 0] >= 0.5)


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


def naive_decay(overlaps, labels, sigma):
    """Each detection: the strongest reason to decay among better ones of its class."""

    def of_better(j):
        return [(i, overlaps[i][j]) for i in range(j) if labels[i] == labels[j]]

    decays = []
    for j in range(len(labels)):
        decay = 1.0
        for i, overlap in of_better(j):
            own = max((value for _, value in of_better(i)), default=0.0)
            decay = min(decay, math.exp(-sigma * overlap**2) / math.exp(-sigma * own**2))
        decays.append(decay)
    return decays


def random_masks(seed: int, count: int) -> torch.Tensor:
    """Rectangles on 40 x 40 pixels, many of which overlap."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(count, 40, 40, dtype=torch.bool)
    for mask in masks:
        (x, y), (w, h) = torch.randint(0, 20, (2, 2), generator=generator).tolist()
        mask[y : y + h + 1, x : x + w + 1] = True
    return masks.flatten(1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_matrix_nms_equals_loops_that_follow_the_paper_s_formula(seed, sigma):
    labels = torch.randint(0, 3, (25,), generator=torch.Generator().manual_seed(seed))
    overlaps = mask_overlaps(random_masks(seed, 25))
    decay = matrix_nms(overlaps, labels, sigma=sigma)
    expected = torch.tensor(naive_decay(overlaps.tolist(), labels.tolist(), sigma))
    torch.testing.assert_close(decay, expected, rtol=1e-5, atol=1e-6)
    assert 0 < (decay < 0.99).sum() < 25


def test_a_second_detection_of_one_mask_decays():
    features = torch.full((1, 16, 16), -9.0)
    features[0, 4:12, 4:12] = 9.0
    scores = [torch.full((1, 1, 1), score) for score in (0.8, 0.9, 0.0, 0.0, 0.0)]
    config, test = dataclasses.replace(SMALL, keep_score=0.0), TestConfig(score_threshold=0.1)
    found = detect(
        scores, torch.ones(1, 5), features, image_size=(64, 64), config=config, test=test
    )
    assert found.scores.tolist() == pytest.approx([0.9, 0.8 * math.exp(-2)], rel=1e-3)
    assert found.boxes.tolist() == [[16, 16, 48, 48]] * 2


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


def painted(make_targets) -> tuple[list[torch.Tensor], list[Targets]]:
    """Two scenes of bright rectangles, a colour for each class; edges are those of cells."""
    scenes = (
        ((16, 24, 96, 104, 0), (128, 64, 192, 184, 1)),
        ((40, 88, 192, 168, 2), (24, 8, 88, 64, 0)),
    )
    targets = [make_targets(*rectangles, size=(208, 208)) for rectangles in scenes]
    return [bright(target) for target in targets], targets


def train(model: SOLOv2, images, targets, *, steps: int, lr: float) -> None:
    """By the product's own parameter groups, whose offsets learn slower, with a warm-up: without
    one a mask of so small a model may start saturated and never be drawn."""
    torch.manual_seed(0)
    groups = parameter_groups(model, TrainConfig(weight_decay=0.0))
    optimiser = torch.optim.SGD(groups, lr=lr, momentum=0.9)
    for step in range(steps):
        set_learning_rate(optimiser, lr * min(1.0, (step + 1) / 20))
        optimiser.zero_grad()
        sum(model.losses(images, targets).values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_two_scenes_are_learnt_by_heart(variant, make_targets):
    config = dataclasses.replace(
        preset("quick").model,
        norm="eval",
        fpn_channels=32,
        architecture="solov2",
        solov2=dataclasses.replace(
            VARIANTS[variant],
            mask_channels=32,
            kernel_channels=32,
            candidates=1000,
            keep_score=0.01,
        ),
    )
    images, targets = painted(make_targets)
    torch.manual_seed(0)
    model = build_model(config, LossConfig(), TestConfig(), 3)
    train(model, images, targets, steps=60, lr=0.03)
    assert is_learnt(model, images, targets)
