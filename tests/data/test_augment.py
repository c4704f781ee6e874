"""Sizes, draws, colour, blur and rotation, each against the rule written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from datafiles import picture
from scipy.ndimage import gaussian_filter
from torch import Tensor

from helpers.config import TrainConfig
from helpers.data.augment import (
    FILL,
    Draw,
    blurred,
    draw,
    jitter,
    resized_size,
    rotated,
    to_tensor,
)
from helpers.structures import Targets


@pytest.mark.parametrize(
    ("size", "short", "longest", "expected"),
    [
        ((1200, 1200), 1350, 1500, (1350, 1350)),
        ((1200, 1200), 1500, 1333, (1333, 1333)),
        ((480, 640), 800, 1333, (800, 1067)),
        ((640, 480), 800, 1333, (1067, 800)),
        ((427, 640), 800, 1333, (800, 1199)),  # 1199.06
        ((375, 500), 1200, 1600, (1200, 1600)),
        ((300, 1000), 800, 1333, (400, 1333)),  # 399.9
        ((1, 5000), 800, 1333, (1, 1333)),  # never zero
    ],
)
def test_resized_size(
    size: tuple[int, int], short: int, longest: int, expected: tuple[int, int]
) -> None:
    assert resized_size(size, short, longest) == expected


def test_D42_draws_cover_their_ranges_and_repeat() -> None:
    options = {"short_side": (12, 15), "flip": 0.3, "colour": 0.1}
    drawn = [draw((0, 1, row), TrainConfig(**options)) for row in range(2000)]
    assert {d.short_side for d in drawn} == {12, 13, 14, 15}
    assert np.mean([d.flip for d in drawn]) == pytest.approx(0.3, abs=0.05)
    for name in ("brightness", "contrast", "saturation"):
        factors = np.array([getattr(d, name) for d in drawn])
        changed = factors[factors != 1]
        assert len(changed) / len(factors) == pytest.approx(0.5, abs=0.05)
        assert 0.9 <= changed.min() < 0.91 and 1.09 < changed.max() <= 1.1
    more = TrainConfig(**options, blur=2.0, rotate=10.0)
    strong = [draw((0, 1, row), more) for row in range(2000)]
    plain = [Draw(**{**vars(d), "blur": 0.0, "angle": 0.0}) for d in strong]
    assert plain == drawn  # they change no other draw
    sigmas, angles = np.array([d.blur for d in strong]), np.array([d.angle for d in strong])
    assert (sigmas > 0).mean() == pytest.approx(0.5, abs=0.05) and 1.95 < sigmas.max() <= 2
    assert 9.8 < angles.max() <= 10 and -10 <= angles.min() < -9.8


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.4])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_D42_colour_blends_with_black_mean_or_grey(name: str, factor: float) -> None:
    source = picture(20, 30)
    pixels = np.asarray(source).astype(float)
    other = {
        "brightness": np.zeros(3),
        "contrast": pixels.mean(),
        "saturation": (pixels @ (0.299, 0.587, 0.114))[..., None],
    }[name]
    expected = np.clip(factor * pixels + (1 - factor) * other, 0, 255)
    found = np.asarray(jitter(source, Draw(1, **{name: factor}))).astype(float)
    assert np.abs(found - expected).max() <= 1.5


def targets_of(masks: Tensor, *, ignore: list[list[float]] | None = None) -> Targets:
    count = len(masks)
    crowds = torch.tensor(ignore or [], dtype=torch.float32).reshape(-1, 4)
    return Targets(torch.zeros(count, 4), torch.arange(count), masks, crowds)


def rectangles(height: int, width: int, *boxes: tuple[int, int, int, int]) -> Tensor:
    """(N, H, W) masks of boxes x1, y1, x2, y2."""
    masks = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.5])
def test_blur_is_a_gaussian(sigma: float) -> None:
    source = to_tensor(picture(40, 31), (40, 31))
    expected = gaussian_filter(
        source.double().numpy(), sigma, axes=(1, 2), mode="mirror", radius=math.ceil(3 * sigma)
    )
    assert np.abs(blurred(source, sigma).double().numpy() - expected).max() <= 1


def test_picture_and_masks_turn_together_and_corners_are_filled() -> None:
    masks = rectangles(60, 80, (20, 15, 62, 40))
    image = (masks[0] * 255).to(torch.uint8).repeat(3, 1, 1)
    turned, targets = rotated(image, targets_of(masks), 12.0)
    assert ((turned[0] > 127) != targets.masks[0])[10:50, 10:70].float().mean() < 0.02
    assert turned.shape == image.shape and turned.dtype == torch.uint8
    assert turned[:, 0, 0].tolist() == list(FILL)


def test_D44_instances_turned_out_of_the_picture_leave_together() -> None:
    masks = rectangles(40, 40, (0, 0, 2, 2), (15, 15, 25, 30), (38, 38, 40, 40))
    _, targets = rotated(torch.zeros(3, 40, 40, dtype=torch.uint8), targets_of(masks), 30.0)
    assert targets.labels.tolist() == [1]
    assert targets.boxes.shape == (1, 4) and targets.masks.shape == (1, 40, 40)
    assert targets.boxes.dtype == torch.float32 and targets.masks.dtype == torch.bool


def test_crowd_boxes_enclose_their_turned_corners() -> None:
    crowds = [[10.0, 10.0, 30.0, 20.0], [0.0, 0.0, 1.0, 1.0]]
    empty = targets_of(torch.zeros(0, 40, 40, dtype=torch.bool), ignore=crowds)
    _, targets = rotated(torch.zeros(3, 40, 40, dtype=torch.uint8), empty, 90.0)
    assert torch.allclose(targets.ignore[0], torch.tensor([10.0, 10.0, 20.0, 30.0]), atol=1.01)
    assert targets.masks.shape == (0, 40, 40) and targets.boxes.shape == (0, 4)
    _, targets = rotated(torch.zeros(3, 40, 40, dtype=torch.uint8), empty, 45.0)
    assert len(targets.ignore) == 1 and (targets.ignore >= 0).all() and (targets.ignore <= 40).all()
