"""Members of an ensemble in small files: what they keep, and what is made of them again."""

from __future__ import annotations

import torch

from helpers.ladder.ensemble import learnt_of
from helpers.ladder.measure import differing
from helpers.ladder.reference import KEPT, LEVELS, pack_soft, unpack_soft
from helpers.structures import Detections

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
