"""Members of an ensemble in small files: what they keep, and what is made of them again."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from helpers.inference.calibration import Isotonic
from helpers.ladder_check import differing
from helpers.ladder_ensemble import Learnt, Members, all_scores
from helpers.ladder_soft import KEPT, LEVELS, pack_soft, unpack_soft
from helpers.masks.rle import encode
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
    assert torch.allclose(
        unpack_soft(pack_soft([(1, many)]))[1].scores, many.scores[:KEPT], atol=6e-6
    )


@pytest.fixture
def members() -> Members:
    """Three pictures with one square each. A sees it, B sees half of it, C sees nothing, D is A."""
    mask = np.zeros(SIZE, dtype=bool)
    mask[10:30, 10:30] = True
    truth = {
        "images": [
            {"id": n, "height": SIZE[0], "width": SIZE[1], "file_name": f"{n}.jpg"}
            for n in (1, 2, 3)
        ],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": 1,
                "segmentation": dict(encode(mask)),
                "area": 400,
                "bbox": [10, 10, 20, 20],
                "iscrowd": 0,
            }
            for n in (1, 2, 3)
        ],
        "categories": [{"id": 1, "name": "square", "supercategory": "shape"}],
    }

    def sees(box, score):
        labels = torch.zeros(1, dtype=torch.int64)
        return Detections(
            torch.tensor([box]), torch.tensor([score]), labels, SIZE, torch.ones(1, 8, 8)
        )

    whole, half = sees([10.0, 10, 30, 30], 0.9), sees([10.0, 10, 20, 30], 0.5)
    soft = [dict.fromkeys((1, 2, 3), one) for one in (whole, half, whole[:0], whole)]
    curve = Isotonic((0.0, 1.0), (0.0, 0.5))
    learnt = Learnt((curve, None, None, None), (1.0, 0.6, 0.6, 1.0), (0.9, 0.1, None, 0.9))
    return Members.of(soft, learnt, truth, "coco")


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


def test_one_member_keeps_its_masks_and_its_calibrated_scores(members):
    alone = members.together("A", 1)
    assert alone.scores.item() == pytest.approx(0.99 * 0.45 + 0.01 * 0.9)
    assert torch.equal(alone.masks, members.soft["A"][1].masks)


def test_what_was_learnt_comes_back_from_json(members):
    learnt = Learnt((Isotonic((0.1,), (0.2,)), None), (1.0, 0.6), (0.5, None))
    assert Learnt.read(asdict(learnt)) == learnt


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
