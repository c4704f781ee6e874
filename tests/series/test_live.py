"""The live curve draws for a person only, and tidies up after itself."""

from __future__ import annotations

import types

import IPython
import IPython.display
import pytest

from helpers.series.live import LiveCurve, someone_watches


def row(step: int) -> dict[str, float]:
    return {"step": step, "lr": 0.1, "loss_mask": 1.0 / step, "total": 2.0 / step}


class Display:
    """Stands in for IPython's DisplayHandle and keeps what it is told."""

    shown: list[dict]

    def __init__(self) -> None:
        Display.shown = []

    def display(self, bundle: dict, *, raw: bool) -> None:
        Display.shown.append(bundle)

    update = display


def kernel(*, allow_stdin: bool) -> types.SimpleNamespace:
    request = {"content": {"allow_stdin": allow_stdin}}
    inner = types.SimpleNamespace(get_parent=lambda channel: request)
    return types.SimpleNamespace(kernel=inner)


@pytest.fixture
def watched(monkeypatch) -> None:
    monkeypatch.setattr(IPython, "get_ipython", lambda: kernel(allow_stdin=True))
    monkeypatch.setattr(IPython.display, "DisplayHandle", Display)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_front_end_that_answers_input_is_a_person(monkeypatch, allowed: bool):
    monkeypatch.setattr(IPython, "get_ipython", lambda: kernel(allow_stdin=allowed))
    assert someone_watches() is allowed


def test_unwatched_it_draws_nothing(monkeypatch):
    monkeypatch.setattr(IPython.display, "DisplayHandle", lambda: pytest.fail("drew"))
    curve = LiveCurve("quick", seconds=0)
    for step in (1, 2, 3):
        curve(row(step))
    assert curve.preview() is None
    curve.close()


def test_an_interrupt_leaves_no_picture(watched):
    with pytest.raises(KeyboardInterrupt), LiveCurve("quick", seconds=0) as curve:
        for step in (1, 2):
            curve(row(step))
        raise KeyboardInterrupt
    assert ["image/png" in bundle for bundle in Display.shown] == [True, False]
