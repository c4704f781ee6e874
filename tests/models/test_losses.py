"""Losses: focal terms against plain ones and by hand, soft targets, the alpha recipe."""

import math

import numpy as np
import pytest
import torch

from helpers.config import LossConfig
from helpers.models.losses import (
    class_loss,
    dice_loss,
    focal_alpha,
    mask_loss,
)

PLAIN = LossConfig()
FOCAL = LossConfig(classes="focal", masks="focal")


def logits_of(probability: float, classes: int = 5) -> torch.Tensor:
    """One row whose class 0 has the probability, the others share the rest."""
    rest = (1 - probability) / (classes - 1)
    return torch.tensor([[math.log(probability)] + [math.log(rest)] * (classes - 1)])


@pytest.mark.parametrize(
    ("probability", "cross_entropy", "focal"),
    [(1 / 35, 3.56, 3.36), (0.3, 1.20, 0.59), (0.6, 0.51, 0.08), (0.9, 0.105, 0.0011)],
)
def test_class_focal_values_by_hand(probability, cross_entropy, focal):
    logits, label = logits_of(probability), torch.tensor([0])
    assert class_loss(logits, label, PLAIN).item() == pytest.approx(cross_entropy, abs=6e-3)
    assert class_loss(logits, label, FOCAL).item() == pytest.approx(focal, abs=6e-3)


def test_alpha_weighs_the_true_class_and_background_counts_once():
    config = LossConfig(classes="focal", alpha=(2.0, 3.0))
    losses = [class_loss(torch.zeros(1, 3), torch.tensor([k]), config).item() for k in range(3)]
    assert losses == pytest.approx([2 * losses[2], 3 * losses[2], losses[2]])


def test_class_losses_are_finite_for_certain_answers_right_and_wrong():
    logits = torch.tensor([[200.0, -200], [-200, 200]], requires_grad=True)
    for config in (PLAIN, FOCAL):
        loss = class_loss(logits, torch.tensor([0, 0]), config)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_mask_focal_of_hard_targets_is_the_usual_focal_loss():
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 7, 7), (torch.rand(3, 7, 7) > 0.5).float()
    p = torch.where(targets == 1, logits.sigmoid(), 1 - logits.sigmoid())
    usual = ((1 - p) ** 2 * -p.log()).mean()
    torch.testing.assert_close(mask_loss(logits, targets, "focal", FOCAL), usual)


@pytest.mark.parametrize("config", [PLAIN, FOCAL])
def test_nothing_costs_nothing_but_stays_connected(config):
    logits = torch.zeros(0, 5, requires_grad=True)
    total = class_loss(logits, torch.zeros(0).long(), config)
    total = total + mask_loss(logits, torch.zeros(0, 5), config.masks, config)
    total.backward()
    assert total == 0
    assert logits.grad is not None


def test_dice_of_perfect_wrong_and_half_masks():
    targets = torch.tensor([[True, True, False, False]] * 3)
    logits = torch.tensor([[50.0, 50, -50, -50], [-50, -50, 50, 50], [0, 0, 0, 0]])
    expected = [1 - 4 / 4.002, 1.0, 1 - 2 / 3.002]
    assert dice_loss(logits, targets).tolist() == pytest.approx(expected, abs=1e-5)


def test_alpha_keeps_the_mean_over_instances_and_raises_the_tail():
    counts = np.geomspace(6000, 40, 34).round().astype(int)
    alpha = np.array(focal_alpha(counts))
    assert np.average(alpha, weights=counts) == pytest.approx(1)
    assert (np.diff(alpha) >= -1e-12).all()
    rarest = (np.median(counts) / 40) ** 0.25
    assert alpha.max() / alpha.min() == pytest.approx(rarest / 0.75)  # the head is clipped


def test_alpha_raises_classes_that_are_found_badly():
    even = focal_alpha([100, 100, 100], [0.6, 0.6, 0.6])
    assert even == pytest.approx((1, 1, 1))
    hard = focal_alpha([100, 100, 100], [0.9, 0.3, math.nan])
    assert hard[1] > hard[0] == pytest.approx(hard[2])
    assert hard[1] / hard[0] == pytest.approx(1.25)  # 1 + 0.5 * (0.6 - 0.3) / 0.6
