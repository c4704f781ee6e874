"""Class losses, plain and focal, of answers that are certain."""

import torch

from helpers.config import LossConfig
from helpers.models.losses import class_loss

PLAIN = LossConfig()
FOCAL = LossConfig(classes="focal", masks="focal")


def test_class_losses_are_finite_for_certain_answers_right_and_wrong():
    logits = torch.tensor([[200.0, -200], [-200, 200]], requires_grad=True)
    for config in (PLAIN, FOCAL):
        loss = class_loss(logits, torch.tensor([0, 0]), config)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
