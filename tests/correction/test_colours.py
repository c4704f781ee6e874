"""Labels from blended colours, against the naive decoding of the same pictures."""

from __future__ import annotations

import numpy as np

from helpers.correction.colours import decode_colours, exact_palette
from helpers.correction.instances import correct_image
from helpers.scenes.noise import antialias_colours, nearest_labels

GREY, RED, BLUE, PURPLE = (64, 64, 64), (250, 102, 102), (85, 179, 254), (235, 117, 255)
COLOURS = np.array([GREY, RED, BLUE, PURPLE], np.uint8)  # half red and half blue is nearest purple


def fine_map(size: int = 200, factor: int = 4) -> np.ndarray:
    """A red box before a blue one, both cut through pixels; a purple one apart; two blue legs with
    a gap of 4 pixels."""
    y, x = (np.mgrid[: size * factor, : size * factor] + 0.5) / factor
    labels = np.zeros(y.shape, np.int32)
    labels[(abs(y - 100) < 40) & (abs(x - 120) < 60.4)] = 2
    labels[(abs(y - 160) < 20) & ((abs(x - 100) < 1.5) | (abs(x - 107) < 1.5))] = 2
    labels[(abs(y - 90) < 28.5) & (abs(x - 70) < 35.5)] = 1
    labels[(abs(y - 30) < 15) & (abs(x - 30 - 0.2 * y) < 20)] = 3
    return labels


def majority(fine: np.ndarray, factor: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """The label most of each pixel has, and where more than half of it has it."""
    height, width = (side // factor for side in fine.shape)
    samples = fine.reshape(height, factor, width, factor).swapaxes(1, 2)
    votes = (samples.reshape(height, width, -1)[..., None] == np.arange(4)).sum(2)
    return votes.argmax(-1), votes.max(-1) > factor * factor / 2


def test_a_blend_takes_one_of_its_two_sides_never_a_third():
    fine = fine_map()
    picture, (truth, clear) = antialias_colours(fine, COLOURS, 4), majority(fine)
    labels, blends = decode_colours(picture, COLOURS)
    assert (nearest_labels(picture, COLOURS)[60:] == 3).sum() > 50  # where nothing is purple
    assert (labels[60:] == 3).sum() == 0 and ((labels != truth) & clear).sum() == 0
    assert blends == (picture[:, :, None] != COLOURS).any(-1).all(-1).sum() > 200
    assert (labels[150, 102:105] == 0).all() and labels[150, 100] == labels[150, 107] == 2


def test_the_palette_is_found_in_the_picture_and_thin_objects_by_their_masks():
    picture = antialias_colours(fine_map(), COLOURS, 4)
    assert set(map(tuple, exact_palette(picture).tolist())) == {GREY, RED, BLUE, PURPLE}
    thin = np.full((100, 100, 3), GREY, np.uint8)
    thin[50, 10:60] = RED
    assert len(exact_palette(thin)) == 1
    assert tuple(exact_palette(thin, [thin[..., 0] == 250])[1]) == RED


def test_masks_of_a_naive_decoding_are_corrected_by_their_picture():
    fine = fine_map()
    picture, (truth, clear) = antialias_colours(fine, COLOURS, 4), majority(fine)
    naive = nearest_labels(picture, COLOURS)
    masks = {k: naive == k for k in (1, 2, 3)}
    result, report = correct_image(masks, dict.fromkeys(masks, 1), idmap=picture)
    assert report.source == "blended id-map"
    assert not result[3][60:].any()
    assert all(not ((result[k] ^ (truth == k)) & clear).any() for k in masks)
    before, after = (sum(k * m[k] for k in m) for m in (masks, result))
    assert sum(report.changed.values()) == (before != after).sum()


def test_an_id_map_of_something_else_is_not_used():
    other = np.zeros((50, 50, 3), np.uint8)
    other[:25] = RED
    _, report = correct_image({1: np.eye(50, dtype=bool)}, {1: 1}, idmap=other)
    assert report.source == "masks"
