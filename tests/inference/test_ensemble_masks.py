"""Patches of soft masks against whole planes and plain arithmetic."""

import numpy as np
import pytest
import torch

from helpers.inference.ensemble_masks import (
    Patch,
    added,
    grid_of,
    reached,
    render,
    sample,
    shared_cells,
    tight_box,
)
from helpers.inference.paste import paste_masks
from helpers.structures import Detections

SIZE = (50, 70)


def plane(patch: Patch, shape=SIZE) -> np.ndarray:
    whole = np.zeros(shape, np.float32)
    right, bottom = patch.ends
    whole[patch.top : bottom, patch.left : right] = patch.values
    return whole


def random_patch(seed: int) -> Patch:
    random = np.random.default_rng(seed)
    left, top = random.integers(0, 30, 2)
    height, width = random.integers(0, 20, 2)
    return Patch(int(left), int(top), random.random((height, width), dtype=np.float32))


@pytest.mark.parametrize("side", [1, 2, 14, 33])
@pytest.mark.parametrize("box", [(3.2, 4.7, 41.9, 33.1), (-8.0, -3.0, 90.0, 60.0), (5, 5, 5.3, 9)])
def test_samples_are_grid_sample_with_the_edge_repeated(side, box):
    torch.manual_seed(side)
    mask = torch.rand(side, side)
    x, y = np.arange(70) + 0.5, np.arange(50) + 0.5
    grid = torch.stack(
        torch.meshgrid(
            torch.from_numpy(2 * (x - box[0]) / (box[2] - box[0]) - 1),
            torch.from_numpy(2 * (y - box[1]) / (box[3] - box[1]) - 1),
            indexing="xy",
        ),
        dim=-1,
    ).float()
    expected = torch.nn.functional.grid_sample(
        mask[None, None], grid[None], padding_mode="border", align_corners=False
    )[0, 0]
    outside = (grid.abs() > 1).any(dim=-1)
    expected[outside] = 0
    found = sample(mask.numpy(), box, x, y)
    assert (~outside).any() or box[2] - box[0] < 1
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)
    np.testing.assert_allclose(plane(render(mask.numpy(), box, SIZE, 1)), found, atol=1e-7)


def test_a_coarser_grid_is_asked_at_the_centres_of_its_cells():
    mask = np.random.default_rng(0).random((9, 9), dtype=np.float32)
    box = (2.0, 3.0, 60.0, 47.0)
    found = plane(render(mask, box, SIZE, 3), (17, 24))
    expected = sample(mask, box, np.arange(24) * 3 + 1.5, np.arange(17) * 3 + 1.5)
    np.testing.assert_array_equal(found, expected)


def test_a_box_without_a_centre_gives_an_empty_patch():
    for box in ((5.6, 5.0, 6.4, 9.0), (-9.0, 5.0, -2.0, 9.0), (80.0, 5.0, 90.0, 9.0), (5, 5, 5, 9)):
        assert render(np.ones((4, 4), np.float32), box, SIZE, 1).values.size == 0


def test_masks_are_where_paste_puts_them():
    torch.manual_seed(0)
    coarse = torch.randn(4, 1, 5, 5)
    masks = torch.nn.functional.interpolate(coarse, (40, 40), mode="bicubic").mul(6).sigmoid()[:, 0]
    boxes = torch.tensor([[2.0, 3, 60, 44], [0, 0, 70, 50], [10.5, 5.2, 44.1, 30.9], [1, 1, 9, 9]])
    found = Detections(boxes, torch.ones(4), torch.zeros(4).long(), SIZE, masks)
    for pasted, mask, box in zip(paste_masks(found), masks, boxes.tolist(), strict=True):
        rendered = plane(render(mask.numpy(), tuple(box), SIZE, 1)) >= 0.5
        both, either = pasted.numpy() & rendered, pasted.numpy() | rendered
        assert both.sum() / either.sum() > 0.97  # half a cell at the edges


@pytest.mark.parametrize("seed", range(8))
def test_sum_and_shared_cells_equal_whole_planes(seed):
    one, other = random_patch(seed), random_patch(seed + 100)
    total = added(one, other, 0.5)
    np.testing.assert_allclose(plane(total), plane(one) + np.float32(0.5) * plane(other), atol=1e-6)
    expected = ((plane(one) >= 0.3) & (plane(other) >= 0.6)).sum()
    assert shared_cells(reached(one, 0.3), reached(other, 0.6)) == expected


@pytest.mark.parametrize("seed", range(24))
def test_tight_box_is_that_of_the_whole_sum(seed):
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(1 + seed % 4):
        corner, side = random.uniform(-6, 30, 2), random.uniform(0.5, 50, 2)
        mask = random.random((int(random.integers(1, 9)),) * 2, dtype=np.float32) ** 2
        parts.append((mask, (*corner, *(corner + side)), float(random.uniform(0.2, 2))))
    threshold = random.uniform(0.1, 0.6) * sum(weight for _, _, weight in parts)
    whole = sum(np.float32(weight) * plane(render(m, box, SIZE, 1)) for m, box, weight in parts)
    rows, columns = np.nonzero(whole >= np.float32(threshold))
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None
    assert tight_box(parts, SIZE, threshold) == expected


def test_tight_box_of_nothing_is_none():
    outside = [(np.ones((4, 4), np.float32), (90.0, 5.0, 99.0, 9.0), 1.0)]
    assert tight_box(outside, SIZE, 0.5) is None


def test_grid_points_are_cell_centres():
    x, y = grid_of((10.0, 0.0, 14.0, 8.0), 4)
    assert x.tolist() == [10.5, 11.5, 12.5, 13.5]
    assert y.tolist() == [1.0, 3.0, 5.0, 7.0]
