"""Members of an ensemble in small files: what they keep, and what is made of them again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from helpers.ladder.ensemble import Members, all_scores, learnt_of
from helpers.ladder.measure import check, differing
from helpers.ladder.reference import KEPT, LEVELS, pack_soft, unpack_soft
from helpers.structures import Detections
from tests import squares

SIZE = (40, 60)


def found(count: int, *, seed: int = 0, side: int = 7) -> Detections:
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=draw) * 20
    return Detections(
        torch.cat([corner, corner + 5 + torch.rand(count, 2, generator=draw) * 15], dim=1),
        torch.rand(count, generator=draw).sort(descending=True).values,
        torch.randint(0, 2, (count,), generator=draw),
        SIZE,
        torch.rand(count, side, side, generator=draw),
    )


def test_soft_detections_come_back_to_the_precision_that_is_kept():
    stored = {4: found(3), 9: found(0), 2: found(5, seed=1)}
    back = unpack_soft(pack_soft(stored.items()))
    assert list(back) == [4, 9, 2]
    for image_id, one in stored.items():
        again = back[image_id]
        assert again.image_size == SIZE
        assert torch.equal(again.labels, one.labels)
        assert (again.masks - one.masks).abs().max() <= 0.5 / LEVELS + 1e-6 if len(one) else True
        assert torch.allclose(again.boxes, one.boxes, atol=0.051)
        assert torch.allclose(again.scores, one.scores, atol=6e-6)


def test_what_was_stored_once_is_stored_the_same_again():
    once = pack_soft({1: found(4), 2: found(1)}.items())
    assert pack_soft(unpack_soft(once).items()) == once


def test_only_the_best_of_a_picture_are_kept():
    many = found(KEPT + 5)
    back = unpack_soft(pack_soft([(1, many)]))[1]
    assert torch.allclose(back.scores, many.scores[:KEPT], atol=6e-6)


@pytest.fixture
def members() -> Members:
    return squares.members()


def test_every_subset_is_there_once(members):
    subsets = members.subsets()
    assert len(subsets) == len(set(subsets)) == 15
    assert subsets[:5] == ["A", "B", "C", "D", "AB"]


def test_scores_are_those_of_what_the_members_see(members):
    scores = all_scores(members)["subsets"]
    assert scores["A"]["mask AP"] == pytest.approx(1)
    assert scores["B"]["mask AP"] == pytest.approx(0.1)  # IoU 0.5 passes the first threshold alone
    assert scores["C"]["mask AP"] == 0
    assert scores["AD"]["mask AP"] == pytest.approx(1)
    assert scores["D"]["mask AP"] == pytest.approx(34 / 101)  # one square of three


def test_one_member_keeps_its_masks_and_its_calibrated_scores(members):
    alone = members.together("A", 1)
    assert alone.scores.item() == pytest.approx(0.99 * 0.45 + 0.01 * 0.9)
    assert torch.equal(alone.masks, members.soft["A"][1].masks)


def test_faint_detections_take_part_and_those_of_score_0_do_not(members):
    faint = dict.fromkeys(
        squares.IMAGES, replace(squares.soft()[0][1], scores=torch.tensor([1e-4]))
    )
    nothing = {i: replace(one, scores=torch.zeros(1)) for i, one in faint.items()}
    for soft, count in ((faint, 1), (nothing, 0)):
        two = Members({"C": soft, "B": members.soft["C"]}, members.learnt, members.truth, "coco")
        assert len(two.together("CB", 1)) == count


def test_members_without_held_out_pictures_count_alike():
    trust = {"precision": 0.5, "calibration": {"scores": [0.1], "values": [0.2]}}
    assert learnt_of([trust, None])["weights"] == [1.0, 1.0]
    learnt = learnt_of([trust, trust | {"precision": 0.25}])
    assert learnt["precision"] == [0.5, 0.25]
    assert learnt["weights"][0] > learnt["weights"][1]


def test_differences_are_found_wherever_they_are():
    stored = {"a": [1.0, None, {"b": 2}], "c": "x"}
    assert differing({"a": [1.0 + 1e-12, None, {"b": 2}], "c": "x"}, stored, "at") == []
    for other in (
        {"a": [1.1, None, {"b": 2}], "c": "x"},
        {"a": [1.0, 0.0, {"b": 2}], "c": "x"},
        {"a": [1.0, None, {"b": 3}], "c": "x"},
        {"a": [1.0, None], "c": "x"},
        {"a": [1.0, None, {"b": 2}]},
    ):
        assert len(differing(other, stored, "at")) == 1
    assert differing([{"a": 1.1}], [{"a": 1.0}], "at", tolerance=0.2) == []


def test_a_stored_ladder_is_checked_to_the_last_number(tmp_path):
    reference = squares.stored(tmp_path)
    assert [(entry.rung, wrong) for entry, wrong in check(reference)] == [
        ("ensemble", []),
        ("s101", []),
        ("x101", []),
    ]


def test_a_changed_number_prediction_or_member_is_found(tmp_path):
    reference = squares.stored(tmp_path)
    entries = {entry.rung: entry for entry in reference.entries()}
    content = json.loads(reference.path.read_text())
    for row in content["entries"]:
        if row["rung"] == "s101":
            row["evaluation"]["metrics"]["segm"]["AP"] -= 1e-6
    reference.path.write_text(json.dumps(content))
    fewer = reference.results(entries["x101"])[1:]
    reference.keep(entries["x101"].predictions, fewer, squares.PRESET, seed=0)
    member = entries["ensemble"].extra["soft"][0]
    reference.write(member, reference.read(entries["ensemble"].extra["soft"][2]))
    wrong = {entry.rung: found for entry, found in check(reference)}
    assert "evaluation.metrics.segm.AP is 1.0, stored is 0.999999" in wrong["s101"]
    assert wrong["x101"]
    assert wrong["ensemble"][0] == "the fused predictions are not those stored"
