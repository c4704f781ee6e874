"""The bench compares equals, and its clock and its table tell the truth."""

import json
import time

import numpy as np

from helpers import __main__
from helpers.tools.bench.timing import Case, measure, table


def test_times_and_memory_are_those_of_the_work():
    kept = []

    def slow() -> None:
        kept.append(np.ones(40_000_000, np.uint8))
        time.sleep(0.03)
        kept.clear()

    timing = measure(Case("sleep", slow, lambda: time.sleep(0.006), "a nap"), repeats=3)
    assert timing.milliseconds >= 30
    assert timing.ratio == timing.milliseconds / timing.reference_milliseconds
    assert timing.ratio > 1.5
    assert timing.megabytes is None or 30 < timing.megabytes < 120
    alone = measure(Case("alone", slow), repeats=1)
    assert (alone.ratio, alone.reference_milliseconds) == (None, None)
    assert list(table([timing, alone])["reference"]) == ["a nap", "-"]


def test_command_prints_and_keeps_the_numbers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "helpers.tools.bench.cases.cases", lambda: iter([Case("nothing", lambda: None)])
    )
    file = tmp_path / "bench.json"
    assert __main__.main(["bench", "--json", str(file)]) == 0
    assert "nothing" in capsys.readouterr().out
    [row] = json.loads(file.read_text())["cases"]
    assert row["name"] == "nothing"
    assert row["ratio"] is None
    assert __main__.main(["bench", "--only", "Noth"]) == 0
    assert "nothing" in capsys.readouterr().out
    assert __main__.main(["bench", "--only", "something"]) == 2
    error = capsys.readouterr().err
    assert "no case is called 'something': give a part of one of these: nothing\n" in error
