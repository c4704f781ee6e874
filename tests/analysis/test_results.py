"""The paper's tables beside ours: every number with its origin, every gap with its command."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers.evaluation.bootstrap import paired_difference
from helpers.ladder import results as measured
from helpers.ladder.reference import Reference
from helpers.series.analysis import results, steps
from tests import squares


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("reference")
    squares.stored(place)
    return place


@pytest.fixture(autouse=True)
def no_local_runs(monkeypatch):
    monkeypatch.setattr(measured, "list_runs", list)
    monkeypatch.setattr(steps, "list_runs", list)


def test_a_measured_cell_names_where_it_is_from(folder):
    table = results.beside_paper("quick", "table2", folder=folder, samples=20)
    first = table.iloc[0]
    assert first[results.PAPER] == 70.32
    assert (first[results.OURS], first["95 % (pictures)"]) == (10.0, "10.0 to 10.0")
    assert (first["data"], first["hardware"], first["seeds"]) == ("squares", "a machine", "10.00")
    assert first["run"].startswith("quick-x101-")
    assert pd.isna(first["to fill it"])


def test_an_open_cell_shows_the_command_that_fills_it(folder):
    table = results.beside_paper("quick", "table2", folder=folder, samples=20)
    assert table.iloc[2]["to fill it"] == "python -m helpers ladder --preset quick --only dcn"
    assert table.iloc[2][[results.OURS, "run", "95 % (pictures)"]].isna().all()


def test_gains_have_intervals_where_both_rows_are_there(folder):
    table = results.steps("quick", folder=folder, samples=20)
    assert table.loc["s101", ["our gain", "low", "high", "pairs"]].tolist() == [90, 90, 90, 1]
    assert table.loc["dcn", ["ours", "our gain", "low", "high"]].isna().all()
    assert table.loc["dcn", "pairs"] == 0
    assert table.loc["dcn", "paper gain"] == pytest.approx(0.94)
    assert results.gain("quick", "s101", "dcn", folder=folder) is None


def test_gain_and_interval_are_of_the_same_pairs_of_seeds(tmp_path):
    """B, A, D see 0.1, 1 and 34/101. Seed 0 gains 0.9 on every picture, seed 1 goes from A to D;
    seed 2, and seed 0 on another machine, have one of the rows alone."""
    reference = squares.stored(tmp_path)
    squares.add(reference, "x101", "A", seed=1)
    squares.add(reference, "s101", "D", seed=1)
    squares.add(reference, "s101", "C", seed=2)
    other = Reference.of("quick", "another", tmp_path)
    other.write("truth.json.xz", squares.truth())
    squares.add(other, "x101", "A")
    together = results.gain("quick", "x101", "s101", folder=tmp_path, samples=200)
    a, d = (squares.members().results(letter) for letter in "AD")
    second = paired_difference(squares.truth(), a, d, preset=squares.PRESET, samples=200)
    assert together.pairs == 2
    assert together.mean == pytest.approx((0.9 + 34 / 101 - 1) / 2)
    assert together.low == pytest.approx((0.9 + second.low) / 2)
    assert together.high == pytest.approx((0.9 + second.high) / 2)
    assert together.low < together.mean < together.high
    assert str(together).endswith(", 2 pairs")
    row = results.steps("quick", folder=tmp_path, samples=200).loc["s101"]
    assert row["our gain"] == round(100 * together.mean, 2)
    assert row["ours"] == round((100 + 100 * 34 / 101 + 0) / 3, 2)


def test_the_classes_that_are_scored_are_named():
    assert results.measured_on("quick") == "scenes, 320 px, 7 super-categories, preset quick"
    assert results.measured_on("paper") == "3D-FUTURE, 34 classes, preset paper"


def test_table_3_has_the_papers_columns(folder):
    table = results.table_3("quick", folder=folder, samples=20)
    assert table["paper, test"].tolist() == [73.10, 74.44, 75.86, 74.61, 77.22]
    assert table["loss"].tolist() == ["ce", "ce", "focal", "SOLOv2's", ""]
    assert table["paper's short sides"].iloc[3] == "1200 to 1600"
    assert table[results.OURS].notna().tolist() == [False] * 4 + [True]


def test_nothing_measured_is_all_commands(tmp_path):
    table = results.beside_paper("paper", "table1", folder=tmp_path)
    assert table[results.OURS].isna().all()
    assert table["to fill it"].str.startswith("python -m helpers ladder --preset paper").all()
    assert results.steps("paper", folder=tmp_path)["ours"].isna().all()
    assert results.by_size("paper", folder=tmp_path).empty


def test_doubts_do_their_sums():
    what = results.doubts().set_index("where")["what"]
    assert "0.64" in what["focal loss"]
    assert "0.48" in what["focal loss"]
    assert "77.12" in what["Table 3: test-time augmentation"]
