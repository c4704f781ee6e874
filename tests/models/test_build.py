"""The whole detector: mixed batches, nothing to find, refusals, seeding, learning."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.files import UserError
from helpers.models.build import build_model
from helpers.structures import Targets
from tests.models.conftest import SMALL, bright, gradients_reach, pictures

POINTREND = {
    "mask_head": "pointrend",
    "mask_train_boxes": "predicted",
    "coarse_dim": 64,
    "point_dim": 32,
    "train_points": 49,
    "subdivision_points": 196,
    "subdivision_steps": 3,
}
VARIANTS = {
    "mask_rcnn": {},
    "cascade": {"architecture": "cascade_rcnn", "box_head": "4conv1fc", "head_norm": "bn"},
    "cascade_pointrend": {"architecture": "cascade_rcnn", **POINTREND},
    "deformable": {"backbone": "resnest14d", "deform_stages": (4, 5), "norm": "frozen"},
    "solov2": {"architecture": "solov2", "solov2": SMALL},
    "solov2_deformable": {"architecture": "solov2", "solov2": replace(SMALL, deformable=True)},
    "pointrend_large": POINTREND | {"point_levels": (2, 3, 4, 5, 6), "coarse_size": 13},
}


@pytest.fixture(params=VARIANTS)
def config(request, tiny) -> ModelConfig:
    return replace(tiny, **VARIANTS[request.param])


def test_a_training_step_on_pictures_of_mixed_sizes(config, make_model, make_targets):
    model = make_model(config).train()
    targets = [
        make_targets((5, 5, 40, 50, 0), (30, 2, 60, 30, 2), size=(64, 80)),
        make_targets((3, 3, 4, 4, 1), size=(50, 64)),  # one pixel
        make_targets(size=(64, 64)),
    ]
    terms = model.losses(pictures((64, 80), (50, 64), (64, 64)), targets)
    total = sum(terms.values())
    total.backward()
    assert torch.isfinite(total)
    assert gradients_reach(model)


def test_a_batch_without_instances_has_finite_losses_connected_to_all_weights(
    config, make_model, make_targets
):
    model = make_model(config).train()
    terms = model.losses(pictures((64, 64), (64, 64)), [make_targets(), make_targets()])
    sum(terms.values()).backward()
    assert gradients_reach(model)
    zero = {name for name, term in terms.items() if term == 0}
    assert zero == {n for n in terms if n.startswith(("rpn_loc", "box_reg", "mask"))}


def test_predictions_are_ordered_inside_the_picture_and_have_masks(config, make_model):
    model = make_model(config).eval()
    images = pictures((64, 80), (50, 64))
    found = model.predict(images)
    assert [d.image_size for d in found] == [(64, 80), (50, 64)]
    for detections in found:
        assert 0 < len(detections) <= 10
        assert (detections.scores.diff() <= 0).all()
        assert detections.boxes[:, 2].max() <= detections.image_size[1]
        assert detections.boxes[:, 3].max() <= detections.image_size[0]
        assert detections.masks.shape[0] == len(detections)
        assert 0 <= detections.masks.min() <= detections.masks.max() <= 1
        assert not detections.masks.requires_grad
    for none in make_model(config, test=TestConfig(score_threshold=1.0)).eval().predict(images):
        assert none.boxes.shape == (0, 4)
        assert none.masks.shape[0] == 0


def test_a_picture_in_a_batch_answers_as_alone(tiny, make_model):
    model = make_model(tiny).eval()
    images = pictures((64, 80), (64, 80))
    together, alone = model.predict(images)[1], model.predict(images[1:])[0]
    torch.testing.assert_close(together.boxes, alone.boxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(together.masks, alone.masks, rtol=1e-3, atol=1e-4)


def test_bf16_autocast_keeps_the_losses_close_and_in_float32(config, make_model, make_targets):
    model = make_model(config).eval()
    targets, images = [make_targets((5, 5, 40, 50, 0))], pictures((64, 64))

    def losses(enabled: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            return model.losses(images, targets)

    exact, rough = losses(False), losses(True)
    assert all(term.dtype == torch.float32 for term in rough.values())
    for name in {"rpn_cls", "rpn_loc"} & set(exact):  # the RoIs may differ after rounding
        torch.testing.assert_close(rough[name], exact[name], rtol=0.05, atol=1e-2)


@pytest.mark.parametrize("part", ["backbone", "rpn.head.deltas", "roi_heads.box"])
def test_what_has_diverged_gives_a_loss_that_is_not_finite(tiny, make_model, make_targets, part):
    model = make_model(tiny).train()
    for weight in model.get_submodule(part).parameters():
        weight.data.fill_(torch.nan)
    terms = model.losses(pictures((64, 64), (64, 64)), [make_targets((5, 5, 40, 50, 0))] * 2)
    assert sum(terms.values()).isnan()


def test_mask_rois_caps_the_rois_of_the_mask_loss(tiny, make_model, make_targets, monkeypatch):
    model = make_model(replace(tiny, mask_rois=1, roi_positive=1.0))
    seen = []
    monkeypatch.setattr(
        model.roi_heads.mask, "losses", lambda _, rois: seen.extend(map(len, rois)) or {}
    )
    targets = make_targets((5, 5, 40, 50, 0), (30, 2, 60, 30, 2))
    model.losses(pictures((64, 64), (64, 64)), [targets, make_targets()])
    assert seen == [1, 0]


def test_what_cannot_be_built_is_refused(tiny):
    with pytest.raises(UserError, match="at least one class"):
        build_model(tiny, LossConfig(), TestConfig(), 0)
    for alpha in ((1.0, 2.0), (1.0, 2.0, 1.0, 2.0)):
        loss = LossConfig(classes="focal", alpha=alpha)
        with pytest.raises(UserError, match=rf"alpha has {len(alpha)} .* have 3 classes"):
            build_model(tiny, loss, TestConfig(), 3)


def two_scenes(make_targets) -> tuple[list[torch.Tensor], list[Targets]]:
    """Bright rectangles on a dark ground, a colour for each class."""
    targets = [
        make_targets((8, 10, 50, 52, 0), (60, 30, 88, 90, 1), size=(96, 96)),
        make_targets((20, 40, 90, 80, 2), (10, 4, 40, 30, 0), size=(96, 96)),
    ]
    return [bright(target) for target in targets], targets


@pytest.mark.parametrize("variant", ["mask_rcnn", "cascade_pointrend", "solov2"])
def test_a_few_steps_lower_the_loss(variant, tiny, make_model, make_targets):
    images, targets = two_scenes(make_targets)
    model = make_model(replace(tiny, **VARIANTS[variant]))
    optimiser, totals = torch.optim.SGD(model.train().parameters(), lr=0.01, momentum=0.9), []
    for _ in range(8):
        total = sum(model.losses(images, targets).values())
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        totals.append(total.item())
    assert sum(totals[-2:]) < 0.85 * sum(totals[:2])
