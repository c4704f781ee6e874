"""SOLOv2 as a whole: its grids, mixed and empty batches, prediction, learning, released ranges."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from accelerate import Accelerator

from helpers.config import (
    ExperimentConfig,
    LossConfig,
    ModelConfig,
    Solov2Config,
    TestConfig,
    TrainConfig,
    change,
    from_dict,
    preset,
)
from helpers.files import UserError
from helpers.inference.paste import paste_masks
from helpers.models.build import build_model
from helpers.models.solov2 import SOLOv2, dice_loss
from helpers.models.solov2_head import InstanceBranch, MaskBranch, with_coordinates
from helpers.models.solov2_masks import box_relative, points_nms, tight_boxes
from helpers.structures import Detections, Sample, Targets
from helpers.training.optimizer import parameter_groups, set_learning_rate
from helpers.training.trainer import Trainer
from tests.models.scoring import mask_ap
from tests.models.test_build import gradients_reach, pictures

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


@pytest.fixture(params=VARIANTS)
def config(request, tiny) -> ModelConfig:
    return dataclasses.replace(tiny, architecture="solov2", solov2=VARIANTS[request.param])


def build(config: ModelConfig, test: TestConfig | None = None) -> SOLOv2:
    torch.manual_seed(0)
    return build_model(config, LossConfig(), test or TestConfig(score_threshold=0.0), 3)


def test_a_training_step_on_pictures_of_mixed_sizes_with_a_crowd(config, make_targets):
    model = build(config).train()
    targets = [
        make_targets((5, 5, 40, 50, 0), (30, 2, 60, 30, 2), size=(64, 80)),
        make_targets((3, 3, 4, 4, 1), size=(50, 64), ignore=((10.0, 10.0, 30.0, 30.0),)),
        make_targets(size=(64, 64)),
    ]
    terms = model.losses(pictures((64, 80), (50, 64), (64, 64)), targets)
    total = sum(terms.values())
    total.backward()
    assert set(terms) == {"cls", "mask"}
    assert gradients_reach(model)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_batch_without_instances_has_finite_losses_connected_to_all_weights(config, make_targets):
    model = build(config).train()
    terms = model.losses(pictures((64, 64), (64, 64)), [make_targets(), make_targets()])
    sum(terms.values()).backward()
    assert terms["mask"] == 0 < terms["cls"] < 10
    assert gradients_reach(model)


def test_cells_in_a_crowd_give_no_class_loss(tiny, make_targets):
    model = build(dataclasses.replace(tiny, architecture="solov2", solov2=SMALL)).eval()
    everywhere = make_targets(ignore=((0.0, 0.0, 64.0, 64.0),))
    assert model.losses(pictures((64, 64)), [everywhere])["cls"] == 0


def test_predictions_are_ordered_inside_the_picture_and_have_masks(config):
    model = build(config, TestConfig(score_threshold=0.0, max_detections=10)).eval()
    model.config = dataclasses.replace(model.config, keep_score=0.0)
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


def test_nothing_above_the_threshold_gives_empty_detections(config):
    model = build(config, TestConfig(score_threshold=1.0)).eval()
    (found,) = model.predict(pictures((64, 64)))
    assert found.boxes.shape == (0, 4)
    assert found.masks.shape == (0, 56, 56)
    assert paste_masks(found).shape == (0, 64, 64)


def test_only_the_bounded_candidates_get_masks(tiny, monkeypatch):
    small = dataclasses.replace(SMALL, candidates=7)
    model = build(dataclasses.replace(tiny, architecture="solov2", solov2=small)).eval()
    drawn = []
    real = torch.einsum
    monkeypatch.setattr(torch, "einsum", lambda *a: drawn.append(len(a[1])) or real(*a))
    model.predict(pictures((64, 64)))
    assert drawn[0] == 7  # of 1080 pairs of cell and class above the threshold 0


def test_targets_that_do_not_fit_are_refused(tiny, make_targets):
    model = build(dataclasses.replace(tiny, architecture="solov2", solov2=SMALL))
    with pytest.raises(UserError, match=r"labels outside 0\.\.2"):
        model.losses(pictures((64, 64)), [make_targets((1, 1, 9, 9, 3))])


def test_shapes_of_the_branches():
    features = [torch.rand(2, 8, 64 // 2**k, 96 // 2**k) for k in range(5)]
    classes, kernels = InstanceBranch(8, SMALL, 3)(features)
    assert [tuple(c.shape) for c in classes] == [(2, 3, s, s) for s in SMALL.grids]
    assert [tuple(k.shape) for k in kernels] == [(2, 16, s, s) for s in SMALL.grids]
    assert MaskBranch(8, SMALL)(features).shape == (2, 16, 64, 96)


def test_coordinates_come_last_x_before_y():
    x, y = with_coordinates(torch.zeros(2, 3, 4, 5))[1, 3:]
    assert x[0].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert (x == x[0]).all()
    torch.testing.assert_close(y[:, 0], torch.linspace(-1, 1, 4))
    assert (y == y[:, :1]).all()


def test_points_nms_keeps_what_beats_left_and_above():
    scores = torch.tensor([[0.1, 0.5, 0.2], [0.4, 0.3, 0.2], [0.6, 0.1, 0.9]])
    kept = points_nms(scores[None, None])[0, 0]
    expected = torch.zeros(3, 3)
    for y in range(3):
        for x in range(3):
            window = scores[max(0, y - 1) : y + 1, max(0, x - 1) : x + 1]
            expected[y, x] = scores[y, x] * (scores[y, x] == window.max())
    assert torch.equal(kept, expected)


def test_dice_of_perfect_wrong_and_half_masks():
    targets = torch.tensor([[True, True, False, False]] * 3)
    logits = torch.tensor([[50.0, 50, -50, -50], [-50, -50, 50, 50], [0, 0, 0, 0]])
    expected = [1 - 4 / 4.002, 1.0, 1 - 2 / 3.002]
    assert dice_loss(logits, targets).tolist() == pytest.approx(expected, abs=1e-5)


def test_tight_boxes_are_those_of_the_enlarged_mask():
    torch.manual_seed(0)
    coarse = torch.randn(6, 1, 5, 6)
    maps = (4 * torch.nn.functional.interpolate(coarse, (20, 24), mode="bicubic")).sigmoid()[:, 0]
    large = torch.nn.functional.interpolate(maps[:, None], scale_factor=4, mode="bilinear")[:, 0]
    boxes = tight_boxes(maps, (78, 95))
    for plane, box in zip(large[:, :78, :95] > 0.5, boxes.tolist(), strict=True):
        y, x = plane.nonzero().T
        edges = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert box == [edge.item() for edge in edges]


def test_a_pasted_mask_is_close_to_the_enlarged_map():
    """A disc of 60 px radius, its edge as soft as networks make it."""
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    maps = ((15 - ((x - 20) ** 2 + (y - 20) ** 2).sqrt()) * 3).sigmoid()[None]
    large = torch.nn.functional.interpolate(maps[:, None], scale_factor=4, mode="bilinear")[0, 0]
    boxes = tight_boxes(maps, (160, 160))
    one = torch.ones(1)
    found = Detections(boxes, one, one.long(), (160, 160), box_relative(maps, boxes, side=112))
    pasted = paste_masks(found)[0]
    overlap = (pasted & (large > 0.5)).sum() / (pasted | (large > 0.5)).sum()
    assert overlap > 0.985


def test_released_ranges_and_those_for_larger_pictures():
    released = Solov2Config()
    assert released.ranges == ((1, 96), (48, 192), (96, 384), (192, 768), (384, 2048))
    scaled = ((1, 168), (84, 336), (168, 672), (336, 1344), (672, 3584))
    assert released.scaled(1.75).ranges == scaled


def test_the_section_survives_json_and_refuses_strange_fields():
    config = ExperimentConfig("d", model=ModelConfig(architecture="solov2", solov2=SMALL))
    assert from_dict(json.loads(json.dumps(config.to_dict()))) == config
    changed = change(config, model__solov2={"grids": [9, 8, 7, 6, 5]})
    assert changed.model.solov2 == Solov2Config(grids=(9, 8, 7, 6, 5))
    with pytest.raises(ValueError, match=r"model\.solov2 has no field \['grid'\]: .*grids"):
        change(config, model__solov2={"grid": [1]})
    with pytest.raises(ValueError, match="4 grids and 5 ranges"):
        Solov2Config(grids=(1, 2, 3, 4))


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


def test_steps_of_the_trainer_in_bfloat16(config, make_targets):
    images, targets = painted(make_targets, scale=1)
    samples = [
        Sample(image, target, number, image.shape[1:])
        for number, (image, target) in enumerate(zip(images, targets, strict=True))
    ]
    train_config = TrainConfig(steps=5, epochs=None, batch_size=2, precision="bf16")
    trainer = Trainer(build(config), train_config, total=5, accelerator=Accelerator(cpu=True))
    rows = [trainer.train_step(samples) for _ in range(2)]
    assert all(row["skipped"] == 0 and row["total"] > 0 for row in rows)


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
    assert mask_ap(model, images, targets) > 0.9
