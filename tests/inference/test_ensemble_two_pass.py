"""The second pass: who is asked for masks, in which boxes, and how the answers are averaged."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from helpers.config import LossConfig, ModelConfig, Solov2Config
from helpers.files import UserError
from helpers.inference.ensemble_clusters import EnsembleConfig
from helpers.inference.ensemble_two_pass import Look, fuse_two_pass, look
from helpers.models.build import build_model
from helpers.structures import Detections
from tests.inference.test_ensemble import one_thing, scene

from .tiny import POINTREND, TEST, TINY

NO_NMS = EnsembleConfig(nms_sigma=None, min_score=0.0)


def head_of(value: float, asked: list[Detections], side: int = 20):
    """A mask head that notes what it was asked, and always answers `value`."""

    def head(detections: Detections) -> torch.Tensor:
        asked.append(detections)
        return torch.full((len(detections), side, side), value)

    return head


def test_boxes_are_averaged_by_power_and_every_head_answers():
    asked: list[Detections] = []
    first = one_thing((10, 10, 50, 50), 0.8)
    second = one_thing((10, 10, 50, 56), 0.4)
    missing = first[:0]
    looks = [
        Look(first, head_of(0.9, asked)),
        Look(second, head_of(0.6, asked, side=10)),
        Look(missing, head_of(0.3, asked)),
    ]
    fused = fuse_two_pass(looks, weights=[1.0, 0.5, 0.5])
    middle = (0.8 * 50 + 0.5 * 0.4 * 56) / (0.8 + 0.5 * 0.4)
    assert len(asked) == 3
    for detections in [*asked, fused]:
        torch.testing.assert_close(detections.boxes, torch.tensor([[10, 10, 50, middle]]))
    torch.testing.assert_close(fused.masks, torch.full((1, 20, 20), (0.9 + 0.3 + 0.15) / 2))
    assert fused.scores.item() == pytest.approx((0.8 + 0.2) / 1.5 * math.sqrt(1.5 / 2))


def test_a_model_of_one_stage_gives_what_it_has():
    asked: list[Detections] = []
    rows = torch.zeros(20, 20)
    rows[:10] = 1  # the upper half
    own = one_thing((10, 10, 50, 50), 0.8, mask=rows)
    alone = one_thing((60, 60, 90, 90), 0.5)
    found = Detections.cat([replace(own, masks=torch.ones(1, 20, 20)), alone])
    full = replace(own, masks=torch.ones(1, 20, 20))
    fused = fuse_two_pass([Look(full, None), Look(found, head_of(0.4, asked))], config=NO_NMS)
    assert fused.masks[0].unique().tolist() == pytest.approx([0.7])  # (1 + 0.4) / 2
    assert fused.masks[1].unique().tolist() == pytest.approx([0.4])  # the head's alone


@pytest.mark.parametrize("kind", ["pointrend", "solov2"])
def test_a_model_alone_gives_what_it_predicts(kind):
    torch.manual_seed(0)
    small = Solov2Config(
        grids=(6, 5, 4, 3, 2), head_channels=16, head_convs=1, mask_channels=8, kernel_channels=8,
        mask_size=28, keep_score=0.0,
    )  # fmt: skip
    extra = POINTREND if kind == "pointrend" else {"architecture": "solov2", "solov2": small}
    model = build_model(ModelConfig(**TINY, **extra), LossConfig(), TEST, 3).eval()
    image = torch.randint(0, 256, (3, 64, 80), dtype=torch.uint8)
    seen = look(model, image, (128, 160))
    assert (seen.head is None) == (kind == "solov2")
    (expected,) = model.predict([image])
    torch.testing.assert_close(seen.found.boxes, expected.boxes * 2)
    torch.testing.assert_close(seen.found.masks, expected.masks)
    fused = fuse_two_pass([seen], config=NO_NMS)
    assert 0 < len(fused) <= len(expected)
    for score, box, mask in zip(fused.scores, fused.boxes, fused.masks, strict=True):
        row = (seen.found.scores - score).abs().argmin()
        torch.testing.assert_close(box, seen.found.boxes[row])
        torch.testing.assert_close(mask, seen.found.masks[row], atol=1e-4, rtol=1e-3)


def test_the_order_of_the_models_does_not_matter():
    members = scene(0, models=3, things=4, size=100, sides=(20, 20, 20))
    heads = [head_of(value, []) for value in (0.9, 0.5)]
    looks = [Look(members[0], heads[0]), Look(members[1], heads[1]), Look(members[2], None)]
    first, again = fuse_two_pass(looks), fuse_two_pass(looks[::-1])
    torch.testing.assert_close(first.masks, again.masks)
    assert torch.equal(first.scores, again.scores)
    assert torch.equal(first.boxes, again.boxes)


def test_nothing_found_and_no_model():
    nothing = one_thing((1, 1, 2, 2), 0.5)[:0]
    looks = [Look(nothing, head_of(0.5, [])), Look(nothing, None)]
    assert fuse_two_pass(looks).masks.shape == (0, 20, 20)
    with pytest.raises(UserError, match="at least one model"):
        fuse_two_pass([])
