"""A paper's table beside ours: NaN where nothing was measured, means over seeds where it was."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers.series.analysis import rungs
from helpers.series.analysis.rungs import PAPER, missing, rung_table


@pytest.fixture
def measured(monkeypatch) -> None:
    """Two seeds of the first row, of the quick preset."""
    columns = ["rung", "seed", "mask AP", "boundary AP", "data", "hardware"]
    rows = [
        ("mask_rcnn_r50", 0, 10.0, 4.0, "scenes", "a"),
        ("mask_rcnn_r50", 1, 12.0, 6.0, "scenes", "a"),
        ("mask_rcnn_r50", 1, 11.0, 5.0, "scenes", "b"),
    ]
    monkeypatch.setattr(rungs, "results", lambda preset: pd.DataFrame(rows, columns=columns))


def test_rows_have_the_papers_number_and_ours_where_measured(measured):
    table = rung_table("quick", "table1")
    first, second = table.iloc[0], table.iloc[1]
    assert (first["mask head"], first[PAPER], first["seeds"]) == ("28 x 28", 52.10, 2)
    assert (first["mask AP"], first["boundary AP"], first["hardware"]) == (11, 5, "a, b")
    assert (second["mask head"], second[PAPER]) == ("56 x 56, 784 points", 66.75)
    assert second[["mask AP", "boundary AP"]].isna().all()
    assert (first["data"], second["seeds"], second["hardware"]) == ("scenes", 0, "")
    assert table[PAPER].notna().sum() == 5
    assert len(table) == 10


def test_what_is_missing_is_told_as_commands(measured):
    commands = missing("quick", "table1")
    assert len(commands) == 9
    assert "mask_rcnn_r50" not in " ".join(commands)
    assert "--only pointrend_r50" in commands[0]
