"""The review widget on its page: look at it, press its keys, read the file it writes to."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.browser.notebook_page import ANSWERS, POLLS, NotebookPage

ROOT = ".mask-review"
COUNT = f"{ROOT} .mr-count"
PICTURES = f"""() => [...document.querySelectorAll('{ROOT} .mr-pane:not([hidden]) canvas')]
  .map((canvas) => canvas.toDataURL())"""
ALL_CHANGED = f"""(before) => {{
  const now = ({PICTURES})();
  return now.length === before.length && now.every((picture, n) => picture !== before[n]);
}}"""


class Review:
    """The widget on its page, and the file it writes to."""

    def __init__(self, notebook: NotebookPage, file: Path) -> None:
        self.notebook, self.page, self.file = notebook, notebook.page, file

    def part(self, selector: str) -> Any:
        return self.page.locator(f"{ROOT} {selector}")

    def focus(self) -> None:
        self.page.locator(ROOT).scroll_into_view_if_needed()
        self.part(".mr-facts").click()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str = COUNT) -> str:
        return self.page.locator(selector).inner_text()

    def wait_for(self, text: str, selector: str = COUNT) -> None:
        """Until the words stand there; a number at their start is a whole one."""
        whole = re.compile(rf"(?<!\d){re.escape(text)}")
        self.page.locator(selector, has_text=whole).first.wait_for(timeout=ANSWERS)

    def written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def verdicts(self) -> list[str | None]:
        return [line["verdict"] for line in self.written()]

    def wait_for_lines(self, count: int) -> list[dict[str, Any]]:
        """What is written, once it is so many lines."""
        end = time.monotonic() + ANSWERS / 1000
        while len(self.written()) < count:
            if time.monotonic() > end:
                pytest.fail(f"{self.file} has not grown to {count} lines")
            self.page.wait_for_timeout(POLLS)
        return self.written()

    def pictures(self) -> list[str]:
        """What the visible canvases show, once they are drawn."""
        self.notebook.wait_until_drawn()
        return self.page.evaluate(PICTURES)

    def changed_pictures(self, before: list[str]) -> list[str]:
        """The same, once every one of them differs from before."""
        self.page.wait_for_function(ALL_CHANGED, arg=before, timeout=ANSWERS, polling=POLLS)
        return self.pictures()
