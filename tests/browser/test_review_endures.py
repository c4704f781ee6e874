"""No decision is lost when the server is killed, and two widgets share one file of decisions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Lab, running_lab
from tests.browser.notebook_page import NotebookPage
from tests.browser.review_page import Review

pytestmark = pytest.mark.browser

NAME = "20_inspect_masks"


def opened(lab: Lab, browser: Any, name: str = NAME) -> Review:
    """The notebook run to its end in a page of its own."""
    notebook = NotebookPage(browser, lab.address(name))
    notebook.run_all()
    assert notebook.errors() == []
    return Review(notebook, lab.outputs / "review" / "decisions.jsonl")


def test_a_killed_server_loses_nothing(tmp_path: Path, browser: Any) -> None:
    with running_lab(tmp_path, tmp_path / "outputs") as lab:
        review = opened(lab, browser)
        review.focus()
        review.press("a", "r", "f")
        review.wait_for("4 / 63, 3 decided")
        before = review.written()
        lab.process.kill()
        lab.process.wait(30)
        review.page.close()
    with running_lab(tmp_path, tmp_path / "outputs") as lab:
        review = opened(lab, browser)
        review.wait_for("63, 3 decided")
        assert review.written() == before
        review.focus()
        review.press("a")
        review.wait_for("63, 4 decided")
        assert review.verdicts() == ["accept", "reject", "flag", "accept"]
        review.page.close()


def test_two_widgets_share_one_file(tmp_path: Path, browser: Any) -> None:
    with running_lab(tmp_path, tmp_path / "outputs") as lab:
        shutil.copy(lab.notebooks / f"{NAME}.ipynb", lab.notebooks / "second.ipynb")
        first, second = opened(lab, browser), opened(lab, browser, "second")
        second.focus()
        second.press(*["ArrowRight"] * 10)
        second.wait_for("11 / 63, 0 decided")
        for decided in range(1, 9):  # by turns; each counts what the other has written
            review, key = (first, "a") if decided % 2 else (second, "r")
            review.page.bring_to_front()
            review.focus()
            review.press(key)
            review.wait_for(f"63, {decided} decided")
        lines = first.written()
        assert [line["verdict"] for line in lines] == ["accept", "reject"] * 4
        assert len({line["key"] for line in lines}) == 8
        for review in (first, second):
            assert review.notebook.problems == []
            review.page.close()
