"""Pictures of mask correction: colours where they belong, windows inside, a live preview."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.correction.correct import CorrectionConfig
from helpers.series.analysis.correction import METRICS
from helpers.series.viz import correction as views

LABELS = np.zeros((120, 160), np.int32)
LABELS[20:100, 30:90] = 1
LABELS[40:60, 100:150] = 2
GREY = np.full((120, 160, 3), 90, np.uint8)


def test_labels_have_colours_and_wrong_pixels_are_red():
    image = views.in_colours(LABELS)
    assert len({tuple(image[k == LABELS][0]) for k in range(3)}) == 3
    on = views.on_photograph(LABELS, GREY)
    assert (on[LABELS == 0] == 90).all() and (on[LABELS == 1].std(axis=1) > 0).all()
    noisy = LABELS.copy()
    noisy[5, 7] = 2
    wrong = views.wrong_pixels(noisy, LABELS, GREY)
    assert (wrong == views.WRONG).all(-1).nonzero() == (np.array([5]), np.array([7]))


def test_the_busiest_window_holds_the_marks_lies_inside_and_is_enlarged():
    image = views.in_colours(LABELS)
    for at in ((0, 0), (119, 159), (60, 80)):
        marked = np.zeros(LABELS.shape, bool)
        marked[at] = True
        window = views.busiest_window(marked, 30)
        assert marked[window].any() and marked[window].shape == (30, 30)
        large = views.enlarged(image, window, factor=7, lines=True)
        assert np.array_equal(large[3::7, 3::7], image[window])


def test_the_comparison_and_the_preview_are_drawn():
    ends = (("", 0), (" low", -0.1), (" high", 0.1))
    row = {f"{m}{end}": 0.5 + d for m in METRICS for end, d in ends}
    rows = [row | {"noise": "leak", "method": method} for method in ("nothing", "ours")]
    rows[0]["precision"] = rows[0]["precision low"] = rows[0]["precision high"] = np.nan
    table, metrics = pd.DataFrame(rows), ("precision", "recall")
    figure = views.comparison(table, metrics=metrics, goals={"recall": 0.9}, title="Here")
    assert figure.encoded()[0] == "image/png"
    noisy, config = LABELS.copy(), CorrectionConfig(smooth_border=False)
    noisy[50, 50:53] = 0
    window = (slice(30, 70), slice(30, 70))
    preview = views.correction_preview(noisy, picture=GREY, window=window, config=config)
    values = preview.values | {"use_picture": False}
    assert "hole 0" in preview.draw(**values | {"hole": 0}).alt
    assert "hole 3" in preview.draw(**values | {"hole": 64 * 100}).alt
