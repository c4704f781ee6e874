"""Annotation noise: the level scales it, decoding blends gives third labels."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.scenes import noise
from helpers.scenes.random import stream


def two_pieces(size: int = 300) -> np.ndarray:
    """A box (1) with a touching disc (2), and a rod of 2 pixels (5)."""
    ids = np.zeros((size, size), np.int32)
    ids[100:220, 30:150] = 1
    y, x = np.mgrid[:size, :size]
    ids[(y - 160) ** 2 + (x - 205) ** 2 < 56**2] = 2
    ids[20:80, 250:252] = 5
    return ids


def test_level_zero_changes_nothing_and_higher_levels_change_more():
    ids = two_pieces(600)
    for label, mask in noise.corrupt(ids, stream(0), 0.0, labels=[1, 5]).items():
        assert np.array_equal(mask, ids == label)

    def mean_iou(level: float) -> float:
        found = []
        for seed in range(8):
            masks = noise.corrupt(ids, stream(seed), level, labels=[1, 2])
            for label, mask in masks.items():
                truth = ids == label
                found.append((mask & truth).sum() / (mask | truth).sum())
        return float(np.mean(found))

    light, medium, heavy = mean_iou(0.5), mean_iou(1.0), mean_iou(2.0)
    assert 1 > light > medium > heavy
    assert light > 0.9


@pytest.mark.parametrize(
    "place", [(0, 0, 8, 8), (292, 292, 300, 300), (150, 150, 151, 151), (0, 0, 300, 300)]
)
def test_corners_one_pixel_and_full_masks_survive(place: tuple[int, int, int, int]):
    ids = np.zeros((300, 300), np.int32)
    top, left, bottom, right = place
    ids[top:bottom, left:right] = 1
    for seed in range(10):
        assert noise.corrupt(ids, stream(seed), 2.0, labels=[1])[1].any()


def test_colours_are_distinct_and_decode_to_the_exact_map():
    ids, colours = two_pieces(), noise.object_colours(40, stream(2))
    assert colours.shape == (41, 3) and tuple(colours[0]) == noise.BACKGROUND
    assert len(np.unique(colours, axis=0)) == 41
    picture = noise.antialias_colours(ids, colours, 1)
    assert np.array_equal(picture, colours[ids])
    assert np.array_equal(noise.nearest_labels(picture, colours), ids)


def test_a_blend_of_two_objects_falls_to_a_third():
    colours = np.array([[64, 64, 64], [250, 102, 102], [85, 179, 254], [235, 117, 255]], np.uint8)
    fine = np.ones((8, 8), np.int32)
    fine[:, 6:] = 2  # with factor 4 the right column is half 1, half 2
    picture = noise.antialias_colours(fine, colours, 4)
    assert picture[0, 1].tolist() == [168, 141, 178]
    assert noise.nearest_labels(picture, colours).tolist() == [[1, 3], [1, 3]]
