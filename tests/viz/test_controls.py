"""A picture that follows its controls, and stands alone where nobody watches."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.drawing import Panel, grid
from helpers.drawing_style import Picture
from helpers.series.viz import controls
from helpers.series.viz.controls import Controlled, choice, slider, tick

LIVE = "application/vnd.jupyter.widget-view+json"


def drawn(level: int, kind: str, inverted: bool) -> Picture:
    """A grey picture; its words say the arguments."""
    value = 255 - level if inverted else level
    image = np.full((20, 30, 3), value, np.uint8)
    return grid([Panel(image)], columns=1, alt=f"{kind} {level} {inverted}", cell=1.0)


@pytest.fixture
def view() -> Controlled:
    return Controlled(
        drawn,
        {
            "level": slider("grey", 40, low=0, high=255, step=5),
            "kind": choice("kind", ["a", "b"], "a"),
            "inverted": tick("invert", False),
        },
    )


def test_every_control_draws_anew(view):
    seen = [view.image.value]
    view.controls["level"].value = 200
    seen.append(view.image.value)
    view.controls["inverted"].value = True
    seen.append(view.image.value)
    assert len(set(seen)) == 3
    assert all(content[:2] == b"\xff\xd8" for content in seen) and view.image.format == "jpeg"
    assert view.values == {"level": 200, "kind": "a", "inverted": True}


def test_the_first_picture_stands_alone_where_nobody_watches(view, monkeypatch):
    view.controls["level"].value = 200
    still = view._repr_mimebundle_()
    assert set(still) == {"image/jpeg", "text/plain"} and still["text/plain"] == "a 40 False"
    monkeypatch.setattr(controls, "someone_watches", lambda: True)
    assert set(view._repr_mimebundle_()) >= {LIVE, "image/jpeg", "text/plain"}


def test_sliders_of_whole_numbers_and_of_fractions():
    assert slider("n", 3, low=0, high=5, step=1).value == 3
    fraction = slider("x", 0.25, low=0, high=1, step=0.05)
    assert fraction.value == 0.25 and not fraction.continuous_update
