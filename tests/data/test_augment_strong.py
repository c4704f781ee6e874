"""The augmentations of the ablation: blur and rotation, each against the rule written out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from datafiles import picture, write
from scipy.ndimage import gaussian_filter
from torch import Tensor

from helpers.data.augment import FILL, Draw, blurred, draw, rotated, to_tensor
from helpers.data.coco import read_index
from helpers.data.loader import InstanceDataset
from helpers.structures import Targets


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


def slowly_rotated(mask: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """(turned mask, where the nearest pixel is beyond doubt), one pixel at a time."""
    height, width = mask.shape
    turned, sure = np.zeros_like(mask), np.zeros_like(mask)
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5 - width / 2, row + 0.5 - height / 2
            u, v = cosine * x - sine * y + width / 2, sine * x + cosine * y + height / 2
            sure[row, column] = min(u % 1, 1 - u % 1, v % 1, 1 - v % 1) > 1e-3
            if 0 <= u < width and 0 <= v < height:
                turned[row, column] = mask[int(v), int(u)]
    return turned, sure


def test_draws_without_them_are_what_they_were() -> None:
    options = {"short_side": (12, 15), "flip": 0.3, "colour": 0.1}
    for row in range(20):
        plain = draw((0, 1, row), **options)
        strong = draw((0, 1, row), **options, blur=2.0, rotate=10.0)
        assert (plain.blur, plain.angle) == (0, 0)
        assert plain == Draw(**{**vars(strong), "blur": 0.0, "angle": 0.0})


def test_draws_cover_their_ranges() -> None:
    options = {"short_side": (12, 12), "flip": 0.0, "colour": 0.0}
    drawn = [draw((0, 0, row), **options, blur=2.0, rotate=10.0) for row in range(2000)]
    sigmas, angles = np.array([d.blur for d in drawn]), np.array([d.angle for d in drawn])
    assert (sigmas > 0).mean() == pytest.approx(0.5, abs=0.05)
    assert 1.95 < sigmas.max() <= 2 and 0 < sigmas[sigmas > 0].min() < 0.05
    assert 9.8 < angles.max() <= 10 and -10 <= angles.min() < -9.8
    assert abs(angles.mean()) < 0.5


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.5])
def test_blur_is_a_gaussian(sigma: float) -> None:
    source = to_tensor(picture(40, 31), (40, 31))
    expected = gaussian_filter(
        source.double().numpy(), sigma, axes=(1, 2), mode="mirror", radius=math.ceil(3 * sigma)
    )
    assert np.abs(blurred(source, sigma).double().numpy() - expected).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3)])
def test_blur_of_a_picture_smaller_than_it(size: tuple[int, int]) -> None:
    source = to_tensor(picture(*size), size)
    assert blurred(source, 5.0).shape == source.shape
    assert torch.equal(blurred(source, 0.0), source)


@pytest.mark.parametrize("size", [(24, 24), (17, 30)])
@pytest.mark.parametrize("angle", [-90.0, -20.0, 3.0, 7.7, 45.0])
def test_masks_turn_to_the_nearest_pixel(size: tuple[int, int], angle: float) -> None:
    masks = rectangles(*size, (4, 3, 15, 12), (9, 9, 12, 17))
    image = to_tensor(picture(*size), size)
    _, turned = rotated(image, targets_of(masks), angle)
    for mask, found in zip(masks.numpy(), turned.masks.numpy(), strict=True):
        expected, sure = slowly_rotated(mask, angle)
        assert np.array_equal(found[sure], expected[sure])
        assert sure.mean() > 0.9 or angle % 90 == 0
    for mask, box in zip(turned.masks, turned.boxes, strict=True):
        ys, xs = mask.nonzero(as_tuple=True)
        assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


def test_a_right_angle_is_exact() -> None:
    image, masks = to_tensor(picture(20, 20), (20, 20)), rectangles(20, 20, (2, 3, 11, 8))
    turned, targets = rotated(image, targets_of(masks), 90.0)
    assert (turned.int() - image.rot90(1, (1, 2)).int()).abs().max() <= 1
    assert torch.equal(targets.masks, masks.rot90(1, (1, 2)))


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


def test_D42_samples_repeat_and_differ_between_epochs(tmp_path: Path) -> None:
    index = read_index(write(tmp_path))
    first, again = (
        InstanceDataset(
            index, train=True, short_side=20, max_side=40, blur=2.0, rotate=30.0, seed=4
        )
        for _ in range(2)
    )
    seen = []
    for epoch in range(4):
        for dataset in (first, again):
            dataset.set_epoch(epoch)
        one, other = first[0], again[0]
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.targets.masks, other.targets.masks)
        seen.append(one.targets.boxes.tolist())
    assert len({str(boxes) for boxes in seen}) == 4
    with pytest.raises(ValueError, match="no augmentation"):
        InstanceDataset(index, train=False, short_side=20, max_side=40, rotate=1.0)
