"""Pictures of mask correction: colours where they belong, windows inside, a live preview."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.correction.correct import CorrectionConfig
from helpers.series.analysis.correction import METRICS
from helpers.series.viz import correction as views


@pytest.fixture
def labels() -> np.ndarray:
    drawn = np.zeros((120, 160), np.int32)
    drawn[20:100, 30:90] = 1
    drawn[40:60, 100:150] = 2
    return drawn


def test_every_label_has_a_colour_of_its_own(labels):
    image = views.in_colours(labels)
    assert image.shape == (120, 160, 3) and image.dtype == np.uint8
    colours = {tuple(image[labels == k][0]) for k in range(3)}
    assert len(colours) == 3
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 3
    assert views.in_colours(np.zeros((4, 5), np.int32)).shape == (4, 5, 3)


def test_the_photograph_stays_grey_outside_of_labels(labels):
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    image = views.on_photograph(labels, picture)
    outside = image[labels == 0]
    assert (outside == outside[:, :1]).all()
    assert (image[labels == 1].std(axis=1) > 0).any()


def test_wrong_pixels_and_only_they_are_red(labels):
    noisy = labels.copy()
    noisy[5, 7] = 2
    image = views.wrong_pixels(noisy, labels, np.zeros((120, 160, 3), np.uint8))
    assert (image == views.WRONG).all(-1).nonzero() == (np.array([5]), np.array([7]))


@pytest.mark.parametrize("at", [(0, 0), (119, 159), (60, 80)])
def test_the_busiest_window_holds_the_marks_and_lies_inside(at):
    marked = np.zeros((120, 160), bool)
    marked[at] = True
    rows, columns = window = views.busiest_window(marked, 30)
    assert marked[window].any()
    assert rows.start >= 0 and rows.stop <= 120 and rows.stop - rows.start == 30
    assert columns.start >= 0 and columns.stop <= 160 and columns.stop - columns.start == 30
    whole = views.busiest_window(marked, 500)
    assert marked[whole].shape == (120, 160)


def test_enlarging_keeps_every_pixel(labels):
    image, window = views.in_colours(labels), (slice(15, 25), slice(25, 35))
    large = views.enlarged(image, window, factor=7)
    assert np.array_equal(large[3::7, 3::7], image[window])
    lined = views.enlarged(image, window, factor=7, lines=True)
    assert np.array_equal(lined[3::7, 3::7], image[window]) and not np.array_equal(lined, large)


def test_the_comparison_has_a_panel_for_each_metric():
    rows = [
        {"noise": noise, "method": method}
        | {f"{m}{end}": 0.5 + step for m in METRICS for end, step in ENDS}
        for noise in ("speckle", "leak")
        for method in ("nothing", "ours")
    ]
    rows[0]["precision"] = rows[0]["precision low"] = rows[0]["precision high"] = np.nan
    figure = views.comparison(
        pd.DataFrame(rows), metrics=("precision", "recall"), goals={"recall": 0.9}, title="Here"
    )
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["precision", "recall"]
    assert figure.encoded()[0] == "image/png"


ENDS = (("", 0), (" low", -0.1), (" high", 0.1))


def test_the_preview_answers_to_its_thresholds(labels):
    noisy = labels.copy()
    noisy[50, 50:53] = 0
    picture = np.full((120, 160, 3), 90, np.uint8)
    config = CorrectionConfig(smooth_border=False)
    window = (slice(30, 70), slice(30, 70))
    preview = views.correction_preview(noisy, picture=picture, window=window, config=config)
    assert list(preview.controls) == ["use_picture", *(name for name, *_ in views.KNOBS)]
    preview.controls["use_picture"].value = False
    preview.controls["hole"].value = 0
    assert "hole 0" in preview.draw(**preview.values).alt
    mended = preview.draw(**preview.values | {"hole": 64 * 100})
    assert "hole 3" in mended.alt and mended.photograph
    titles = [axes.get_title(loc="left") for axes in mended.axes]
    assert titles == ["picture", "before", "after: 3 px changed"]
