"""Kernel points on the grid and shifted; boxes followed through stages with known answers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.config import LossConfig, TestConfig, preset
from helpers.models.boxes import iou
from helpers.models.build import Detector, build_model
from helpers.models.deform import DeformConv
from helpers.series.analysis import box_stages
from helpers.series.analysis.box_stages import (
    RefinedBoxes,
    by_input,
    fits,
    most_refined,
    shares_above,
)
from helpers.series.analysis.kernel_points import places_on, readings, with_kernels
from helpers.structures import Sample, Targets

SIDE = 96


@pytest.fixture
def model() -> Detector:
    torch.manual_seed(0)
    small = {"fpn_channels": 16, "box_head_dim": 32, "coarse_dim": 32}
    resnet = {"backbone": "resnet10t", "pretrained": False, "norm": "bn"}
    config = dataclasses.replace(preset("quick").model, **small, **resnet)
    made = build_model(config, LossConfig(), TestConfig(), 3)
    for name, weight in made.backbone.named_parameters():
        if name.endswith("bn2.weight"):  # timm starts the residual branches at zero
            weight.data.fill_(1.0)
    return made


@pytest.fixture
def sample() -> Sample:
    masks = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    masks[0, 20:70, 30:80] = True
    box = torch.tensor([[30.0, 20, 80, 70]])
    targets = Targets(box, torch.tensor([1]), masks, torch.zeros(0, 4))
    image = torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8)
    return Sample(image, targets, 1, (SIDE, SIDE))


PLACES = np.array([[44.0, 44], [2, 94]], np.float32)


def test_fresh_layers_read_the_regular_grid(model, sample):
    deformable, learnt = with_kernels(model)
    assert not learnt
    assert not any(isinstance(m, DeformConv) for m in model.modules())  # a copy was changed
    one, _ = readings(deformable, sample, PLACES)
    cells = np.array([[x, y] for y in (36, 44, 52) for x in (36, 44, 52)], np.float32)
    np.testing.assert_allclose(one.points, cells)  # c3: cells of 8 px, the centre of one at 44
    assert one.moved == 0
    assert one.stacked.shape == (81, 2)
    assert np.abs(one.stacked - one.stacked.mean(axis=0)).max() == 24  # 16 + 8
    assert np.abs(one.pulls).max() > 0
    again, _ = readings(deformable, sample, PLACES)  # reading leaves the model as it was
    np.testing.assert_array_equal(again.points, one.points)
    assert not any(m._forward_hooks for m in deformable.modules())


def test_learnt_shifts_are_read_as_dx_dy_in_cells(model, sample):
    deformable, _ = with_kernels(model)
    layer = next(m for m in deformable.modules() if isinstance(m, DeformConv))
    layer.offset.bias.data[:2] = torch.tensor([0.5, -1.0])  # dy, dx of the first tap
    again, learnt = with_kernels(deformable)
    assert learnt
    one, _ = readings(again, sample, PLACES)
    np.testing.assert_allclose(one.points[0] - one.regular[0], [-8, 4])
    np.testing.assert_allclose(one.points[1:], one.regular[1:])
    assert one.moved == pytest.approx(np.hypot(8, 4) / 9)


def test_places_are_on_the_mask_from_top_to_foot():
    mask = np.zeros((40, 30), bool)
    mask[5:8, 10:20] = mask[5:35, 12] = True
    places = places_on(mask)
    assert places[:, 1].tolist() == sorted(places[:, 1].tolist())
    assert places[0, 1] == 5.5
    assert places[2].tolist() == [12.5, 34.5]
    assert mask[places[:, 1].astype(int), places[:, 0].astype(int)].all()


TRUE = torch.tensor([[10.0, 10, 50, 50]])


def boxed() -> Sample:
    masks = torch.zeros(1, 64, 64, dtype=torch.bool)
    targets = Targets(TRUE, torch.tensor([1]), masks, torch.zeros(0, 4))
    return Sample(torch.zeros(3, 64, 64, dtype=torch.uint8), targets, 1, (64, 64))


def refined(*steps: list[list[float]]) -> RefinedBoxes:
    boxes = torch.tensor(steps)
    return RefinedBoxes(boxed(), boxes, torch.stack([iou(step, TRUE) for step in boxes]))


HALF, WHOLE, FAR = [10.0, 10, 50, 30], [10.0, 10, 50, 50], [55.0, 55, 60, 60]


@pytest.mark.parametrize(
    ("architecture", "names"),
    [
        ("mask_rcnn", ["proposals", "the stage", "again (2)", "again (3)"]),
        ("cascade_rcnn", ["proposals", "stage 1", "stage 2", "stage 3"]),
    ],
)
def test_every_stage_moves_the_boxes_of_the_one_before(architecture, names, monkeypatch):
    config = dataclasses.replace(preset("quick").model, architecture=architecture, fpn_channels=16)
    torch.manual_seed(0)
    model = build_model(config, LossConfig(), TestConfig(), 3)
    assert box_stages.step_names(model) == names
    for number, stage in enumerate(model.roi_heads.box.stages, start=1):
        stage.deltas.weight.data.zero_()
        shift = torch.tensor([0.0, 0, 0, 0.1]) * torch.tensor(stage.coder.weights)
        stage.deltas.bias.data = shift.repeat(len(stage.deltas.bias) // 4) * number
    monkeypatch.setattr(box_stages, "InstanceDataset", lambda *_, **__: [boxed()])
    (one,) = box_stages.refine(model, None, [0], TestConfig())
    inside = ((one.boxes > 0) & (one.boxes < 64)).all(dim=2).all(dim=0)
    heights = (one.boxes[..., 3] - one.boxes[..., 1])[:, inside]
    growth = (heights[1:] / heights[:-1]).log()
    wanted = [0.1, 0.2, 0.3] if architecture == "cascade_rcnn" else [0.1, 0.1, 0.1]
    assert inside.any()
    torch.testing.assert_close(growth, torch.tensor(wanted)[:, None].expand_as(growth))


def test_only_proposals_near_an_object_are_followed():
    table = fits([refined([HALF, FAR], [WHOLE, WHOLE])], ["before", "after"])
    assert table.to_dict("list") == {"before": [0.5], "after": [1.0]}
    shares = shares_above(pd.concat((table, table * 0.55)), (0.5, 0.6))
    assert shares.loc["before"].tolist() == [0.5, 0]
    assert shares.loc["after"].tolist() == [1, 0.5]


def test_gains_are_means_in_bins_of_the_overlap_before():
    table = pd.DataFrame({"a": [0.31, 0.39, 0.95], "b": [0.5, 0.7, 0.9]})
    gains = by_input(table, "a", "b", bins=7)
    assert gains["before"].tolist() == pytest.approx([0.35, 0.95])
    assert gains["after"].tolist() == pytest.approx([0.6, 0.9])
    assert gains["boxes"].tolist() == [2, 1]


def test_the_object_with_most_proposals_is_drawn():
    few, many = refined([FAR, FAR, HALF]), refined([WHOLE, FAR, HALF])
    picture, boxes = most_refined([few, many], count=2)
    assert picture == 1
    assert boxes.tolist() == [[HALF, WHOLE]]
    with pytest.raises(ValueError, match="no proposal is near"):
        most_refined([refined([FAR])])
