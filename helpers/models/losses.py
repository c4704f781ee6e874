"""The loss terms, all in float32 whatever the precision of the network.

R boxes, K classes (background is class K), S side of a mask grid.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def box_loss(deltas: Tensor, targets: Tensor, *, normaliser: int) -> Tensor:
    """L1 distance of (P, 4) regressed and wanted deltas, summed and divided by `normaliser`."""
    return F.l1_loss(deltas.float(), targets.float(), reduction="sum") / normaliser


def objectness_loss(logits: Tensor, positive: Tensor, *, normaliser: int) -> Tensor:
    """Binary cross entropy of (R,) logits against (R,) bool, summed and divided by `normaliser`."""
    loss = F.binary_cross_entropy_with_logits(logits.float(), positive.float(), reduction="sum")
    return loss / normaliser


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross entropy, mean over boxes: logits (R, K + 1), labels (R,) in 0..K."""
    if not len(labels):
        return logits.float().sum()
    return F.cross_entropy(logits.float(), labels)


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy, mean over all cells: (R, S, S) logits and targets in [0, 1]."""
    if not len(targets):
        return logits.float().sum()
    return F.binary_cross_entropy_with_logits(logits.float(), targets.float())
