"""What one row of the ladder gains over another."""

from __future__ import annotations

import pytest

from helpers.evaluation.bootstrap import mean_difference
from helpers.ladder import results
from helpers.ladder.reference import Reference
from tests import squares


def test_a_gain_is_of_all_machines_and_seeds_that_have_both_rows(tmp_path):
    """B, A, D see 0.1, 1 and 34/101. Seed 0 gains 0.9 on every picture, seed 1 goes from A to D;
    seed 2, and seed 0 on another machine, have one of the rows alone."""
    reference = squares.stored(tmp_path)
    squares.add(reference, "x101", "A", seed=1)
    squares.add(reference, "s101", "D", seed=1)
    squares.add(reference, "s101", "C", seed=2)
    other = Reference.of("bench", "another", tmp_path)
    other.write("truth.json.xz", squares.truth())
    squares.add(other, "x101", "A")
    together = results.gain("bench", "x101", "s101", folder=tmp_path, samples=200)
    a, b, d = (squares.members().results(letter) for letter in "ABD")
    pairs = [(squares.truth(), b, a), (squares.truth(), a, d)]
    sure = mean_difference(pairs, preset=squares.PRESET, samples=200)
    assert together.pairs == 2
    assert together.mean == pytest.approx((0.9 + 34 / 101 - 1) / 2)
    assert (together.low, together.high) == (sure.low, sure.high)
    assert together.low < together.mean < together.high
    assert str(together).endswith(", 2 pairs")
    assert results.gain("bench", "s101", "dcn", folder=tmp_path) is None
    squares.add(other, "dcn", "D", seed=2)  # its row before is on the first machine alone
    across = results.gain("bench", "s101", "dcn", folder=tmp_path, samples=200)
    c, d = (squares.members().scores(letter)["mask AP"] for letter in "CD")
    assert (across.pairs, across.mean) == (1, pytest.approx(d - c))
    squares.add(reference, "s101", "B")  # measured anew in the same process
    again = results.gain("bench", "x101", "s101", folder=tmp_path, samples=200)
    assert again.mean == pytest.approx((0 + 34 / 101 - 1) / 2)


def test_the_classes_that_are_scored_are_named():
    assert (
        results.measured_on("bench")
        == "scenes, 480 px, blended id-maps, 7 super-categories, preset bench"
    )
    assert results.measured_on("paper") == "3D-FUTURE, 34 classes, preset paper"
