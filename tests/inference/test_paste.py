"""Run lengths straight from boxes against full-size planes, and planes against the formula."""

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from torch.nn import functional

from helpers.inference.paste import paste_masks, to_rle
from helpers.structures import Detections


def detections(boxes, masks, size) -> Detections:
    boxes = torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Detections(
        boxes, torch.ones(len(boxes)), torch.zeros(len(boxes), dtype=torch.long), size, masks
    )


def counts_of_planes(found: Detections) -> list[str]:
    planes = paste_masks(found).numpy().astype(np.uint8)
    encoded = coco_mask.encode(np.asfortranarray(planes.transpose(1, 2, 0)))
    return [rle["counts"].decode() for rle in encoded]


def soft_masks(count: int, side: int, kind: str) -> torch.Tensor:
    """Probabilities as heads make them (smooth), noise, hard zeros and ones, or exactly 0.5."""
    noise = torch.rand(count, side, side)
    if kind == "smooth":
        coarse = torch.randn(count, 1, max(2, side // 6), max(2, side // 6))
        return torch.sigmoid(6 * functional.interpolate(coarse, (side, side), mode="bicubic"))[:, 0]
    return {"noise": noise, "hard": noise.round(), "half": torch.full_like(noise, 0.5)}[kind]


def random_boxes(random: np.random.Generator, count: int, size: tuple[int, int]) -> np.ndarray:
    """Inside, across and outside of the picture, sub-pixel, whole picture, without area."""
    extent = np.array([size[1], size[0]] * 2, dtype=float)
    boxes = random.uniform(-0.5, 1.5, (count, 2, 2))
    boxes = np.sort(boxes, axis=1).reshape(count, 4) * extent
    kind = random.integers(0, 9, count)
    boxes[kind == 1] = [0, 0, *extent[:2]]
    boxes[kind == 2] = np.round(boxes[kind == 2])
    boxes[kind == 3] = np.round(boxes[kind == 3] * 2) / 2
    tiny = kind == 4
    boxes[tiny, 2:] = boxes[tiny, :2] + random.uniform(0, 1.5, (tiny.sum(), 2))
    boxes[kind == 5] *= 100
    boxes[kind == 6, 2] = boxes[kind == 6, 0]
    boxes[kind == 7] = boxes[kind == 7][:, [2, 1, 0, 3]]
    boxes[kind == 8] += 3 * extent
    return boxes


@pytest.mark.parametrize("kind", ["smooth", "noise", "hard", "half"])
@pytest.mark.parametrize("side", [1, 2, 7, 28, 112])
def test_run_lengths_equal_full_size_planes(side, kind):
    random = np.random.default_rng(side)
    torch.manual_seed(side)
    set_somewhere = 0
    for _ in range(12):
        size = tuple(int(n) for n in random.integers(1, 150, 2))
        found = detections(random_boxes(random, 20, size), soft_masks(20, side, kind), size)
        rles = to_rle(found)
        assert [rle["counts"] for rle in rles] == counts_of_planes(found)
        assert all(rle["size"] == list(size) for rle in rles)
        set_somewhere += sum(coco_mask.area(rle) > 0 for rle in rles)
    assert set_somewhere > 10
