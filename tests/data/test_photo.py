"""Generated pictures made like photographs: same draw, same picture; what becomes of the masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datafiles import picture
from torch import Tensor

from helpers.config import TrainConfig
from helpers.data.augment import Draw, draw, to_tensor
from helpers.data.photo import LEAST_LEFT, Photo, cropped, photographed
from helpers.structures import Targets

SIZE = (60, 90)


def scene() -> tuple[Tensor, Targets]:
    """A picture with two rectangles (as boxes, x1 y1 x2 y2) and a crowd."""
    boxes = torch.tensor([[10.0, 5.0, 50.0, 45.0], [70.0, 30.0, 90.0, 60.0]])
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    crowd = torch.tensor([[0.0, 0.0, 20.0, 20.0]])
    return to_tensor(picture(*SIZE), SIZE), Targets(boxes, torch.tensor([3, 7]), masks, crowd)


def test_the_strength_draws_a_photo_and_changes_no_other_draw() -> None:
    options = {"short_side": (12, 15), "flip": 0.3, "colour": 0.1, "blur": 2.0, "rotate": 10.0}
    for row in range(20):
        configs = (TrainConfig(**options, photo=photo) for photo in (0.0, 0.6))
        plain, strong = (draw((0, 1, row), config) for config in configs)
        assert plain.photo is None and strong.photo == Photo(0.6, (0, 1, row, 1))
        assert Draw(**{**vars(strong), "photo": None}) == plain


def test_equal_draws_give_equal_pictures() -> None:
    seen = set()
    for seed in range(30):
        image, targets = scene()
        first, second = (photographed(image, targets, Photo(1.0, (seed,))) for _ in range(2))
        assert torch.equal(first[0], second[0])
        pairs = zip(vars(first[1]).values(), vars(second[1]).values(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
        assert torch.equal(image, scene()[0])  # the source is left alone
        assert first[0].dtype == torch.uint8 and first[0].shape[1:] == first[1].masks.shape[1:]
        seen.add(first[0].numpy().tobytes())
    assert len(seen) == 30


def test_strength_sets_how_much_changes() -> None:
    image, targets = scene()
    changed = []
    for strength in (0.0, 0.2, 1.0):
        new = [photographed(image, targets, Photo(strength, (seed,)))[0] for seed in range(40)]
        changed.append(np.mean([x.shape != image.shape or not torch.equal(x, image) for x in new]))
    assert changed[0] == 0 and 0.4 < changed[1] < changed[2] and changed[2] > 0.95


def test_a_crop_takes_masks_boxes_and_crowds_along() -> None:
    image, targets = scene()
    found, left = cropped(image, targets, (5, 10, 60, 40))
    assert torch.equal(found, image[:, 10:50, 5:65])
    assert left.labels.tolist() == [3]  # the other lies outside
    assert torch.equal(left.masks[0], targets.masks[0, 10:50, 5:65])
    assert left.boxes.tolist() == [[5.0, 0.0, 45.0, 35.0]]
    assert left.ignore.tolist() == [[0.0, 0.0, 15.0, 10.0]]


@pytest.mark.parametrize("columns", [0, 2, 3, 20])
def test_too_little_of_an_object_is_ignored(columns: int) -> None:
    image, targets = scene()
    _, left = cropped(image, targets, (0, 0, 70 + columns, 60))
    kept = columns / 20 > LEAST_LEFT
    assert left.labels.tolist() == ([3, 7] if kept else [3])
    assert len(left.ignore) == 1 + (columns > 0 and not kept)


def test_a_picture_without_objects_and_one_of_a_few_pixels() -> None:
    none = Targets(
        torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3, 2).bool(),
        torch.zeros(0, 4),
    )  # fmt: skip
    for seed in range(20):
        image, left = photographed(to_tensor(picture(3, 2), (3, 2)), none, Photo(1.0, (seed,)))
        assert len(left) == 0 and left.boxes.shape == (0, 4) and min(image.shape) >= 1
