"""Annotation noise: the log is exact, the level scales it, decoding blends gives third labels."""

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


def test_the_log_counts_every_changed_pixel_once():
    ids, seen = two_pieces(), set()
    for seed in range(30):
        masks, log = noise.corrupt(ids, stream(seed), 1.0)
        assert sorted(masks) == sorted(log) == [1, 2, 5]
        for label, mask in masks.items():
            assert mask.shape == ids.shape and mask.dtype == bool and mask.any()
            assert sum(log[label].values()) == (mask ^ (ids == label)).sum()
            seen |= set(log[label])
    assert seen == {name for name, _, _ in noise.CAUSES}


def test_same_stream_same_masks_and_another_stream_others():
    ids = two_pieces()
    first, again, other = (noise.corrupt(ids, stream(s))[0] for s in (3, 3, 4))
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert any(not np.array_equal(first[k], other[k]) for k in first)


def test_level_zero_changes_nothing_and_higher_levels_change_more():
    ids = two_pieces(600)
    assert noise.corrupt(ids, stream(0), 0.0)[1] == {1: {}, 2: {}, 5: {}}

    def mean_iou(level: float) -> float:
        found = []
        for seed in range(8):
            masks, _ = noise.corrupt(ids, stream(seed), level, labels=[1, 2], probability=1.0)
            for label, mask in masks.items():
                truth = ids == label
                found.append((mask & truth).sum() / (mask | truth).sum())
        return float(np.mean(found))

    light, medium, heavy = mean_iou(0.5), mean_iou(1.0), mean_iou(2.0)
    assert 1 > light > medium > heavy
    assert light > 0.9


def test_only_the_labels_asked_for_are_treated():
    masks, log = noise.corrupt(two_pieces(), stream(0), labels=[2])
    assert list(masks) == list(log) == [2]


@pytest.mark.parametrize(
    "place", [(0, 0, 8, 8), (292, 292, 300, 300), (150, 150, 151, 151), (0, 0, 300, 300)]
)
def test_corners_one_pixel_and_full_masks_survive(place: tuple[int, int, int, int]):
    ids = np.zeros((300, 300), np.int32)
    top, left, bottom, right = place
    ids[top:bottom, left:right] = 1
    for seed in range(10):
        masks, log = noise.corrupt(ids, stream(seed), 2.0, probability=1.0)
        assert masks[1].any()
        assert sum(log[1].values()) == (masks[1] ^ (ids == 1)).sum()


def test_an_empty_map_gives_no_masks():
    assert noise.corrupt(np.zeros((9, 9), np.int32), stream(0)) == ({}, {})


def test_colours_are_bright_distinct_and_repeatable():
    colours = noise.object_colours(40, stream(1))
    assert colours.shape == (41, 3) and colours.dtype == np.uint8
    assert tuple(colours[0]) == noise.BACKGROUND
    assert len(np.unique(colours, axis=0)) == 41
    assert (colours[1:].max(1) > 140).all()
    assert np.array_equal(colours, noise.object_colours(40, stream(1)))


def test_exact_colours_decode_to_the_exact_map():
    ids = two_pieces()
    colours = noise.object_colours(5, stream(2))
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


def test_fields_have_the_variance_they_promise():
    bell = noise._bell_field(stream(5), (400, 400))
    assert abs(bell.mean()) < 0.02 and abs(bell.std() - 1) < 0.02
    smooth = noise._smooth_field(stream(5), (400, 400), 5)
    assert abs(smooth.mean()) < 0.1 and abs(smooth.std() - 1) < 0.1
    neighbours = np.corrcoef(smooth[:, 1:].ravel(), smooth[:, :-1].ravel())[0, 1]
    assert neighbours > 0.9
