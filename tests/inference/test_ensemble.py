"""What fusing must keep, must not depend on, and what each of its numbers does."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.files import UserError
from helpers.inference.ensemble import fuse, model_weights
from helpers.inference.ensemble_clusters import EnsembleConfig
from helpers.inference.paste import paste_masks
from helpers.structures import Detections

NO_NMS = EnsembleConfig(nms_sigma=None)


def wavy(side: int, box, centre, radii, *, phase: float = 0.0, softness: float = 3.0):
    """A round thing with a wavy edge, seen through `box`: (side, side) probabilities."""
    place = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(
        box[1] + place * (box[3] - box[1]), box[0] + place * (box[2] - box[0]), indexing="ij"
    )
    dx, dy = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    edge = 1 + 0.12 * torch.sin(5 * torch.atan2(dy, dx) + phase)
    return torch.sigmoid((edge - torch.hypot(dx, dy)) * sum(radii) / 2 / softness)


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


def nothing(like: Detections) -> Detections:
    return like[:0]


def same(one: Detections, other: Detections) -> bool:
    pairs = ((one.boxes, other.boxes), (one.scores, other.scores), (one.masks, other.masks))
    return (
        all(a.shape == b.shape and torch.allclose(a, b, atol=1e-6) for a, b in pairs)
        and one.labels.tolist() == other.labels.tolist()
        and one.image_size == other.image_size
    )


@pytest.fixture
def members() -> list[Detections]:
    return scene(0, models=3, things=6, size=120, sides=(28, 28, 40))


def test_one_model_comes_back_as_it_is(members):
    assert same(fuse(members[:1]), members[0])
    assert same(fuse(members[:1], weights=[0.3]), members[0])


def test_a_model_that_finds_nothing_costs_only_coverage(members):
    alone = members[0]
    fused = fuse([alone, nothing(alone)], config=NO_NMS)
    expected = alone.scores * math.sqrt(0.5)
    assert torch.allclose(fused.scores, expected)
    assert torch.equal(fused.masks, alone.masks)
    assert torch.equal(fused.boxes, alone.boxes)
    assert torch.equal(fused.labels, alone.labels)


def test_two_identical_models_give_the_same_masks_and_scores(members):
    fused = fuse([members[0], members[0]], config=NO_NMS)
    assert same(fused, members[0])


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.6, 1.0, 0.77)])
def test_the_order_of_the_models_does_not_matter(members, weights):
    first = fuse(members, weights=weights)
    for order in itertools.permutations(range(3)):
        again = fuse([members[i] for i in order], weights=[weights[i] for i in order])
        for name in ("boxes", "scores", "labels", "masks"):
            assert torch.equal(getattr(first, name), getattr(again, name)), name


def test_ties_between_models_do_not_bring_the_order_back(members):
    tied = [
        Detections(m.boxes, torch.full_like(m.scores, 0.5), m.labels, m.image_size, m.masks)
        for m in members
    ]
    first, again = fuse(tied), fuse(tied[::-1])
    assert torch.equal(first.masks, again.masks)
    assert torch.equal(first.scores, again.scores)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    models=st.integers(2, 4),
    things=st.integers(0, 5),
    weights=st.lists(st.floats(0.01, 100), min_size=4, max_size=4),
    coverage=st.floats(0, 2),
)
def test_scores_and_masks_stay_probabilities(seed, models, things, weights, coverage):
    if things == 0:
        found = [nothing(m) for m in scene(seed, models=models, things=1, size=60, sides=[14] * 4)]
    else:
        found = scene(seed, models=models, things=things, size=60, sides=[14, 28, 14, 20])
    fused = fuse(found, weights=weights[:models], config=EnsembleConfig(coverage=coverage))
    assert len(fused) <= models * things
    assert ((fused.scores >= 0) & (fused.scores <= 1)).all()
    assert (fused.scores.diff() <= 0).all()
    assert ((fused.masks >= 0) & (fused.masks <= 1)).all()
    assert ((fused.boxes >= 0) & (fused.boxes <= 60)).all()


def test_fused_masks_are_nearer_to_the_truth_than_each_models():
    look = {"things": 4, "size": 200, "sides": [56] * 4}
    (truth,) = scene(3, models=1, shift=0.0, **look)
    members = scene(3, models=4, shift=0.008, **look)

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


def one_thing(box, score: float, *, label: int = 0, size: int = 100, mask=None) -> Detections:
    masks = torch.ones(1, 20, 20) if mask is None else mask[None]
    boxes = torch.tensor([box], dtype=torch.float32)
    return Detections(boxes, torch.tensor([score]), torch.tensor([label]), (size, size), masks)


def test_score_and_mask_by_hand():
    """Two of three models see a rectangle; weights 1, 0.5, 0.5."""
    first = one_thing((10, 10, 50, 50), 0.8)
    second = one_thing((10, 10, 50, 60), 0.4)
    missing = nothing(first)
    fused = fuse([first, second, missing], weights=[1.0, 0.5, 0.5])
    mean = (0.8 * 1.0 + 0.4 * 0.5) / 1.5
    assert fused.scores.item() == pytest.approx(mean * math.sqrt(1.5 / 2))
    # below y = 50 only the second counts, with 0.2 of 1.0: not part of the mask
    assert fused.boxes.tolist() == [[10, 10, 50, 50]]
    lower = fuse([first, one_thing((10, 10, 50, 60), 0.8)], weights=[0.5, 1.0])
    assert lower.boxes.tolist() == [[10, 10, 50, 60]]
    assert lower.masks[0, 0].tolist() == pytest.approx([1.0] * 112)
    assert lower.masks[0, -1].tolist() == pytest.approx([2 / 3] * 112)


def test_masks_that_overlap_too_little_stay_apart():
    apart = [one_thing((10, 10, 50, 50), 0.8), one_thing((10, 27, 50, 67), 0.8)]
    assert len(fuse(apart, config=NO_NMS)) == 2  # IoU 23 / 57
    close = [one_thing((10, 10, 50, 50), 0.8), one_thing((10, 18, 50, 58), 0.8)]
    assert len(fuse(close, config=NO_NMS)) == 1  # IoU 32 / 48


def test_small_masks_need_to_agree_less():
    small = [one_thing((10, 10, 30, 30), 0.8), one_thing((10, 16, 30, 36), 0.8)]  # IoU 14 / 26
    assert len(fuse(small, config=NO_NMS)) == 1
    assert len(fuse(small, config=EnsembleConfig(nms_sigma=None, small_area=100.0))) == 2


def test_a_second_hit_of_one_model_is_dropped():
    twice = Detections.cat([one_thing((10, 10, 50, 50), 0.8), one_thing((10, 11, 50, 51), 0.7)])
    fused = fuse([twice, one_thing((10, 10, 50, 50), 0.6)], config=NO_NMS)
    assert len(fused) == 1
    assert fused.scores.item() == pytest.approx(0.7)  # the mean of 0.8 and 0.6


def test_classes_do_not_mix_but_the_worse_one_is_doubted():
    kinds = [one_thing((10, 10, 50, 50), 0.8), one_thing((10, 10, 50, 50), 0.6, label=1)]
    fused = fuse(kinds, config=EnsembleConfig(coverage=0.0))
    assert fused.labels.tolist() == [0, 1]
    assert fused.scores.tolist() == pytest.approx([0.8, 0.6 * 0.8])


def test_overlapping_fused_masks_decay():
    apart = [one_thing((10, 10, 50, 50), 0.8), one_thing((10, 27, 50, 67), 0.6)]
    fused = fuse(apart, config=EnsembleConfig(coverage=0.0))
    assert fused.scores.tolist() == pytest.approx([0.8, 0.6 * math.exp(-2 * (23 / 57) ** 2)])


def test_faint_and_surplus_detections_are_left_out(members):
    faint = one_thing((10, 10, 50, 50), 0.01, size=120)
    faint = Detections(faint.boxes, faint.scores, faint.labels, (120, 120), torch.ones(1, 28, 28))
    assert len(fuse([faint, faint])) == 0
    few = fuse(members, config=EnsembleConfig(max_detections=2))
    assert len(few) == 2
    assert torch.equal(few.scores, fuse(members).scores[:2])


def test_what_cannot_be_fused_is_refused(members):
    with pytest.raises(UserError, match="at least one model"):
        fuse([])
    with pytest.raises(UserError, match="give 2 numbers over 0"):
        fuse(members[:2], weights=[1.0])
    with pytest.raises(UserError, match="give 2 numbers over 0"):
        fuse(members[:2], weights=[1.0, 0.0])
    with pytest.raises(UserError, match="one frame"):
        fuse([members[0], members[1].resized((50, 50))])
    boxes = Detections(*(getattr(members[0], n) for n in ("boxes", "scores", "labels")), (120, 120))
    with pytest.raises(UserError, match="boxes without masks"):
        fuse([boxes, members[1]])


def test_weights_of_the_papers_members():
    weights = model_weights([74.30, 76.64, 77.12, 75.50])
    assert weights == pytest.approx((0.60, 0.93, 1.0, 0.77), abs=0.005)
    assert model_weights([0.5, 0.5]) == (1.0, 1.0)


def test_four_models_of_twenty_things_at_full_size_are_fast():
    members = scene(1, models=4, things=20, size=1200, sides=(224, 224, 224, 112))
    fuse(members)  # compiles
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for _ in range(3):
            start = time.process_time()
            fuse(members)
            seconds.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    assert min(seconds) < 0.15


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak")
def test_four_models_of_twenty_things_at_full_size_are_small():
    members = scene(1, models=4, things=20, size=1200, sides=(224, 224, 224, 112))
    fuse(members)  # compiles
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = kilobytes("VmRSS")
    fuse(members)
    assert kilobytes("VmHWM") - before < 100_000


def kilobytes(name: str) -> int:
    """What Linux says of this process: VmRSS, its memory now, or VmHWM, the peak of it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def test_masks_of_other_grids_or_for_some_alone_are_not_put_together():
    one = one_thing((10, 10, 50, 50), 0.8)
    coarse = replace(one, masks=one.masks[:, ::2, ::2])
    for other in (coarse, replace(one, masks=None)):
        with pytest.raises(ValueError, match="masks on one grid or none at all"):
            Detections.cat([one, other])
