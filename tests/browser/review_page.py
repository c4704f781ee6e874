"""The review widget on its page: look at it, press its keys, read the file it writes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.browser.notebook_page import ANSWERS, NotebookPage

ROOT = ".mask-review"
COUNT = f"{ROOT} .mr-count"


class Review:
    """The widget on its page, and the file it writes to."""

    def __init__(self, notebook: NotebookPage, file: Path) -> None:
        self.notebook, self.page, self.file = notebook, notebook.page, file

    def focus(self) -> None:
        self.page.locator(ROOT).scroll_into_view_if_needed()
        self.page.locator(f"{ROOT} .mr-facts").click()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str = COUNT) -> str:
        return self.page.locator(selector).inner_text()

    def wait_for(self, text: str, selector: str = COUNT) -> None:
        self.page.locator(selector, has_text=text).first.wait_for(timeout=ANSWERS)

    def written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def verdicts(self) -> list[str | None]:
        return [line["verdict"] for line in self.written()]

    def pictures(self) -> list[str]:
        """What the visible canvases show, once they are drawn."""
        self.page.wait_for_timeout(200)
        visible = self.page.locator(f"{ROOT} .mr-pane:not([hidden]) canvas")
        return [node.evaluate("canvas => canvas.toDataURL()") for node in visible.all()]
