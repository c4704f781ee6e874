"""Pictures that follow their controls, and stand alone where nobody watches."""

from __future__ import annotations

import numpy as np

from helpers.drawing import Panel, grid
from helpers.series import controls
from helpers.series.controls import Controlled, choice, slider, tick

LIVE = "application/vnd.jupyter.widget-view+json"
GREY = np.full((200, 300, 3), 120, np.uint8)


def test_controls_draw_anew_and_the_first_picture_stands_alone(monkeypatch):
    def drawn(level: float, kind: str, inverted: bool):
        image = np.full((20, 30, 3), 255 - level if inverted else level, np.uint8)
        return grid([Panel(image)], columns=1, alt=f"{kind} {level} {inverted}", cell=1.0)

    level = slider("grey", 40, low=0, high=255, step=5)
    inverted = tick("invert", False)
    view = Controlled(
        drawn, {"level": level, "kind": choice("kind", ["a", "b"], "a"), "inverted": inverted}
    )
    seen = [view.image.value]
    for control, value in ((level, 200), (inverted, True)):
        control.value = value
        seen.append(view.image.value)
    assert len(set(seen)) == 3 and all(content[:2] == b"\xff\xd8" for content in seen)
    assert view.values == {"level": 200, "kind": "a", "inverted": True}
    still = view._repr_mimebundle_()
    assert set(still) == {"image/jpeg", "text/plain"} and still["text/plain"] == "a 40 False"
    monkeypatch.setattr(controls, "someone_watches", lambda: True)
    assert set(view._repr_mimebundle_()) >= {LIVE, "image/jpeg", "text/plain"}
    assert slider("x", 0.25, low=0, high=1, step=0.05).value == 0.25
