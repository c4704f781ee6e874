"""Every notebook of the series, run to its end in JupyterLab. With --series: it takes minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.series.notebook import series
from tests.browser.conftest import Lab
from tests.browser.notebook_page import NotebookPage

pytestmark = pytest.mark.browser

BROKEN_WIDGETS = ("Error displaying widget", "Loading widget")


@pytest.fixture(autouse=True)
def asked_for(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--series", default=False):
        pytest.skip("takes minutes: make test-browser ARGS=--series")


@pytest.mark.parametrize("name", series())
def test_runs_to_its_end(series_lab: Lab, browser: Any, screenshots: Path, name: str) -> None:
    notebook = NotebookPage(browser, series_lab.address(name))
    notebook.run_all()
    assert notebook.errors() == []
    code = [cell for cell in notebook.cells() if cell["type"] == "code"]
    assert [cell["count"] for cell in code] == list(range(1, len(code) + 1))
    text = notebook.page.locator(".jp-Notebook").inner_text()
    assert [words for words in BROKEN_WIDGETS if words in text] == []
    assert notebook.problems == []
    notebook.screenshot(screenshots / f"{name}.png")
    notebook.page.close()
