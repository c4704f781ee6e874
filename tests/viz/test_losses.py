"""Charts of the losses show the numbers they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.series.viz.losses import alpha_bars, class_ap_by_run

CLASSES = pd.DataFrame(
    {
        "category_id": [3, 1],
        "category": ["Bed Frame", "Nightstand"],
        "instances": [40, 4],
        "alpha": [0.9, 1.6],
    }
)


def test_weights_stand_below_their_counts():
    picture = alpha_bars(CLASSES, title="weights")
    assert len(picture.encoded()[1]) > 2000
    counts, weights = picture.axes
    assert counts.lines[0].get_ydata().tolist() == [40, 4]
    assert weights.lines[0].get_ydata().tolist() == [0.9, 1.6]
    assert [t.get_text() for t in weights.get_xticklabels()] == ["Bed Frame", "Nightstand"]
    marked = alpha_bars(CLASSES.assign(alpha_precision=[0.8, 1.9]), title="weights")
    assert marked.axes[1].lines[-1].get_ydata().tolist() == [0.8, 1.9]


def test_every_run_has_a_mark_for_every_class_it_scored():
    table = CLASSES.assign(before=[30.0, 10.0], after=[29.0, np.nan])
    picture = class_ap_by_run(table, ["before", "after"], title="AP")
    assert len(picture.encoded()[1]) > 2000
    before, after = picture.axes[0].collections[1:]
    assert before.get_offsets()[:, 0].tolist() == [30, 10]
    assert np.ma.filled(after.get_offsets()[:, 0], np.nan)[0] == 29
    assert after.get_offsets()[:, 0].count() == 1


def test_each_seed_has_a_small_mark_beside_the_mean():
    seeds = {"before, seed 0": [28.0, 9.0], "before, seed 1": [32.0, 11.0]}
    table = CLASSES.assign(before=[30.0, 10.0], after=[29.0, 8.0], **seeds)
    picture = class_ap_by_run(table, ["before", "after"], title="AP")
    marks = [marks.get_offsets()[:, 0].tolist() for marks in picture.axes[0].collections[1:]]
    assert marks == [[28, 9], [32, 11], [30, 10], [29, 8]]
    assert [t.get_text() for t in picture.axes[0].get_legend().get_texts()] == ["before", "after"]
