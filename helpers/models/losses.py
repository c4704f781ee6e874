"""The loss terms, all in float32 whatever the precision of the network (specification section 6).

R boxes, K classes (background is class K), P points or mask cells of a RoI.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from helpers.config import LossConfig


def box_loss(deltas: Tensor, targets: Tensor, *, normaliser: int) -> Tensor:
    """L1 distance of (P, 4) regressed and wanted deltas, summed and divided by `normaliser`."""
    return F.l1_loss(deltas.float(), targets.float(), reduction="sum") / normaliser


def objectness_loss(logits: Tensor, positive: Tensor, *, normaliser: int) -> Tensor:
    """Binary cross entropy of (R,) logits against (R,) bool, summed and divided by `normaliser`."""
    loss = F.binary_cross_entropy_with_logits(logits.float(), positive.float(), reduction="sum")
    return loss / normaliser


def class_loss(logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    """Mean over boxes of softmax cross entropy, or of the focal loss alpha (1 - p)^gamma (-log p).

    logits: (R, K + 1); labels: (R,) int64 in 0..K. Background has alpha 1 (section 6.1).
    """
    if not len(labels):
        return logits.float().sum()
    if config.classes == "ce":
        return F.cross_entropy(logits.float(), labels)
    log_p = logits.float().log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
    loss = (-log_p.expm1()).pow(config.gamma) * -log_p
    if config.alpha is not None:
        loss = loss * loss.new_tensor([*config.alpha, 1.0])[labels]
    return loss.mean()


def mask_loss(
    logits: Tensor, targets: Tensor, kind: Literal["bce", "focal"], config: LossConfig
) -> Tensor:
    """Mean binary cross entropy, when focal each term times |target - p|^gamma (section 6.3).

    logits and targets: (R, P) or (R, S, S); targets anywhere in [0, 1], so points may be soft.
    """
    if not len(targets):
        return logits.float().sum()
    logits = logits.float()
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if kind == "focal":
        loss = loss * (targets - logits.sigmoid()).abs().pow(config.gamma)
    return loss.mean()
