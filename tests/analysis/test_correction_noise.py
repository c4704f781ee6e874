"""Known label noise: repeatable, of the amount it says, and of the kind it says."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.correction.components import Components, Runs
from helpers.scenes.random import stream
from helpers.series.analysis.correction_noise import NOISES, add_noise, border


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    labels = np.zeros((1200, 1200), np.int32)
    labels[200:700, 100:600] = 1
    labels[500:1000, 400:1100] = 2
    labels[50:150, 900:1150] = 3
    return labels


@pytest.mark.parametrize("kind", NOISES)
def test_the_same_stream_gives_the_same_noise_and_the_truth_stays(truth, kind):
    before = truth.copy()
    noisy = add_noise(truth, kind, stream(7, kind))
    assert np.array_equal(truth, before)
    assert np.array_equal(noisy, add_noise(truth, kind, stream(7, kind)))
    assert np.array_equal(noisy, truth) == (kind == "none")
    if kind != "none":
        assert not np.array_equal(noisy, add_noise(truth, kind, stream(8, kind)))
    assert set(np.unique(noisy)) <= {0, 1, 2, 3}


def test_amounts_are_those_of_the_specification(truth):
    wrong = {kind: (add_noise(truth, kind, stream(0, kind)) != truth).sum() for kind in NOISES}
    edge = border(truth).sum()
    assert 1300 < wrong["speckle"] < 1700
    assert 60 * 20 < wrong["islands"] <= 60 * 60
    assert 0.03 * edge < wrong["halo"] < 0.05 * edge
    assert 0.08 * edge < wrong["jag"] < 0.12 * edge
    assert 0 < wrong["leak"] <= 25 * 40
    assert wrong["all"] > 0.9 * sum(v for k, v in wrong.items() if k != "all")


def test_halo_and_jag_differ_in_whose_label_they_take(truth):
    padded = np.pad(truth, 1, mode="edge")
    sides = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    for kind, expected in (("halo", False), ("jag", True)):
        noisy = add_noise(truth, kind, stream(1, kind))
        wrong = noisy != truth
        assert (border(truth) | ~wrong).all()
        taken = np.any([side == noisy for side in sides], axis=0)
        assert (taken[wrong] == expected).all()


def test_leaks_hang_on_their_label_and_are_one_pixel_thin(truth):
    noisy = add_noise(truth, "leak", stream(2, "leak"))
    before, after = (len(Components.of(Runs.of(labels))) for labels in (truth, noisy))
    wrong = noisy != truth
    assert not (wrong[1:, 1:] & wrong[:-1, :-1] & wrong[1:, :-1] & wrong[:-1, 1:]).any()
    assert after <= before + 25  # a leak may cut what it crosses, it is never a speck itself


def test_noise_scales_with_the_picture(truth):
    small = truth[::3, ::3]
    share = [
        (add_noise(labels, "islands", stream(3, "islands")) != labels).mean()
        for labels in (truth, small)
    ]
    assert 0.2 / 9 < share[1] / share[0] < 3 / 9  # fewer, and smaller ones


def test_maps_without_borders_stay_and_unknown_kinds_are_refused():
    empty = np.zeros((40, 40), np.int32)
    assert np.array_equal(add_noise(empty, "all", stream(0)), empty)
    with pytest.raises(ValueError, match="no noise 'fog'"):
        add_noise(empty, "fog", stream(0))
