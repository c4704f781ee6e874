"""The report page in a browser: it opens from the disk, pictures load, links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.files import outputs_dir
from helpers.series.execute import Executed
from helpers.series.notebook import NOTEBOOKS
from helpers.series.report import write_report

pytestmark = pytest.mark.browser

BROKEN = "() => [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)"
LINKS = "() => [...document.links].map((link) => link.getAttribute('href'))"
RECORDED = "20_inspect_masks"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that reaches nothing but files."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.route(re.compile("^https?:"), lambda route: route.abort())
    yield page
    page.close()


def opened(page: Any, index: Path) -> list[str]:
    """The report on its page, all its pictures and links in order; returns the links."""
    page.goto(index.as_uri())
    assert page.evaluate(BROKEN) == []
    links = page.evaluate(LINKS)
    assert links and [link for link in links if not (index.parent / link).exists()] == []
    return links


def test_the_page_of_the_last_run(page: Any, screenshots: Path) -> None:
    index = outputs_dir() / "report" / "index.html"
    if not index.exists():
        pytest.skip(f"{index} is not there: make run writes it")
    links = opened(page, index)
    page.screenshot(path=screenshots / "report.png")
    page.goto((index.parent / links[0]).as_uri())
    assert page.locator("h1").first.inner_text()


def test_a_recorded_review_is_a_contact_sheet(
    page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an exported page, where no kernel could bring the widget to life."""
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    figure = tmp_path / "notebooks-data" / RECORDED / "masks.png"
    figure.parent.mkdir(parents=True)
    Image.new("RGB", (60, 40)).save(figure)
    manifest = {"hardware": "a machine", "results": {"items": 63}, "figures": [figure.name]}
    recorded = Executed(RECORDED, NOTEBOOKS / f"{RECORDED}.ipynb", manifest, 1.0)
    links = opened(page, write_report([recorded], tmp_path / "report"))
    assert links.count(f"{RECORDED}.html") == 2 and f"{RECORDED}-masks.png" in links
    page.goto((tmp_path / "report" / f"{RECORDED}.html").as_uri())
    assert page.evaluate(BROKEN) == []
    sheet = page.locator(".jp-OutputArea img").first
    assert sheet.bounding_box()["width"] > 600
    assert "Loading widget" not in page.locator("body").inner_text()
