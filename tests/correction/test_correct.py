"""Correction of label maps: what is noise and what is not, each on a map drawn for it."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.correction.correct import correct_labels

SIZE = 1200  # at which thresholds are not scaled
Box = tuple[int, int, int, int, int]


def room(*boxes: Box, size: int = SIZE) -> np.ndarray:
    """A map with (label, top, left, bottom, right) boxes, later ones on top."""
    labels = np.zeros((size, size), np.int32)
    for label, top, left, bottom, right in boxes:
        labels[top:bottom, left:right] = label
    return labels


SEAT, BED, LAMP = (1, 300, 300, 500, 700), (2, 600, 200, 900, 800), (7, 900, 900, 1000, 1000)
SLATS = tuple((0, 320, left, 328, left + 1) for left in range(320, 680, 20))
STAYS = {
    "nothing": (),
    "a thin rod": (SEAT, (1, 500, 400, 540, 401)),
    "a dashed rod": (
        SEAT, (1, 501, 400, 505, 401), (1, 508, 400, 512, 401), (1, 514, 400, 519, 401),
        (1, 522, 400, 526, 401),
    ),
    "a sofa cut by table legs": (BED, (5, 600, 380, 900, 400), (5, 600, 600, 900, 620)),
    "gaps between slats": (SEAT, *SLATS),
    "an instance of 20 pixels": (SEAT, (9, 100, 100, 104, 105)),
    "the same inside of another": (BED, (9, 700, 500, 704, 505)),
    "a leg cut by the picture": (SEAT, (1, 500, 400, 1200, 401)),
    "a leg along the picture's border": ((1, 0, 0, 100, 100), (1, 100, 0, 140, 1)),
}  # fmt: skip
GOES = {  # what is there, the noise on it, its cause
    "a speck inside a bed, to the bed": ((BED, LAMP), (7, 700, 500, 702, 502), "island"),
    "a speck in the background": ((SEAT, BED), (1, 100, 100, 102, 102), "speck"),
    "a hole": ((SEAT, BED), (0, 400, 400, 402, 402), "hole"),
    "a hole beside slats": ((SEAT, *SLATS), (0, 400, 400, 402, 403), "hole"),
    "a speck at the picture's border": (((1, 0, 0, 100, 100), BED), (2, 50, 0, 52, 1), "island"),
    "a bump of a pixel": ((SEAT,), (1, 299, 450, 300, 451), "border"),
    "a notch of a pixel": ((SEAT,), (0, 300, 550, 301, 551), "border"),
}


@pytest.mark.parametrize("boxes", STAYS.values(), ids=STAYS)
def test_what_is_no_noise_stays(boxes: tuple[Box, ...]):
    found = correct_labels(room(*boxes))
    assert np.array_equal(found.labels, room(*boxes)) and not found.causes.any()


@pytest.mark.parametrize(("boxes", "noise", "cause"), GOES.values(), ids=GOES)
def test_noise_goes_and_is_counted_by_cause(boxes: tuple[Box, ...], noise: Box, cause: str):
    clean, noisy = room(*boxes), room(*boxes, noise)
    found = correct_labels(noisy)
    assert np.array_equal(found.labels, clean)
    assert {k: n for k, n in found.changed.items() if n} == {cause: (noisy != clean).sum()}


def test_a_speck_between_two_goes_to_the_longer_side():
    left, right = (1, 300, 300, 500, 500), (2, 300, 500, 500, 700)
    for speck, winner in (((7, 400, 497, 402, 501), 1), ((7, 400, 499, 402, 503), 2)):
        found = correct_labels(room(left, right, LAMP, speck)).labels
        assert not (found[390:410, 490:510] == 7).any()
        assert (found[400:402, 499:501] == winner).sum() >= 2


def test_the_size_of_the_picture_does_not_matter():
    small = room(*((k, *(v // 2 for v in box)) for k, *box in (SEAT, BED)), size=SIZE // 2)
    for side, kept in ((2, False), (5, True)):  # 4 and 25 px at 600: 16 and 100 at 1200
        labels = small.copy()
        labels[350 : 350 + side, 250 : 250 + side] = 1
        large = labels.repeat(2, 0).repeat(2, 1)
        assert (correct_labels(labels).labels[351, 251] == 1) == kept
        assert (correct_labels(large).labels[702, 502] == 1) == kept


def noisy_room() -> tuple[np.ndarray, np.ndarray]:
    """A room, and the same with 3,000 wrong pixels, among them ties to be broken."""
    rng = np.random.default_rng(0)
    clean = room(SEAT, BED, (3, 500, 350, 640, 352), (4, 100, 800, 500, 1200))
    noisy = clean.copy()
    noisy.ravel()[rng.integers(0, noisy.size, 3000)] = rng.integers(0, 5, 3000)
    return clean, noisy


def test_wrong_pixels_are_found_and_right_ones_left_alone():
    clean, noisy = noisy_room()
    found = correct_labels(noisy)
    changed, wrong = found.labels != noisy, noisy != clean
    assert (changed & wrong & (found.labels == clean)).sum() > 0.97 * max(
        changed.sum(), wrong.sum()
    )
    assert ((found.labels != clean) & ~wrong).sum() < 1e-4 * (clean > 0).sum()
    assert (
        np.array_equal(found.causes > 0, changed) and sum(found.changed.values()) == changed.sum()
    )


def test_a_fixed_point_is_reached_however_labels_are_numbered():
    _, labels = noisy_room()
    before, other = labels.copy(), np.array([0, 30, 2, 9, 1])
    found = correct_labels(labels)
    assert np.array_equal(labels, before)
    assert np.array_equal(correct_labels(other[found.labels]).labels, other[found.labels])
    assert np.array_equal(correct_labels(other[labels]).labels, other[found.labels])


# With the picture: what looks like its surroundings goes, all else stays.

COLOURS = np.array([(90, 90, 90), (200, 120, 60), (60, 120, 200), (230, 230, 90)])
BEHIND = ((1, 300, 300, 700, 800), (2, 800, 200, 1000, 900), (3, 40, 40, 120, 120))
LOOKS_ALIKE = {
    "a hole of 6 x 6": (0, 500, 500, 506, 506),
    "an island of 7 x 7": (3, 500, 500, 507, 507),
    "a leak of one pixel": (0, 300, 500, 330, 501),
    "a leak across": (0, 500, 770, 501, 800),
}
SEEN = {
    "a gap of 6 x 6": (0, 500, 500, 506, 506),
    "a leg of one pixel": (3, 120, 80, 220, 81),
    "a cable before a sofa": (3, 300, 500, 700, 501),
    "a small knob": (3, 500, 500, 505, 505),
}


def photograph(truth: np.ndarray, *, noise: float = 3) -> np.ndarray:
    """Every object in its colour, with the given deviation of every channel."""
    grain = np.random.default_rng(0).normal(0, noise, (*truth.shape, 3))
    return np.clip(COLOURS[truth] + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("defect", LOOKS_ALIKE.values(), ids=LOOKS_ALIKE)
def test_what_looks_like_its_surroundings_is_given_to_them(defect: Box):
    truth, noisy = room(*BEHIND), room(*BEHIND, defect)
    found = correct_labels(noisy, picture=photograph(truth))
    assert (found.labels != truth).sum() <= 2  # the mouth of a leak is half its own
    assert found.changed["picture"] > 0
    assert np.array_equal(found.causes > 0, found.labels != noisy)


@pytest.mark.parametrize("thing", SEEN.values(), ids=SEEN)
def test_what_is_seen_in_the_picture_stays(thing: Box):
    truth = room(*BEHIND, thing)
    assert np.array_equal(correct_labels(truth, picture=photograph(truth)).labels, truth)


def test_colours_that_say_nothing_leave_it_to_shape():
    knob = room(*BEHIND, SEEN["a small knob"])
    many = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    for picture in (None, many):
        assert (correct_labels(knob, picture=picture).labels != knob).sum() == 25
    grey, leg = np.full((SIZE, SIZE, 3), 128, np.uint8), room(*BEHIND, (1, 700, 500, 760, 504))
    assert np.array_equal(correct_labels(leg, picture=grey).labels, leg)


@pytest.mark.parametrize("noise", [3, 25])
def test_swapped_pixels_of_a_border_go_back_and_right_ones_stay(noise: float):
    """Two side by side, which shape alone takes for the end of something; a corner beside a
    swapped pixel, which it takes for a bump."""
    truth = room(*BEHIND)
    noisy = truth.copy()
    noisy[299, 500:502] = 1
    noisy[300, 301] = 0
    alone = correct_labels(noisy).labels
    assert (alone[299, 500:502] == 1).all() and alone[300, 300] == 0
    found = correct_labels(noisy, picture=photograph(truth, noise=noise)).labels
    assert (found[299, 500:502] == 0).all() and found[300, 300] == 1


def test_one_label_is_never_lost_to_its_surroundings():
    truth = room(*BEHIND[:2], (3, 500, 500, 506, 506))  # its only part, and it looks like the sofa
    picture = photograph(room(*BEHIND[:2]))
    assert (correct_labels(truth, picture=picture).labels == 3).any()


def test_in_small_pictures_a_line_may_be_a_leg_and_stays():
    leg = room((1, 50, 50, 150, 250), (1, 150, 100, 250, 101), size=300)
    grey = np.full((300, 300, 3), 128, np.uint8)
    assert np.array_equal(correct_labels(leg, picture=grey).labels, leg)
