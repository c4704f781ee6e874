"""The loss terms, all in float32 whatever the precision of the network.

Means are over the items of one process. As gradients are averaged over the processes, an item would
count more in a process that has few of them: `process_weight` makes up for that.
R boxes, K classes (background is class K), P points or mask cells of a RoI.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch.distributed as dist
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

    logits: (R, K + 1); labels: (R,) int64 in 0..K. Background has alpha 1.
    """
    if not len(labels):
        return logits.float().sum()
    if config.classes == "ce":
        return F.cross_entropy(logits.float(), labels)
    log_p = logits.float().log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
    loss = (-log_p.expm1()).pow(config.gamma) * -log_p  # 1 - p without cancellation near p = 1
    if config.alpha is not None:
        loss = loss * loss.new_tensor([*config.alpha, 1.0])[labels]
    return loss.mean()


def mask_loss(
    logits: Tensor, targets: Tensor, kind: Literal["bce", "focal"], config: LossConfig
) -> Tensor:
    """Mean binary cross entropy, when focal each term times |target - p|^gamma.

    logits and targets: (R, P) or (R, S, S); targets anywhere in [0, 1], so points may be soft.
    """
    if not len(targets):
        return logits.float().sum()
    logits = logits.float()
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if kind == "focal":
        loss = loss * (targets - logits.sigmoid()).abs().pow(config.gamma)
    return loss.mean()


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """(A, P) logits, (A, P) bool -> (A,) 1 - 2 sum(p q) / (sum p^2 + sum q^2 + 2e-3), float32."""
    p, q = logits.float().sigmoid(), targets.float()
    squares = (p * p).sum(dim=1) + (q * q).sum(dim=1)
    return 1 - 2 * (p * q).sum(dim=1) / (squares + 2e-3)


def focal_alpha(
    counts: Sequence[int], precision: Sequence[float] | None = None
) -> tuple[float, ...]:
    """Weight of each class in the focal loss, higher for rare and badly found ones.

    counts: training instances of each class. precision: per-class mask AP of a first run on
    pictures held out of training (never on val), NaN where there is none. With n the counts and m
    the mean AP: a = clip((median(n) / n)^0.25 * (1 + max(0, m - AP) / (2 m)), 0.75, 2), divided by
    its mean over instances, so that the loss keeps its size.
    """
    seen = np.maximum(np.asarray(counts, dtype=np.float64), 1.0)
    hardness = np.ones_like(seen)
    if precision is not None:
        found, mean = np.asarray(precision, dtype=np.float64), np.nanmean(precision)
        hardness += np.nan_to_num(np.maximum(0.0, 0.5 * (mean - found) / mean))
    alpha = np.clip((np.median(seen) / seen) ** 0.25 * hardness, 0.75, 2.0)
    return tuple(float(a) for a in alpha / np.average(alpha, weights=counts))


def world_size() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_mean(count: Tensor) -> Tensor:
    """Mean of `count` (no gradient) over the processes. All have to call it, in the same order."""
    if world_size() == 1:
        return count
    total = count.detach().float().clone()
    dist.all_reduce(total)
    return total / world_size()


def process_weight(count: int, like: Tensor) -> Tensor | float:
    """Weight of a mean over this process's `count` items, 1.0 when there is one process.

    Averaged over the processes, means with these weights are the mean over the items of all.
    like: a tensor on the device of the losses. All have to call it, in the same order.
    """
    if world_size() == 1:
        return 1.0
    return count / process_mean(like.new_tensor(float(count))).clamp(min=1 / world_size())
