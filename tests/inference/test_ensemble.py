"""What fusing must keep, must not depend on, and what each of its numbers does."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import grid_sample

from helpers.inference.ensemble import (
    EnsembleConfig,
    fuse,
    model_weights,
    sample,
    union_nms,
    weighted_soft_nms,
)
from helpers.inference.paste import paste_masks
from helpers.inference.predict import to_results
from helpers.ladder.ensemble import LETTERS, Members
from helpers.ladder.measure import FUSED, differing
from helpers.ladder.reference import references
from helpers.structures import Detections

NO_NMS = EnsembleConfig(nms_sigma=0.0)


def wavy(side: int, box, centre, radii, *, phase: float = 0.0):
    """A round thing with a wavy, soft edge, seen through `box`: (side, side) probabilities."""
    place = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(
        box[1] + place * (box[3] - box[1]), box[0] + place * (box[2] - box[0]), indexing="ij"
    )
    dx, dy = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    edge = 1 + 0.12 * torch.sin(5 * torch.atan2(dy, dx) + phase)
    return torch.sigmoid((edge - torch.hypot(dx, dy)) * sum(radii) / 6)


def scene(
    seed: int, *, models: int, things: int, size: int, sides, shift: float = 0.003
) -> list[Detections]:
    """Each model sees the same things, a little shifted, with scores of its own."""
    random = np.random.default_rng(seed)
    centres, radii = random.uniform(0, size, (things, 2)), random.uniform(0.03, 0.25, (things, 2))
    members = []
    for model in range(models):
        boxes, masks = [], []
        for number, (centre, radius) in enumerate(zip(centres, radii * size, strict=True)):
            moved = random.normal(0, shift * size, 4)
            middle, reach = centre + moved[:2], 1.15 * radius + moved[2:]
            box = [*np.maximum(middle - reach, 0), *np.minimum(middle + reach, size)]
            boxes.append(box)
            masks.append(wavy(sides[model], box, middle, tuple(radius), phase=number))
        scores = torch.from_numpy(random.uniform(0.1, 1, things)).float()
        found = Detections(
            torch.tensor(np.array(boxes), dtype=torch.float32),
            scores,
            torch.arange(things) % 3,
            (size, size),
            torch.stack(masks),
        )
        members.append(found[scores.argsort(descending=True)])
    return members


def one_thing(box, score: float, *, label: int = 0, size: int = 100, mask=None) -> Detections:
    masks = torch.ones(1, 20, 20) if mask is None else mask[None]
    boxes = torch.tensor([box], dtype=torch.float32)
    return Detections(boxes, torch.tensor([score]), torch.tensor([label]), (size, size), masks)


def equal(one: Detections, other: Detections) -> bool:
    names = ("boxes", "scores", "labels", "masks")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.fixture
def members() -> list[Detections]:
    return scene(0, models=3, things=6, size=120, sides=(28, 28, 40))


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

    @settings(max_examples=15, deadline=None)
    @given(
        seed=st.integers(0, 1000),
        models=st.integers(2, 4),
        found=st.integers(0, 5),
        weights=st.lists(st.floats(0.01, 100), min_size=4, max_size=4),
        coverage=st.floats(0, 2),
    )
    def test_scores_and_masks_stay_probabilities(self, seed, models, found, weights, coverage):
        members = scene(seed, models=models, things=5, size=60, sides=[14, 28, 14, 20])
        members = [member[:found] for member in members]
        fused = fuse(members, weights=weights[:models], config=EnsembleConfig(coverage=coverage))
        assert len(fused) <= models * found
        assert ((fused.scores >= 0) & (fused.scores <= 1)).all()
        assert (fused.scores.diff() <= 0).all()
        assert ((fused.masks >= 0) & (fused.masks <= 1)).all()
        assert ((fused.boxes >= 0) & (fused.boxes <= 60)).all()

    def test_fused_masks_are_nearer_to_the_truth_than_each_models(self):
        shape = {"things": 4, "size": 200, "sides": [56] * 4}
        (truth,) = scene(3, models=1, shift=0.0, **shape)
        members = scene(3, models=4, shift=0.008, **shape)

        def error(found: Detections) -> float:
            """1 - IoU with the nearest thing of its class, mean over the true things."""
            planes, errors = paste_masks(found), []
            for label, mask in zip(truth.labels, paste_masks(truth), strict=True):
                same_class = planes[found.labels == label]
                overlaps = (same_class & mask).sum((1, 2)) / (same_class | mask).sum((1, 2))
                errors.append(1 - overlaps.max().item())
            return float(np.mean(errors))

        assert len(fuse(members)) == len(truth)
        assert error(fuse(members)) < min(map(error, members))

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

    @pytest.mark.parametrize(
        ("shift", "size", "small_area", "count"),
        [
            (17, 40, 1024, 2),  # IoU 23 / 57
            (8, 40, 1024, 1),  # 32 / 48
            (6, 20, 1024, 1),  # 14 / 26: enough for a small mask
            (6, 20, 100, 2),
        ],
    )
    def test_masks_that_overlap_too_little_stay_apart(self, shift, size, small_area, count):
        boxes = [(10, top, 10 + size, top + size) for top in (10, 10 + shift)]
        config = EnsembleConfig(nms_sigma=0.0, small_area=small_area)
        assert len(fuse([one_thing(box, 0.8) for box in boxes], config=config)) == count

    def test_a_second_hit_of_one_model_is_dropped(self):
        twice = Detections.cat([one_thing((10, 10, 50, 50), 0.8), one_thing((10, 11, 50, 51), 0.7)])
        fused = fuse([twice, one_thing((10, 10, 50, 50), 0.6)], config=NO_NMS)
        assert fused.scores.tolist() == pytest.approx([0.7])  # the mean of 0.8 and 0.6

    def test_classes_do_not_mix_but_the_worse_one_is_doubted(self):
        kinds = [one_thing((10, 10, 50, 50), 0.8), one_thing((10, 10, 50, 50), 0.6, label=1)]
        fused = fuse(kinds, config=EnsembleConfig(coverage=0.0))
        assert fused.labels.tolist() == [0, 1]
        assert fused.scores.tolist() == pytest.approx([0.8, 0.6 * 0.8])

    def test_overlapping_fused_masks_decay(self):
        apart = [one_thing((10, 10, 50, 50), 0.8), one_thing((10, 27, 50, 67), 0.6)]
        fused = fuse(apart, config=EnsembleConfig(coverage=0.0))
        assert fused.scores.tolist() == pytest.approx([0.8, 0.6 * math.exp(-2 * (23 / 57) ** 2)])

    def test_faint_and_surplus_detections_are_left_out(self, members):
        faint = replace(members[0], scores=torch.full((6,), 0.01))
        assert len(fuse([faint, faint])) == 0
        few = fuse(members, config=EnsembleConfig(max_detections=2))
        assert torch.equal(few.scores, fuse(members).scores[:2])


@pytest.mark.parametrize("side", [1, 2, 14, 33])
@pytest.mark.parametrize("box", [(3.2, 4.7, 41.9, 33.1), (-8.0, -3.0, 90.0, 60.0), (5, 5, 5.3, 9)])
def test_samples_are_grid_sample_with_the_edge_repeated(side, box):
    torch.manual_seed(side)
    mask = torch.rand(side, side)
    x, y = (torch.arange(length, dtype=torch.float64) + 0.5 for length in (70, 50))
    across, down = (
        2 * (points - box[axis]) / (box[axis + 2] - box[axis]) - 1
        for axis, points in enumerate((x, y))
    )
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1).float()[None]
    expected = grid_sample(mask[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
    expected[(grid[0].abs() > 1).any(dim=-1)] = 0
    torch.testing.assert_close(sample(mask, box, x, y), expected, atol=2e-5, rtol=0)


def test_weights_of_the_papers_members():
    weights = model_weights([74.30, 76.64, 77.12, 75.50])
    assert weights == pytest.approx((0.60, 0.93, 1.0, 0.77), abs=0.005)
    assert model_weights([0.5, 0.5]) == (1.0, 1.0)


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
