"""Which truth a box answers for, and which boxes are drawn for training.

R boxes (anchors or RoIs), N ground-truth instances.
"""

from __future__ import annotations

import torch
from torch import Tensor

POSITIVE, NEGATIVE, BETWEEN = 1, 0, -1


def match(overlaps: Tensor, *, low: float, high: float, keep_best: bool) -> tuple[Tensor, Tensor]:
    """Each box to the instance it overlaps most.

    overlaps: (N, R) IoU. Returns index (R,) int64 of the instance (0 where there is none), and
    state (R,) int64: POSITIVE at IoU >= high, NEGATIVE below low, BETWEEN else. With `keep_best`
    the boxes that overlap an instance more than any other box does (all of them on a tie) are
    positive at any IoU above zero; their index stays that of their own best instance.
    """
    count, boxes = overlaps.shape
    index = torch.zeros(boxes, dtype=torch.int64, device=overlaps.device)
    state = torch.full_like(index, NEGATIVE)
    if not count or not boxes:
        return index, state
    best, index = overlaps.max(dim=0)
    state[best >= low] = BETWEEN
    state[best >= high] = POSITIVE
    if keep_best:
        highest = overlaps.amax(dim=1, keepdim=True)
        state[((overlaps == highest) & (overlaps > 0)).any(dim=0)] = POSITIVE
    return index, state


def sample(state: Tensor, *, size: int, positive: float) -> tuple[Tensor, Tensor]:
    """Indices of a random subset: at most size * positive positives, negatives for the rest.

    state: (R,) as `match` returns it. Each of the two index tensors is in random order, drawn with
    the default generator of the device.
    """
    positives = _draw(state == POSITIVE, int(size * positive))
    negatives = _draw(state == NEGATIVE, size - len(positives))
    return positives, negatives


def _draw(chosen: Tensor, count: int) -> Tensor:
    index = chosen.nonzero().squeeze(1)
    return index[torch.randperm(len(index), device=index.device)[:count]]
