"""No decision is lost when the server is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ROOT, Lab, running_lab
from tests.browser.notebook_page import NotebookPage
from tests.browser.review_page import Review

pytestmark = pytest.mark.browser

DECISIONS = "decisions.jsonl"
# Ten items on four small pictures; the notebook of the series takes longer to get there.
CELL = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from helpers.review.widget import ReviewWidget
from tests.review.review_data import comparison
folders = [Path({folder!r}) / split for split in ("train", "val")]
for folder in folders:
    folder.mkdir(parents=True, exist_ok=True)
parts = [comparison(folder, split=folder.name) for folder in folders]
ReviewWidget(parts, Path({folder!r}) / {decisions!r})
"""


def opened(lab: Lab, browser: Any, name: str) -> Review:
    """A review of ten items in a notebook of this name, run, in a page of its own."""
    folder = str(lab.outputs)
    lab.write(name, CELL.format(root=str(ROOT), folder=folder, decisions=DECISIONS))
    notebook = NotebookPage(browser, lab.address(name))
    notebook.run_all()
    assert notebook.errors() == []
    return Review(notebook, lab.outputs / DECISIONS)


def test_a_killed_server_loses_nothing(tmp_path: Path, browser: Any) -> None:
    with running_lab(tmp_path, tmp_path / "outputs") as lab:
        review = opened(lab, browser, "first")
        review.focus()
        review.press("a", "r", "f")
        review.wait_for("4 / 10, 3 decided")
        before = review.written()
        lab.process.kill()
        lab.process.wait()
        review.page.close()
    with running_lab(tmp_path, tmp_path / "outputs") as lab:
        review = opened(lab, browser, "again")
        review.wait_for("4 / 10, 3 decided")
        assert review.written() == before
        review.focus()
        review.press("a")
        review.wait_for("5 / 10, 4 decided")
        assert review.verdicts() == ["accept", "reject", "flag", "accept"]
        review.page.close()
