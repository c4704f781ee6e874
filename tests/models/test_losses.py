"""Losses: focal terms against plain ones and by hand, soft targets, the alpha recipe."""

import pytest
import torch

from helpers.config import LossConfig
from helpers.models.losses import (
    class_loss,
    mask_loss,
)

PLAIN = LossConfig()
FOCAL = LossConfig(classes="focal", masks="focal")


def test_class_losses_are_finite_for_certain_answers_right_and_wrong():
    logits = torch.tensor([[200.0, -200], [-200, 200]], requires_grad=True)
    for config in (PLAIN, FOCAL):
        loss = class_loss(logits, torch.tensor([0, 0]), config)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("config", [PLAIN, FOCAL])
def test_nothing_costs_nothing_but_stays_connected(config):
    logits = torch.zeros(0, 5, requires_grad=True)
    total = class_loss(logits, torch.zeros(0).long(), config)
    total = total + mask_loss(logits, torch.zeros(0, 5), config.masks, config)
    total.backward()
    assert total == 0
    assert logits.grad is not None
