"""Kernel points: the regular grid at the start, the learnt shifts after, through several layers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from helpers.config import LossConfig, TestConfig, preset
from helpers.models.build import Detector, build_model
from helpers.models.deform import DeformConv
from helpers.series.analysis.kernel_points import largest_of, places_on, readings, with_kernels
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


def test_looking_leaves_no_hooks_and_gives_the_same_again(model, sample):
    deformable, _ = with_kernels(model)
    first, second = (readings(deformable, sample, PLACES)[0].points for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not any(m._forward_hooks for m in deformable.modules())


def test_places_are_on_the_mask_from_top_to_foot():
    mask = np.zeros((40, 30), bool)
    mask[5:8, 10:20] = mask[5:35, 12] = True
    places = places_on(mask)
    assert places[:, 1].tolist() == sorted(places[:, 1].tolist())
    assert places[0, 1] == 5.5
    assert places[2].tolist() == [12.5, 34.5]
    assert mask[places[:, 1].astype(int), places[:, 0].astype(int)].all()


def test_the_largest_whole_object_of_a_group_is_chosen(small_index, monkeypatch):
    frames = []
    monkeypatch.setattr(
        "helpers.series.analysis.kernel_points.InstanceDataset.__getitem__",
        lambda self, row: frames.append(row) or fake_sample(row),
    )
    test = TestConfig(short_side=60, max_side=60)
    _, mask = largest_of(small_index, "Bed", test)
    assert frames == [0]  # the bed frame of 300 x 200; the bunk bed is a crowd region
    assert mask.sum() == 8
    largest_of(small_index, "Sofa", test)  # none there: of any kind
    assert frames == [0, 1]


def fake_sample(row: int) -> Sample:
    masks = torch.zeros(3, 6, 6, dtype=torch.bool)
    masks[0, :4, :2] = masks[1, :1, :1] = masks[2] = True
    targets = Targets(torch.zeros(3, 4), torch.tensor([1, 1, 0]), masks, torch.zeros(0, 4))
    return Sample(torch.zeros(3, 6, 6, dtype=torch.uint8), targets, row, (6, 6))
