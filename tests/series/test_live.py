"""The live curve draws for a person only, and tidies up after itself."""

from __future__ import annotations

import json
import types
from pathlib import Path

import IPython
import IPython.display
import pytest
from PIL import Image

from helpers.data.coco import read_index
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


def test_it_is_not_drawn_more_often_than_asked(watched):
    curve = LiveCurve("quick", seconds=60)
    for step in range(1, 6):
        curve(row(step))
    assert len(Display.shown) == 1


def test_early_predictions_take_one_place(watched, tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    content = {
        "images": [{"id": 1, "width": 8, "height": 8, "file_name": "1.png"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]}
        ],
        "categories": [{"id": 3, "name": "chair"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    curve = LiveCurve("quick")
    preview = curve.preview(every=7, pictures=1)
    assert (preview.every, preview.pictures) == (7, 1)
    for step in (7, 14):
        preview.show(step, read_index(tmp_path / "truth.json"), [])
    curve.close()
    assert ["image/jpeg" in bundle for bundle in Display.shown] == [True, True, False]
