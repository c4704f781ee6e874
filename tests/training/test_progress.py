"""Lines where nobody watches, a bar where somebody does, nothing where nothing is asked for."""

from __future__ import annotations

import sys

import pytest

from helpers.training.progress import Progress

ROW = {
    "step": 0,
    "epoch": 0.1,
    "lr": 0.02,
    "loss_a": 1.0,
    "total": 1.25,
    "grad_norm": 3.0,
    "skipped": 0,
    "seconds_data": 0.1,
    "seconds_step": 0.4,
}


def follow(*, done: int, shown: bool = True) -> None:
    with Progress(40, done=done, shown=shown) as progress:
        for step in range(done + 1, 41):
            progress({**ROW, "step": step})


def test_plain_lines_at_every_twentieth(capsys):
    follow(done=3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 19 and lines[-1].startswith("step 40 of 40: ")
    assert lines[0] == "step 4 of 40: loss 1.25 (loss_a 1), lr 0.02, 0.5 s a step"


@pytest.mark.parametrize("shown", [True, False])
def test_a_terminal_gets_a_bar(capsys, monkeypatch, shown):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    follow(done=0, shown=shown)
    found = capsys.readouterr()
    assert found.out == ""
    assert ("40/40" in found.err) == shown
