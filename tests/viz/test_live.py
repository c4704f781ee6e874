"""The live curve draws for a person only, and tidies up after itself."""

from __future__ import annotations

import types

import IPython
import IPython.display
import pytest

from helpers.viz.live import LiveCurve, someone_watches


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


def test_nobody_watches_a_test():
    assert someone_watches() is False


@pytest.mark.parametrize("allowed", [True, False])
def test_a_front_end_that_answers_input_is_a_person(monkeypatch, allowed: bool):
    monkeypatch.setattr(IPython, "get_ipython", lambda: kernel(allow_stdin=allowed))
    assert someone_watches() is allowed


def test_unwatched_it_draws_nothing(monkeypatch):
    monkeypatch.setattr(IPython.display, "DisplayHandle", lambda: pytest.fail("drew"))
    curve = LiveCurve("quick", seconds=0)
    for step in (1, 2, 3):
        curve(row(step))
    curve.close()


def test_watched_it_renews_one_picture_and_takes_it_away(monkeypatch):
    monkeypatch.setattr(IPython, "get_ipython", lambda: kernel(allow_stdin=True))
    monkeypatch.setattr(IPython.display, "DisplayHandle", Display)
    curve = LiveCurve("quick", seconds=0)
    for step in (1, 2, 3):
        curve(row(step))
    curve.close()
    assert ["image/png" in bundle for bundle in Display.shown] == [True, True, False]


def test_it_is_not_drawn_more_often_than_asked(monkeypatch):
    monkeypatch.setattr(IPython, "get_ipython", lambda: kernel(allow_stdin=True))
    monkeypatch.setattr(IPython.display, "DisplayHandle", Display)
    curve = LiveCurve("quick", seconds=3600)
    curve._drawn = -7200.0
    for step in range(1, 6):
        curve(row(step))
    assert len(Display.shown) == 1
