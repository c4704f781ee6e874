"""The optimiser and its parameter groups: no decay on norms, lower rates for sampling offsets."""

from __future__ import annotations

import torch
from torch import nn

from helpers.config import TrainConfig

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """SGD or AdamW over the trainable parameters of `model`.

    Each group carries `lr_factor`, the share of the scheduled learning rate it gets: 1, or
    `config.backbone_lr_factor` in the backbone, times `config.offset_lr_factor` for convolutions
    whose name says they make sampling offsets.
    """
    groups = parameter_groups(model, config)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, betas=(config.momentum, 0.999), fused=True)
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its share of the scheduled learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_factor"]


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict]:
    """Trainable parameters, each in exactly one group, in the order of the model."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for path, module in model.named_modules():
        decay = 0.0 if isinstance(module, NORMS) else config.weight_decay
        factor = config.backbone_lr_factor if path.startswith("backbone.") else 1.0
        if path.endswith("offset"):
            factor *= config.offset_lr_factor
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if own:
            groups.setdefault((decay, factor), []).extend(own)
    return [
        {"params": params, "weight_decay": decay, "lr_factor": factor}
        for (decay, factor), params in groups.items()
    ]
