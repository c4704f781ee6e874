"""The report page in a browser: it opens from the disk, pictures load, links lead somewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.paths import outputs_dir

pytestmark = pytest.mark.browser

BROKEN = "() => [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)"
LINKS = "() => [...document.links].map((link) => link.getAttribute('href'))"


def test_the_page_of_the_last_run(browser: Any, screenshots: Path) -> None:
    index = outputs_dir() / "report" / "index.html"
    if not index.exists():
        pytest.skip(f"{index} is not there: make run writes it")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(index.as_uri())
    assert page.evaluate(BROKEN) == []
    links = page.evaluate(LINKS)
    assert links and [link for link in links if not (index.parent / link).exists()] == []
    page.screenshot(path=screenshots / "report.png")
    page.goto((index.parent / links[0]).as_uri())
    assert page.locator("h1").first.inner_text()
    page.close()
