"""The paper's tables beside ours: every number with its origin, every gap with its command."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers import ladder
from helpers.analysis import results
from tests import squares


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("reference")
    squares.stored(place)
    return place


@pytest.fixture(autouse=True)
def no_local_runs(monkeypatch):
    monkeypatch.setattr(ladder, "list_runs", list)


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
    steps = results.steps("quick", folder=folder, samples=20)
    assert steps.loc["s101", ["our gain", "low", "high"]].tolist() == [90, 90, 90]
    assert steps.loc["dcn", ["ours", "our gain", "low", "high"]].isna().all()
    assert steps.loc["dcn", "paper gain"] == pytest.approx(0.94)
    assert results.gain("quick", "s101", "dcn", folder=folder) is None


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
