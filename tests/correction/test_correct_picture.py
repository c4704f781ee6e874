"""Correction that looks at the picture: what looks like its surroundings goes, all else stays."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.correction.correct import CorrectionConfig, correct_labels

SIZE = 1200
COLOURS = np.array([(90, 90, 90), (200, 120, 60), (60, 120, 200), (230, 230, 90)])


def room(*boxes: tuple[int, int, int, int, int], size: int = SIZE) -> np.ndarray:
    labels = np.zeros((size, size), np.int32)
    for label, top, left, bottom, right in boxes:
        labels[top:bottom, left:right] = label
    return labels


BEHIND = ((1, 300, 300, 700, 800), (2, 800, 200, 1000, 900), (3, 40, 40, 120, 120))


def photograph(truth: np.ndarray, *, noise: float = 3, seed: int = 0) -> np.ndarray:
    """Every object in its colour, with the given deviation of every channel."""
    grain = np.random.default_rng(seed).normal(0, noise, (*truth.shape, 3))
    return np.clip(COLOURS[truth] + grain, 0, 255).astype(np.uint8)


def repaired(noisy: np.ndarray, truth: np.ndarray) -> np.ndarray:
    found = correct_labels(noisy, picture=photograph(truth))
    assert found.settled
    assert sum(found.changed.values()) == (found.labels != noisy).sum()
    return found.labels


DEFECTS = {
    "a hole of 6 x 6": (0, 500, 500, 506, 506),
    "an island of 7 x 7": (3, 500, 500, 507, 507),
    "a leak of one pixel": (0, 300, 500, 330, 501),
    "a leak across": (2, 800, 200, 801, 230),
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_what_looks_like_its_surroundings_is_given_to_them(defect):
    truth = room(*BEHIND)
    noisy = room(*BEHIND, defect)
    found = repaired(noisy, truth)
    assert (found == 3).sum() == (truth == 3).sum()
    assert (found != truth).sum() <= 2  # the mouth of a leak, where half of what is near is its own


REAL = {
    "a gap of 6 x 6": (0, 500, 500, 506, 506),
    "a leg of one pixel": (3, 120, 80, 220, 81),
    "a cable before a sofa": (3, 300, 500, 700, 501),
    "a small knob": (3, 500, 500, 505, 505),
}


@pytest.mark.parametrize("thing", REAL.values(), ids=REAL)
def test_what_is_seen_in_the_picture_stays(thing):
    truth = room(*BEHIND, thing)
    assert np.array_equal(correct_labels(truth, picture=photograph(truth)).labels, truth)


def test_shape_alone_would_take_the_knob_away():
    truth = room(*BEHIND, REAL["a small knob"])
    assert (correct_labels(truth).labels != truth).sum() == 25
    many = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    assert (correct_labels(truth, picture=many).labels != truth).sum() == 25  # colours say nothing


@pytest.mark.parametrize("noise", [3, 12, 25])
def test_swapped_pixels_of_a_border_go_back_and_right_ones_stay(noise):
    """Two side by side, which shape alone takes for the end of something; a corner beside a
    swapped pixel, which it takes for a bump."""
    truth = room(*BEHIND)
    noisy = truth.copy()
    noisy[299, 500:502] = 1
    noisy[300, 301] = 0  # leaves the corner at (300, 300) with one neighbour of its own
    alone = correct_labels(noisy).labels
    assert (alone[299, 500:502] == 1).all() and alone[300, 300] == 0
    found = correct_labels(noisy, picture=photograph(truth, noise=noise)).labels
    assert (found[299, 500:502] == 0).all() and found[300, 300] == 1


def test_grain_is_no_contrast():
    truth, noisy = room(*BEHIND), room(*BEHIND, *DEFECTS.values())
    found = correct_labels(noisy, picture=photograph(truth, noise=20)).labels
    assert (found != truth).sum() <= 4 < (noisy != truth).sum()


def test_without_contrast_corners_and_thick_parts_stay():
    truth = room(*BEHIND, (1, 700, 500, 760, 504))
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    assert np.array_equal(correct_labels(truth, picture=grey).labels, truth)


def test_one_label_is_never_lost_to_its_surroundings():
    truth = room(*BEHIND[:2], (3, 500, 500, 506, 506))  # its only part, and it looks like the sofa
    picture = photograph(room(*BEHIND[:2]))
    assert (correct_labels(truth, picture=picture).labels == 3).any()


def test_numbering_does_not_matter_with_a_picture():
    noisy, truth = room(*BEHIND, *DEFECTS.values()), room(*BEHIND)
    other = np.array([0, 9, 30, 4])
    again = correct_labels(other[noisy], picture=photograph(truth)).labels
    assert np.array_equal(again, other[repaired(noisy, truth)])


def test_the_picture_counts_as_a_cause_of_its_own():
    found = correct_labels(
        room(*BEHIND, DEFECTS["a hole of 6 x 6"]), picture=photograph(room(*BEHIND))
    )
    assert found.changed["picture"] == 36
    kept = CorrectionConfig(alike_component=1.1, alike_line=1.1)
    labels = room(*BEHIND, DEFECTS["a hole of 6 x 6"])
    assert np.array_equal(correct_labels(labels, kept, picture=photograph(labels)).labels, labels)


def test_small_maps_and_pictures_that_do_not_fit():
    tiny = np.array([[0, 1], [1, 1]])
    assert correct_labels(tiny, picture=np.zeros((2, 2, 3), np.uint8)).labels.shape == (2, 2)
    with pytest.raises(ValueError, match="picture of shape"):
        correct_labels(tiny, picture=np.zeros((2, 3, 3), np.uint8))


def test_in_small_pictures_a_line_may_be_a_leg_and_stays():
    leg = np.zeros((300, 300), np.int32)
    leg[50:150, 50:250] = 1
    leg[150:250, 100] = 1
    grey = np.full((300, 300, 3), 128, np.uint8)
    assert np.array_equal(correct_labels(leg, picture=grey).labels, leg)
