"""Pictures of an ensemble, and the widget that fuses any of its members."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.series.analysis import ensembling
from helpers.series.viz import ensembling as views
from tests import squares

IMAGE = np.full((*squares.SIZE, 3), 180, np.uint8)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    squares.stored(folder)
    return ensembling.measured("quick", folder=folder)


def test_truth_members_and_ensemble_stand_side_by_side(found):
    panels = views.member_panels(IMAGE, found.members, 2, score=0.1)
    assert [len(panel.overlay) for panel in panels] == [1, 1, 1, 0, 0, 1]
    assert panels[0].overlay.masks[0].sum() == 400
    assert panels[2].overlay.masks[0].sum() == 200
    assert panels[-1].title == "ensemble (1)"


def test_figures_are_pictures(found):
    scores = ensembling.scores_of_all(found.members)
    assert views.score_histograms(scores, title="scores").encoded()[0] == "image/png"
    table, ways = ensembling.subset_table(found.entry), ensembling.way_table(found.entry)
    chart = views.subset_chart(table, ways, title="subsets")
    texts = {text.get_text() for text in chart.axes[0].texts}
    assert texts == set(table.index)


def test_a_growing_mask_has_a_column_for_each_step(found):
    steps = ensembling.growth(found.members, 1, 0) | {"C": found.members.soft["C"][1]}
    truth = views.truth_overlay(found.members, 1)
    figure = views.growth_figure(IMAGE, steps, truth, title="growing")
    assert len(figure.axes) == 11  # ten planes and the colour bar
    assert figure.axes[4].get_title("left").endswith(": nothing")
    planes = [axes.images[0].get_array() for axes in figure.axes[:5]]
    assert planes[0].max() == 1
    assert planes[4].max() == 0


def test_ticking_members_changes_the_picture(found):
    widget = views.member_toggles(IMAGE, found.members, 1, score=0.1)
    assert list(widget.controls) == ["A", "B", "C", "D", "least"]
    before = widget.image.value
    for letter in "ABD":
        widget.controls[letter].value = False
    assert widget.image.value != before
    assert "image/jpeg" in widget._repr_mimebundle_()
