"""The review widget pressed, wheeled and dragged in JupyterLab, as a person does it.

The tests go through one review in order; each leaves decisions that the next builds on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Lab
from tests.browser.notebook_page import ANSWERS, NotebookPage
from tests.browser.review_page import ROOT, Review

pytestmark = pytest.mark.browser

FOCUSED = "(root) => document.activeElement === document.querySelector(root)"


@pytest.fixture(scope="module")
def review(lab: Lab, browser: Any) -> Iterator[Review]:
    notebook = NotebookPage(browser, lab.address("20_inspect_masks"))
    notebook.run_all()
    yield Review(notebook, lab.outputs / "review" / "decisions.jsonl")
    notebook.page.close()


def test_the_notebook_runs_to_its_end_and_shows_the_widget(review: Review) -> None:
    assert review.notebook.errors() == []
    code = [cell for cell in review.notebook.cells() if cell["type"] == "code"]
    assert [cell["count"] for cell in code] == list(range(1, len(code) + 1))
    review.wait_for("1 / 63, 0 decided")
    assert len(set(review.pictures())) == 2, "the masks before and after look the same"


def test_verdicts_reach_the_disk_and_no_key_reaches_the_notebook(review: Review) -> None:
    cells = len(review.notebook.cells())
    review.focus()
    review.press("a", "r", "s", "f")
    review.wait_for("5 / 63, 4 decided")
    assert review.verdicts() == ["accept", "reject", "skip", "flag"]
    review.press("b", "x", "d", "d", "m", "y", "c", "v", "Enter")
    review.press("a")
    review.wait_for("6 / 63, 5 decided")
    assert len(review.notebook.cells()) == cells
    assert [c for c in review.notebook.cells() if c["type"] == "code" and not c["count"]] == []


def test_a_held_key_decides_once(review: Review) -> None:
    before = len(review.written())
    for _ in range(5):  # the first is a press, the others repeat it
        review.page.keyboard.down("r")
    review.page.keyboard.up("r")
    review.press("ArrowLeft", "ArrowRight")  # answered after all that came before
    review.wait_for("7 / 63, 6 decided")
    assert len(review.written()) == before + 1


def test_undo_takes_back_and_returns(review: Review) -> None:
    review.press("u")
    review.wait_for("6 / 63, 5 decided")
    review.press("Control+z")
    review.wait_for("5 / 63, 4 decided")
    assert review.verdicts()[-2:] == [None, None]


def test_arrows_move_and_decide_nothing(review: Review) -> None:
    before = review.written()
    review.press("ArrowRight", "ArrowRight", "ArrowLeft", "Home")
    review.wait_for("1 / 63, 4 decided")
    assert review.text(f"{ROOT} .mr-verdict") == "accepted"
    review.press("g")
    review.wait_for("5 / 63, 4 decided")
    assert review.written() == before


def test_a_note_is_written_and_its_letters_are_no_keys(review: Review) -> None:
    before = len(review.written())
    review.press("n")
    review.page.keyboard.type("a ragged arm")
    review.press("Enter")
    lines = review.wait_for_lines(before + 1)
    review.wait_for("5 / 63, 4 decided")
    assert [line["note"] for line in lines[before:]] == ["a ragged arm"]


def test_wheel_and_drag_move_both_pictures_and_not_the_notebook(review: Review) -> None:
    scroll = "() => document.querySelector('.jp-WindowedPanel-outer').scrollTop"
    place, before = review.page.evaluate(scroll), review.pictures()
    box = review.page.locator(f"{ROOT} canvas").first.bounding_box()
    review.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.4)
    review.page.mouse.wheel(0, -300)
    zoomed = review.changed_pictures(before)
    assert review.page.evaluate(scroll) == place
    review.page.mouse.down()
    review.page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6)
    review.page.mouse.up()
    review.changed_pictures(zoomed)
    review.press("z", "z")
    assert review.pictures() == before


def test_space_blinks_while_it_is_held(review: Review) -> None:
    review.press("2")
    [after] = review.pictures()
    review.page.keyboard.down(" ")
    [held] = review.pictures()
    assert review.text(f"{ROOT} .mr-pane:not([hidden]) .mr-label") == "as annotated"
    review.page.keyboard.up(" ")
    assert held != after
    assert review.pictures() == [after]
    review.press("3")
    [difference] = review.pictures()
    assert difference not in (held, after)
    review.press("1")


def test_filters_choose_and_say_how_many_are_hidden(review: Review) -> None:
    review.page.select_option(f"{ROOT} select[title='verdict']", "decided")
    review.wait_for("1 / 4, 4 decided (59 filtered out)")
    review.page.select_option(f"{ROOT} select[title='verdict']", "")
    review.wait_for("63, 4 decided")


@pytest.mark.parametrize("part", ["canvas", ".mr-facts", ".mr-count", "button"])
def test_a_click_leaves_the_keys_to_the_review(review: Review, part: str) -> None:
    review.press("Escape")
    review.part(f"{part}:visible").last.click()
    assert review.page.evaluate(FOCUSED, ROOT)
    review.press("1")  # the last button is that of the difference


def test_the_list_of_keys_opens_and_escape_gives_the_keys_back(review: Review) -> None:
    review.focus()
    help_list = review.page.locator(f"{ROOT} .mr-help")
    review.press("?")
    help_list.wait_for(state="visible", timeout=ANSWERS)
    review.press("Escape")
    help_list.wait_for(state="hidden", timeout=ANSWERS)
    review.press("Escape")
    assert not review.page.evaluate(FOCUSED, ROOT)


@pytest.mark.parametrize("width", [1280, 2560])
@pytest.mark.parametrize("dark", [False, True])
def test_screenshots(review: Review, screenshots: Path, width: int, dark: bool) -> None:
    """Pictures for people; what is tested is that the widget fits its page."""
    review.page.set_viewport_size({"width": width, "height": 1440 if width > 2000 else 900})
    review.notebook.set_theme(dark=dark)
    review.focus()
    box = review.page.locator(ROOT).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert box["height"] <= (1440 if width > 2000 else 900)
    name = f"review-{width}-{'dark' if dark else 'light'}"
    for key, mode in (("1", "split"), ("3", "difference")):
        review.press(key)
        review.notebook.screenshot(screenshots / f"{name}-{mode}.png")
    review.press("1")
    review.page.locator(ROOT).screenshot(path=screenshots / f"{name}-widget.png")


def test_a_killed_kernel_loses_nothing(review: Review) -> None:
    before = review.written()
    review.notebook.kill_kernel()
    review.notebook.run_all()
    assert review.notebook.errors() == []
    review.wait_for("63, 4 decided")
    assert review.written() == before
    assert review.notebook.problems == []
