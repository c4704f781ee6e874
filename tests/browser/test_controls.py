"""The small controls of the series, ticked and moved in JupyterLab."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import ROOT, Lab
from tests.browser.notebook_page import NotebookPage

pytestmark = pytest.mark.browser

# A picture with two boxes to tick and a slider, as notebooks have them.
CELL = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from helpers.drawing import Panel, grid
from helpers.series.controls import Controlled, slider, tick


def drawn(left, right, level):
    image = np.full((40, 60, 3), 255 * level, np.uint8)
    image[:, :10] *= left
    image[:, 50:] *= right
    return grid([Panel(image)], columns=1, alt="two bars", cell=2.0)


level = slider("level", 0.5, low=0.0, high=1.0, step=0.05)
Controlled(drawn, {{"left": tick("left", True), "right": tick("right", True), "level": level}})
"""
CHANGED = "(before) => document.querySelector('img.widget-image').src !== before"


def test_boxes_are_ticked_and_a_slider_is_moved(lab: Lab, browser: Any) -> None:
    lab.write("bars", CELL)
    notebook = NotebookPage(browser, lab.address("bars"))
    notebook.run_all()
    assert notebook.errors() == []
    page = notebook.page
    page.locator("img.widget-image").wait_for()
    for change in (
        lambda: page.get_by_role("checkbox").first.uncheck(),
        lambda: page.get_by_role("checkbox").nth(1).uncheck(),
        lambda: page.locator(".widget-readout").fill("0.95"),
    ):
        before = page.locator("img.widget-image").get_attribute("src")
        change()
        page.keyboard.press("Enter")
        page.wait_for_function(CHANGED, arg=before)
    still = notebook.cells()[0]["outputs"][-1]["data"]
    assert "image/jpeg" in still, "a page without a kernel has nothing to show"
    assert notebook.problems == []
    page.close()
