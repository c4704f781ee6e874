"""Class names of any kind in the figures: drawn as they stand, and told apart."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import findfont, fontManager, get_font

from helpers import drawing_style
from helpers.drawing import Overlay, Panel, grid
from helpers.drawing_style import Picture, short_name, short_names
from helpers.series.viz import figures, losses, mask_ceilings

NAMES = [
    "椅子",
    "$a_b^{",
    "$x_{$ and $y",
    "100 % wool",
    "a/b",
    "<b>x</b>",
    "_hidden\nname",
    "an unusually long name of forty letters; first" + "!" * 34,
    "an unusually long name of forty letters; second" + "!" * 33,
    "Lamp / Floor Lamp",
    "Lamp / Table Lamp",
]
TABLE = pd.DataFrame(
    {
        "category": NAMES,
        "supercategory": NAMES,
        "category_id": range(1, len(NAMES) + 1),
        "instances": 5,
        "AP": 50.0,
        "alpha": 1.0,
        "run": 40.0,
    }
)


def overlay() -> Picture:
    count = len(NAMES)
    masks = np.zeros((count, 40, 10 * count), bool)
    for n in range(count):
        masks[n, :, 10 * n : 10 * n + 8] = True
    shown = Overlay(masks, np.zeros((count, 4)), np.arange(1, count + 1), tuple(NAMES))
    return grid(
        [Panel(np.zeros((40, 10 * count, 3), np.uint8), NAMES[2], shown)], columns=1, alt=""
    )


def ceilings() -> Picture:
    summary = pd.DataFrame(dict.fromkeys(mask_ceilings.MEASURES, 0.5), index=["way"])
    classes = pd.DataFrame({"way": 0.5, "instances": 5}, index=NAMES)
    return mask_ceilings.ceiling_curves(summary, classes, title="t")


def square() -> Picture:
    table = pd.DataFrame(0.5, index=NAMES, columns=NAMES)
    return figures.heat_map(table, title="t", xlabel="x", ylabel="y")


FIGURES: dict[str, Callable[[], Picture]] = {
    "overlay": overlay,
    "class bars": lambda: figures.class_bars(TABLE, title="t"),
    "AP bars": lambda: figures.class_ap_bars(TABLE.set_index("category_id"), title="t"),
    "heat map": square,
    "stacked": lambda: figures.stacked_shares(
        pd.DataFrame({"a": 0.5, "b": 0.5}, index=NAMES), title="t", ylabel="y"
    ),
    "alpha": lambda: losses.alpha_bars(TABLE, title="t"),
    "runs": lambda: losses.class_ap_by_run(TABLE, ["run"], title="t"),
    "ceilings": ceilings,
}


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.filterwarnings("error")
def test_any_name_is_drawn_and_no_two_look_alike(kind: str):
    picture = FIGURES[kind]()
    assert len(picture.encoded()[1]) > 2000
    labels = []
    for axes in picture.axes:
        labels += [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts]
    texts = {text.get_text().removesuffix("  (5)") for text in labels}
    assert {"椅子", "$a_b^{", "100 % wool", "a/b", "<b>x</b>"} <= texts
    assert len([text for text in texts if "Lamp" in text or "!" in text]) == 4


def test_short_names():
    assert short_name("Sideboard / Side Cabinet / Console") == "Sideboard"
    assert short_name("Three-Seat / Multi-person sofa") == "Three-Seat Sofa"
    assert short_name("Corner/Side Table") == "Corner/Side Table"
    assert short_name("x" * 40) == "x" * 25 + "…"
    labels = short_names(["Lamp / Floor", "Bed", "Lamp / Table", "Bed"])
    assert labels == {"Lamp / Floor": "Lamp / Floor", "Bed": "Bed", "Lamp / Table": "Lamp / Table"}
    alike = ["x" * 30 + middle + "y" * 30 for middle in "abc"]
    labels = short_names(alike, length=20)
    assert len(set(labels.values())) == 3 and max(map(len, labels.values())) <= 20


def test_a_font_that_has_the_letters_is_found_and_a_missing_one_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """DejaVu Sans has neither letter; another of the fonts that matplotlib brings has the first."""
    own = [font for font in fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(fontManager, "ttflist", own)
    drawing_style._family_for.cache_clear()
    code = 0x1D8D
    assert not get_font(findfont("DejaVu Sans")).get_char_index(code)
    picture = Picture((2, 1))
    words = [
        picture.text(0, 0, chr(code)),
        picture.text(0, 1, "\U0001b170"),
        picture.text(1, 0, "a"),
    ]
    with caplog.at_level(logging.WARNING):
        picture.encoded()
        picture.encoded()
    families = [len(word.get_fontfamily()) for word in words]
    assert families[0] == families[2] + 1 and families[1] == families[2]
    assert len([record for record in caplog.records if "NUSHU" in record.message]) == 1
