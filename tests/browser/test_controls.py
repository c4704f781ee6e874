"""The small controls of the series, ticked and moved in JupyterLab."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import ROOT, Lab
from tests.browser.notebook_page import NotebookPage

pytestmark = pytest.mark.browser

# The smallest ensemble there is; those of the series need a model trained.
CELL = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from helpers.series.viz.ensembling import member_toggles
from tests import squares
member_toggles(np.full((*squares.SIZE, 3), 180, np.uint8), squares.members(), 1, score=0.1)
"""
CHANGED = "(before) => document.querySelector('img.widget-image').src !== before"


def test_members_are_ticked_and_their_scores_cut(lab: Lab, browser: Any) -> None:
    lab.write("members", CELL)
    notebook = NotebookPage(browser, lab.address("members"))
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
