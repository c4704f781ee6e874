"""What fusing must keep, must not depend on, and what each of its numbers does."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch

from helpers.inference.ensemble import EnsembleConfig, fuse, union_nms, weighted_soft_nms
from helpers.inference.predict import to_results
from helpers.ladder.ensemble import LETTERS, Members
from helpers.ladder.measure import FUSED, differing
from helpers.ladder.reference import references
from helpers.structures import Detections

NO_NMS = EnsembleConfig(nms_sigma=0.0)


def one_thing(box, score: float) -> Detections:
    boxes, scores = torch.tensor([box], dtype=torch.float32), torch.tensor([score])
    return Detections(boxes, scores, torch.tensor([0]), (100, 100), torch.ones(1, 20, 20))


def equal(one: Detections, other: Detections) -> bool:
    names = ("boxes", "scores", "labels", "masks")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.fixture
def members() -> list[Detections]:
    """Three models that see six things, each a little aside and with scores of its own."""
    draw = torch.Generator().manual_seed(0)
    corners = 80 * torch.rand(6, 2, generator=draw)
    boxes = torch.cat([corners, corners + torch.tensor([40, 30])], dim=1)
    found = []
    for side in (28, 28, 40):
        seen = boxes + torch.rand(6, 4, generator=draw)
        scores = torch.linspace(0.9, 0.2, 6) - 0.1 * torch.rand(1, generator=draw)
        masks = 1 - 0.4 * torch.rand(6, side, side, generator=draw)
        found.append(Detections(seen, scores, torch.arange(6) % 3, (120, 120), masks))
    return found


class TestFuse:
    def test_the_committed_ensemble_comes_out_again(self):
        """Stored members of the ladder fused anew: the masks pixel by pixel."""
        reference = next(r for r in references("bench") if r.find("ensemble"))
        entry = reference.find("ensemble")
        members, stored = Members.stored(reference, entry), reference.results(entry)
        for image in members.truth["images"][::80]:
            fused = members.together(LETTERS, image["id"])
            expected = [row for row in stored if row["image_id"] == image["id"]]
            results = to_results(fused, image["id"], members.taxonomy)
            assert len(results) > 3
            assert differing(results, expected, "results", tolerance=FUSED) == []

    def test_one_model_comes_back_as_it_is(self, members):
        assert equal(fuse(members[:1], weights=[0.3]), members[0])

    def test_what_is_thinner_than_the_grid_stays(self):
        cord = torch.tensor([[599.0, 100.0, 601.0, 300.0]])
        one = Detections(
            cord, torch.ones(1), torch.zeros(1).long(), (1200, 1200), torch.ones(1, 8, 8)
        )
        assert equal(fuse([one, one]), one)

    def test_a_model_that_finds_nothing_costs_only_coverage(self, members):
        alone = members[0]
        fused = fuse([alone, alone[:0]], config=NO_NMS)
        torch.testing.assert_close(fused.scores, alone.scores * math.sqrt(0.5))
        assert equal(replace(fused, scores=alone.scores), alone)

    @pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.6, 1.0, 0.77)])
    @pytest.mark.parametrize("tied", [False, True])
    def test_the_order_of_the_models_does_not_matter(self, members, weights, tied):
        if tied:
            members = [replace(m, scores=torch.full_like(m.scores, 0.5)) for m in members]
        first = fuse(members, weights=weights)
        for order in itertools.permutations(range(3)):
            again = fuse([members[i] for i in order], weights=[weights[i] for i in order])
            assert equal(first, again)

    def test_score_and_mask_by_hand(self):
        """Two of three models see a rectangle; weights 1, 0.5, 0.5."""
        first, second = one_thing((10, 10, 50, 50), 0.8), one_thing((10, 10, 50, 60), 0.4)
        fused = fuse([first, second, first[:0]], weights=[1.0, 0.5, 0.5])
        mean = (0.8 * 1.0 + 0.4 * 0.5) / 1.5
        assert fused.scores.item() == pytest.approx(mean * math.sqrt(1.5 / 2))
        # below y = 50 only the second counts, with 0.2 of 1.0: not part of the mask
        assert fused.boxes.tolist() == [[10, 10, 50, 50]]
        lower = fuse([first, one_thing((10, 10, 50, 60), 0.8)], weights=[0.5, 1.0])
        assert lower.boxes.tolist() == [[10, 10, 50, 60]]
        assert lower.masks[0, 0].tolist() == pytest.approx([1.0] * 112)
        assert lower.masks[0, -1].tolist() == pytest.approx([2 / 3] * 112)

    def test_faint_and_surplus_detections_are_left_out(self, members):
        faint = replace(members[0], scores=torch.full((6,), 0.01))
        assert len(fuse([faint, faint])) == 0
        few = fuse(members, config=EnsembleConfig(max_detections=2))
        assert torch.equal(few.scores, fuse(members).scores[:2])


def boxes_of(*rows, side: int = 4) -> Detections:
    """rows: x1, y1, x2, y2, score, label."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    masks = torch.full((len(rows), side, side), 0.75)
    return Detections(table[:, :4], table[:, 4], table[:, 5].long(), (100, 100), masks)


def test_baselines_drop_worse_copies_of_a_class_or_keep_what_is_left_of_their_scores():
    one = boxes_of((0, 0, 10, 10, 0.9, 0), (50, 50, 60, 60, 0.5, 1))
    two = boxes_of((0, 0, 10, 8, 0.8, 0), (0, 0, 10, 10, 0.7, 1), side=8)
    union = union_nms([one, two])
    assert union.scores.tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert union.labels.tolist() == [0, 1, 1] and union.masks.shape == (3, 8, 8)
    assert len(union_nms([boxes_of(), boxes_of(side=8)])) == 0
    # weighted 0.6: the first's 0.54 and 0.3; the second's 0.8 overlaps its copy by 0.8
    pool = weighted_soft_nms([one, two], [0.6, 1.0])
    assert pool.scores.tolist() == pytest.approx([0.8, 0.7, 0.3, 0.54 * 0.2], abs=1e-6)
    # IoU 0.9, 0.6 and 2/3: the third (0.7 * 0.4 = 0.28) comes before the second (0.08)
    rows = [(0, 0, 10, 10, 0.9, 0), (0, 0, 10, 9, 0.8, 0), (0, 0, 10, 6, 0.7, 0)]
    pool = weighted_soft_nms([boxes_of(*rows)], [1.0])
    assert pool.scores.tolist() == pytest.approx([0.9, 0.28, 0.8 * 0.1 * (1 - 2 / 3)], abs=1e-6)
