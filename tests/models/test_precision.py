"""Sixteen bits: which, and how near to float32 the parts stay that read them as they are."""

import dataclasses

import pytest
import torch

from helpers.config import LossConfig
from helpers.models.pointrend import PointRendHead
from helpers.models.precision import autocast, autocast_dtype
from helpers.models.roi_pool import pool_rois
from helpers.structures import Detections

CPU = torch.device("cpu")
SIZES = [(64 // stride, 64 // stride) for stride in (4, 8, 16, 32, 64)]


@pytest.fixture
def levels() -> list[torch.Tensor]:
    """P2..P6 whose values bfloat16 holds exactly."""
    torch.manual_seed(1)
    return [torch.randn(1, 16, *size).bfloat16().float() for size in SIZES]


def boxes(count: int = 12) -> torch.Tensor:
    torch.manual_seed(2)
    low = 40 * torch.rand(count, 2)
    return torch.cat((low, low + 4 + 40 * torch.rand(count, 2)), dim=1)


def test_the_type_of_each_precision():
    assert autocast_dtype("auto", CPU) is None
    assert autocast_dtype("bf16", CPU) is torch.bfloat16
    assert autocast_dtype("float32", torch.device("cuda")) is None
    with pytest.raises(ValueError, match="fp16 needs a GPU"):
        autocast_dtype("fp16", CPU)


def test_the_context_is_on_for_sixteen_bits_alone():
    with autocast("bf16", CPU):
        assert torch.is_autocast_enabled("cpu")
        with autocast("float32", CPU):
            assert not torch.is_autocast_enabled("cpu")


@torch.no_grad()
def test_regions_of_interest_of_bfloat16_maps(levels):
    exact = pool_rois(levels, [boxes()], 7)
    halves = [level.bfloat16() for level in levels]
    assert torch.equal(pool_rois(halves, [boxes()], 7), exact)  # no autocast: in float32
    with autocast("bf16", CPU):
        rough = pool_rois(halves, [boxes()], 7)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, rtol=0.02, atol=0.02)


@torch.no_grad()
@pytest.mark.parametrize("few_points", [True, False])  # features weighed when read, or before
def test_pointrend_of_bfloat16_maps(tiny, levels, few_points):
    points = 49 if few_points else 784
    config = dataclasses.replace(
        tiny, mask_head="pointrend", point_dim=64, coarse_dim=32, subdivision_points=points
    )
    head = PointRendHead(config, LossConfig(), 3).eval()
    for layer in (head.point.predictor, head.coarse.prediction):  # answers away from zero
        layer.weight.data.normal_(std=0.3)
    found = [Detections(boxes(), torch.ones(12), torch.arange(12) % 3, (64, 64))]
    halves = [level.bfloat16() for level in levels]
    (exact,) = head.predict(levels, found)
    (plain,) = head.predict(halves, found)  # no autocast: in float32
    torch.testing.assert_close(plain, exact)
    with autocast("bf16", CPU):
        (rough,) = head.predict(halves, found)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    assert ((rough > 0.5) != (exact > 0.5)).float().mean() < 0.02
    assert (rough - exact).abs().mean() < 0.01


def test_gradients_are_summed_in_float32(tiny, levels):
    config = dataclasses.replace(tiny, mask_head="pointrend", point_dim=64, coarse_dim=32)
    head = PointRendHead(config, LossConfig(), 3)
    coarse = torch.randn(4, 3, 7, 7, requires_grad=True)
    with autocast("bf16", CPU):
        terms = head.point.terms(coarse, torch.arange(4) % 3)
    assert {rows.dtype for rows in terms.rows} == {torch.float32}
