"""Components on runs against scipy's, label by label."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from helpers.correction.components import Components, Runs, level_squares

MAPS = {
    "one-pixel": np.zeros((1, 1), int),
    "one-row": np.array([[1, 1, 0, 2, 2, 0]]),
    "one-column": np.array([[1], [0], [1], [1]]),
    "full": np.full((5, 7), 3),
    "diagonal": np.eye(6, dtype=int),
    "hole": np.pad(np.zeros((2, 2), int), 2, constant_values=4),
    "checkerboard": np.indices((6, 5)).sum(0) % 2,
    "noise": np.random.default_rng(0).integers(0, 3, (40, 30)),
    "sparse": (np.random.default_rng(1).random((60, 60)) < 0.2).astype(int),
}


@pytest.mark.parametrize("labels", MAPS.values(), ids=MAPS)
def test_components_are_those_of_scipy(labels: np.ndarray):
    parts = Components.of(Runs.of(labels))
    found = parts.paint(np.arange(len(parts)))
    for label in np.unique(labels):
        theirs, count = ndimage.label(labels == label, np.ones((3, 3)))
        ours = np.unique(found[labels == label])
        assert len(ours) == count
        assert (parts.label[ours] == label).all()
        for number in ours:
            piece = found == number
            assert len(np.unique(theirs[piece])) == 1
            rows, columns = np.nonzero(piece)
            assert parts.area[number] == piece.sum()
            assert parts.height[number] == np.ptp(rows) + 1
            assert parts.width[number] == np.ptp(columns) + 1
    first = [np.flatnonzero(found == number)[0] for number in range(len(parts))]
    assert first == sorted(first)


@pytest.mark.parametrize("labels", MAPS.values(), ids=MAPS)
def test_runs_paint_the_map_again(labels: np.ndarray):
    runs = Runs.of(labels)
    assert np.array_equal(runs.paint(runs.label), labels)


@pytest.mark.parametrize("seed", range(3))
def test_border_votes_are_pairs_of_eight_neighbours(seed: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (15, 12))
    parts = Components.of(Runs.of(labels))
    noisy = rng.random(len(parts)) < 0.5
    found, expected = parts.paint(np.arange(len(parts))), np.zeros((len(parts), 3), int)
    for y, x in np.ndindex(labels.shape):
        for dy, dx in np.ndindex(3, 3):
            v, u = y + dy - 1, x + dx - 1
            inside = 0 <= v < labels.shape[0] and 0 <= u < labels.shape[1]
            if inside and noisy[found[y, x]] and not noisy[found[v, u]]:
                expected[found[y, x], labels[v, u]] += 1
    assert np.array_equal(parts.border_votes(noisy, 3), expected)


def test_level_squares_are_where_nine_pixels_are_equal():
    labels = np.random.default_rng(2).integers(0, 4, (20, 20)).repeat(3, 0).repeat(2, 1)
    labels[3:12, 4:20] = 1
    highest, lowest = ndimage.maximum_filter(labels, 3), ndimage.minimum_filter(labels, 3)
    assert np.array_equal(level_squares(labels), (highest == lowest)[1:-1, 1:-1])
    assert level_squares(labels).any()
