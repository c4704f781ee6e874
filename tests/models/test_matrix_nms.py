"""Matrix NMS against loops that follow the paper's formula word by word."""

import math

import pytest
import torch

from helpers.models.matrix_nms import mask_overlaps, matrix_nms


def naive(overlaps, labels, sigma):
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


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_decay_equals_naive_loops(seed, sigma):
    masks = random_masks(seed, 25)
    labels = torch.randint(0, 3, (25,), generator=torch.Generator().manual_seed(seed))
    overlaps = mask_overlaps(masks)
    decay = matrix_nms(overlaps, labels, sigma=sigma)
    expected = naive(overlaps.tolist(), labels.tolist(), sigma)
    torch.testing.assert_close(decay, torch.tensor(expected), rtol=1e-5, atol=1e-6)
    assert 0 < (decay < 0.99).sum() < 25


def test_overlaps_are_intersection_over_union():
    masks = random_masks(7, 6)
    masks[3] = False
    overlaps = mask_overlaps(masks)
    for i in range(6):
        for j in range(6):
            union = (masks[i] | masks[j]).sum().item()
            expected = (masks[i] & masks[j]).sum().item() / union if union else 0.0
            assert overlaps[i, j].item() == pytest.approx(expected)


def test_overlaps_of_more_pixels_than_are_multiplied_at_once(monkeypatch):
    masks = random_masks(1, 5)
    whole = mask_overlaps(masks)
    monkeypatch.setattr("helpers.models.matrix_nms.PIXELS_AT_ONCE", 100)
    assert torch.equal(mask_overlaps(masks), whole)


def test_none_and_one():
    assert matrix_nms(torch.zeros(0, 0), torch.zeros(0, dtype=torch.long)).shape == (0,)
    assert matrix_nms(torch.ones(1, 1), torch.zeros(1, dtype=torch.long)).tolist() == [1.0]


def test_a_copy_decays_fully_and_another_class_not_at_all():
    labels = torch.tensor([0, 0, 1])
    decay = matrix_nms(torch.ones(3, 3), labels, sigma=2.0)
    assert decay.tolist() == pytest.approx([1.0, math.exp(-2), 1.0])
