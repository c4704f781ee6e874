"""What members of an ensemble and views of one model see, where the answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.config import TtaConfig
from helpers.inference.tta import View
from helpers.series.analysis import ensembling
from helpers.series.analysis.augmentation import Looks, disagreement, order_of
from helpers.structures import Detections
from tests import squares


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    squares.stored(folder)
    return ensembling.measured("quick", folder=folder)


def test_a_member_finds_what_it_overlaps_by_half(found, tmp_path):
    assert ensembling.measured("quick", folder=tmp_path) is None
    finds = ensembling.who_finds_what(found.members, score=0.1)
    assert finds["A"].tolist() == [True] * 3
    assert finds["B"].tolist() == [True] * 3  # an IoU of one half is enough
    assert not finds["C"].any()
    assert finds["D"].tolist() == [True, False, False]
    assert not ensembling.who_finds_what(found.members, score=0.6)["B"].any()


def test_as_many_detections_are_shown_as_there_are_things(found):
    """Calibrated: D one of 0.9, B three of 0.5, A three of 0.45; wanted: four times the things."""
    assert ensembling.fitting_score(found.members) == 0  # twelve
    one = {**found.members.truth, "annotations": found.members.truth["annotations"][:1]}
    assert ensembling.fitting_score(replace(found.members, truth=one)) == pytest.approx(0.5)


def test_a_member_judged_worthless_is_not_judged_by_what_it_should_not_see(found):
    learnt = {**found.entry.extra["learnt"], "precision": [0.0, 0.1, 0.0, 0.0]}
    entry = replace(found.entry, extra={**found.entry.extra, "learnt": learnt})
    assert ensembling.way_table(entry).index[0] == "best single model (B)"


def test_who_finds_and_misses_alone(found):
    finds = ensembling.who_finds_what(found.members, score=0.1)
    table = ensembling.finding_table(finds)
    assert table["found"].tolist() == [3, 3, 0, 1]
    assert table["missed by it alone"].tolist() == [0, 0, 1, 0]
    strict = ensembling.who_finds_what(found.members, score=0.1, overlap=0.6)
    assert ensembling.finding_table(strict)["found by it alone"].tolist() == [2, 0, 0, 0]


def test_telling_pictures_are_those_of_dispute(found):
    finds = ensembling.who_finds_what(found.members, score=0.1)
    assert ensembling.telling_pictures(finds, 2) == [1, 2]
    assert ensembling.telling_instance(finds) == (1, 0)


def test_subsets_come_best_first(found):
    table = ensembling.subset_table(found.entry)
    assert len(table) == 15
    assert table["mask AP"].is_monotonic_decreasing
    assert table.loc["A", "mask AP"] == 100
    assert table.loc["ABC", "members"] == 3


def test_the_best_single_model_is_that_of_the_held_out_pictures(found):
    ways = ensembling.way_table(found.entry)
    assert ways.index[0] == "best single model (A)"
    assert ways.index[-1] == "ensemble"
    assert len(ways) == 4


def test_a_mask_grows_until_all_have_joined(found):
    steps = ensembling.growth(found.members, 1, 0)
    assert list(steps) == ["A", "AB", "ABC", "ABCD"]
    assert len(steps["ABCD"]) == 1
    assert steps["A"].boxes[0].tolist() == [10, 10, 30, 30]


def test_scores_before_and_after_calibration(found):
    scores = ensembling.scores_of_all(found.members)
    assert len(scores) == 3 + 3 + 0 + 1
    first = scores[scores["member"] == ensembling.NAMES["A"]]
    assert (first["calibrated"] < first["score"]).all()
    assert ensembling.member_table(found)["weight"].tolist() == [1, 0.6, 0.6, 1]


VIEWS = tuple(View(size, flip) for size in (8, 10) for flip in (False, True))


def looks(*values: float) -> Looks:
    """One instance that fills an 8 x 8 picture; view v says `values[v]` everywhere."""
    box = torch.tensor([[0.0, 0, 8, 8]])
    merged = Detections(box, torch.tensor([0.9]), torch.tensor([0]), (8, 8))
    masks = torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    own = tuple(replace(merged, masks=one) for one in masks)
    return Looks(VIEWS, own, merged, masks)


@pytest.mark.parametrize(
    ("values", "share"),
    [((0.9, 0.9, 0.9, 0.9), 0), ((0.9, 0.9, 0.9, 0.2), 0.25), ((0.9, 0.1, 0.9, 0.1), 0.5)],
)
def test_disagreement_is_the_share_of_the_minority(values, share):
    middle = disagreement(looks(*values))[2:6, 2:6]
    np.testing.assert_array_equal(middle, share)
    assert not disagreement(looks(*values), score=0.95).any()


def test_average_of_some_views():
    some = looks(0.9, 0.5, 0.1, 0.3)
    assert some.averaged([0, 2]).masks.unique().tolist() == pytest.approx([0.5])
    assert some.averaged([3]).masks.unique().tolist() == pytest.approx([0.3])
    with pytest.raises(ValueError, match="no view"):
        some.averaged([])


def test_the_usual_view_comes_first():
    order = order_of(TtaConfig(sizes=(133, 160, 187)), 160)
    assert order[:2] == (View(160, False), View(160, True))
    assert len(order) == 6
