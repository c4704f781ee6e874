"""Components on runs against scipy's, label by label, and votes counted pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from helpers.correction.components import Components, Runs

MAPS = {
    "one-pixel": np.zeros((1, 1), int),
    "one-row": np.array([[1, 1, 0, 2, 2, 0]]),
    "one-column": np.array([[1], [0], [1], [1]]),
    "full": np.full((5, 7), 3),
    "diagonal": np.eye(6, dtype=int),
    "hole": np.pad(np.zeros((2, 2), int), 2, constant_values=4),
    "checkerboard": np.indices((6, 5)).sum(0) % 2,
    "noise": np.random.default_rng(0).integers(0, 3, (40, 30)),
}


@pytest.mark.parametrize("labels", MAPS.values(), ids=MAPS)
def test_components_are_those_of_scipy(labels: np.ndarray):
    runs = Runs.of(labels)
    assert np.array_equal(runs.paint(runs.label), labels)
    parts = Components.of(labels)
    found = parts.number
    for label in np.unique(labels):
        theirs, count = ndimage.label(labels == label, np.ones((3, 3)))
        assert len(np.unique(found[labels == label])) == count
        for number, window in enumerate(ndimage.find_objects(theirs), start=1):
            ours = np.unique(found[theirs == number])
            assert len(ours) == 1 and parts.label[ours] == label
            assert parts.area[ours] == (theirs == number).sum()
            size = [side.stop - side.start for side in window]
            assert [parts.height[ours[0]], parts.width[ours[0]]] == size


@pytest.mark.parametrize("seed", range(3))
def test_border_votes_are_pairs_of_eight_neighbours(seed: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (15, 12))
    parts = Components.of(labels)
    noisy = rng.random(len(parts)) < 0.5
    found, expected = parts.number, np.zeros((len(parts), 3), int)
    for y, x in np.ndindex(labels.shape):
        for dy, dx in np.ndindex(3, 3):
            v, u = y + dy - 1, x + dx - 1
            inside = 0 <= v < labels.shape[0] and 0 <= u < labels.shape[1]
            if inside and noisy[found[y, x]] and not noisy[found[v, u]]:
                expected[found[y, x], labels[v, u]] += 1
    assert np.array_equal(parts.border_votes(noisy, 3), expected)
