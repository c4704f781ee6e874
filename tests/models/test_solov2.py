"""SOLOv2: which cells answer, what it draws from them, matrix NMS, and the model as a whole."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from helpers.config import LossConfig, ModelConfig, Solov2Config, TestConfig, TrainConfig, preset
from helpers.inference.paste import paste_masks
from helpers.models.build import build_model
from helpers.models.matrix_nms import mask_overlaps, matrix_nms
from helpers.models.solov2 import (
    SOLOv2,
    cell_spans,
    cell_targets,
    centres_of_mass,
    downscaled,
)
from helpers.models.solov2_masks import box_relative, detect, points_nms, tight_boxes
from helpers.structures import Detections, Targets
from helpers.training.optimizer import parameter_groups, set_learning_rate
from tests.models.conftest import gradients_reach, is_learnt, pictures

SMALL = Solov2Config(
    grids=(12, 10, 8, 6, 4),
    ranges=((1.0, 16.0), (8.0, 32.0), (16.0, 64.0), (32.0, 128.0), (64.0, 512.0)),
    head_channels=32,
    head_convs=2,
    mask_channels=16,
    kernel_channels=16,
    mask_size=56,
)
VARIANTS = {"plain": SMALL, "deformable": dataclasses.replace(SMALL, deformable=True)}
COARSE = Solov2Config(
    grids=(8, 4, 2, 2, 1),
    ranges=((1.0, 16.0), (8.0, 32.0), (32.0, 64.0), (64.0, 65.0), (65.0, 66.0)),
)
STARTS = (0, 64, 80, 84, 88)  # first cell of each level
PADDED = (64, 64)


@pytest.fixture(params=VARIANTS)
def config(request, tiny) -> ModelConfig:
    return dataclasses.replace(tiny, architecture="solov2", solov2=VARIANTS[request.param])


def build(config: ModelConfig, test: TestConfig | None = None) -> SOLOv2:
    torch.manual_seed(0)
    return build_model(config, LossConfig(), test or TestConfig(score_threshold=0.0), 3)


# -- targets


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


# -- suppression


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


def test_a_copy_decays_fully_and_another_class_not_at_all():
    decay = matrix_nms(torch.ones(3, 3), torch.tensor([0, 0, 1]))
    assert decay.tolist() == pytest.approx([1.0, math.exp(-2), 1.0])
    assert matrix_nms(torch.zeros(0, 0), torch.zeros(0).long()).shape == (0,)


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


# -- masks


def test_tight_boxes_are_those_of_the_enlarged_mask():
    torch.manual_seed(0)
    coarse = torch.randn(6, 1, 5, 6)
    maps = (4 * F.interpolate(coarse, (20, 24), mode="bicubic")).sigmoid()[:, 0]
    large = F.interpolate(maps[:, None], scale_factor=4, mode="bilinear")[:, 0]
    boxes = tight_boxes(maps, (78, 95))
    for plane, box in zip(large[:, :78, :95] > 0.5, boxes.tolist(), strict=True):
        y, x = plane.nonzero().T
        assert box == [edge.item() for edge in (x.min(), y.min(), x.max() + 1, y.max() + 1)]


def test_a_pasted_mask_is_close_to_the_enlarged_map():
    """A disc of 60 px radius, its edge as soft as networks make it."""
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    maps = ((15 - ((x - 20) ** 2 + (y - 20) ** 2).sqrt()) * 3).sigmoid()[None]
    large = F.interpolate(maps[:, None], scale_factor=4, mode="bilinear")[0, 0] > 0.5
    boxes = tight_boxes(maps, (160, 160))
    one = torch.ones(1)
    found = Detections(boxes, one, one.long(), (160, 160), box_relative(maps, boxes, side=112))
    pasted = paste_masks(found)[0]
    assert (pasted & large).sum() / (pasted | large).sum() > 0.985


# -- the model


def test_a_training_step_on_pictures_of_mixed_sizes_with_a_crowd(config, make_targets):
    model = build(config).train()
    targets = [
        make_targets((5, 5, 40, 50, 0), (30, 2, 60, 30, 2), size=(64, 80)),
        make_targets((3, 3, 4, 4, 1), size=(50, 64), ignore=((10.0, 10.0, 30.0, 30.0),)),
        make_targets(size=(64, 64)),
    ]
    images = pictures((64, 80), (50, 64), (64, 64))
    terms = model.losses(images, targets)
    sum(terms.values()).backward()
    assert set(terms) == {"cls", "mask"}
    assert gradients_reach(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(torch.isfinite(term) for term in model.losses(images, targets).values())


def test_a_batch_without_instances_has_finite_losses_connected_to_all_weights(config, make_targets):
    model = build(config).train()
    terms = model.losses(pictures((64, 64), (64, 64)), [make_targets(), make_targets()])
    sum(terms.values()).backward()
    assert terms["mask"] == 0 < terms["cls"] < 10
    assert gradients_reach(model)
    everywhere = make_targets(ignore=((0.0, 0.0, 64.0, 64.0),))
    assert model.eval().losses(pictures((64, 64)), [everywhere])["cls"] == 0


def test_predictions_are_ordered_inside_the_picture_and_have_masks(config):
    model = build(config, TestConfig(score_threshold=0.0, max_detections=10)).eval()
    model.config = dataclasses.replace(model.config, keep_score=0.0, candidates=12)
    found = model.predict(pictures((64, 80), (50, 64)))
    assert [d.image_size for d in found] == [(64, 80), (50, 64)]
    for detections in found:
        assert 0 < len(detections) <= 10
        assert (detections.scores.diff() <= 0).all()
        assert detections.boxes.min() >= 0
        assert detections.boxes[:, 2].max() <= detections.image_size[1]
        assert detections.boxes[:, 3].max() <= detections.image_size[0]
        assert detections.masks.shape[1:] == (56, 56)
        assert 0 <= detections.masks.min() <= detections.masks.max() <= 1
    (none,) = build(config, TestConfig(score_threshold=1.0)).eval().predict(pictures((64, 64)))
    assert none.boxes.shape == (0, 4)
    assert none.masks.shape == (0, 56, 56)


def painted(make_targets, *, scale: int) -> tuple[list[torch.Tensor], list[Targets]]:
    """Two scenes of bright rectangles, a colour for each class; edges are those of cells."""
    rectangles = (
        ((2, 3, 12, 13, 0), (16, 8, 24, 23, 1)),
        ((5, 11, 24, 21, 2), (3, 1, 11, 8, 0)),
    )
    targets, images = [], []
    for some in rectangles:
        scaled = [(*(4 * scale * edge for edge in r[:4]), r[4]) for r in some]
        targets.append(make_targets(*scaled, size=(104 * scale, 104 * scale)))
        image = torch.full((3, *targets[-1].masks.shape[1:]), 40, dtype=torch.uint8)
        for label, mask in zip(targets[-1].labels, targets[-1].masks, strict=True):
            image[label, mask] = 220
        images.append(image)
    return images, targets


def train(model: SOLOv2, images, targets, *, steps: int, lr: float) -> list[float]:
    """By the product's own parameter groups, whose offsets learn slower, with a warm-up: without
    one a mask of so small a model may start saturated and never be drawn."""
    torch.manual_seed(0)
    groups = parameter_groups(model, TrainConfig(weight_decay=0.0))
    optimiser = torch.optim.SGD(groups, lr=lr, momentum=0.9)
    totals = []
    model.train()
    for step in range(steps):
        set_learning_rate(optimiser, lr * min(1.0, (step + 1) / 20))
        total = sum(model.losses(images, targets).values())
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        totals.append(total.item())
    return totals


def test_two_scenes_are_begun_to_be_learnt(tiny, make_targets):
    images, targets = painted(make_targets, scale=1)
    model = build(dataclasses.replace(tiny, architecture="solov2", solov2=SMALL))
    totals = train(model, images, targets, steps=12, lr=0.05)
    assert sum(totals[-3:]) < 0.7 * sum(totals[:3])


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_two_scenes_are_learnt_by_heart(variant, make_targets):
    config = dataclasses.replace(
        preset("quick").model,
        norm="eval",
        fpn_channels=32,
        architecture="solov2",
        solov2=dataclasses.replace(VARIANTS[variant], mask_channels=32, kernel_channels=32),
    )
    images, targets = painted(make_targets, scale=2)
    model = build(config, TestConfig())
    train(model, images, targets, steps=60, lr=0.03)
    assert is_learnt(model, images, targets)
