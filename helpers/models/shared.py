"""Means over the items of all processes, where each of them holds another number of items.

The gradients of the processes are averaged. A mean over the items of one process alone would make
an item count more where there are few, and the result depend on the number of processes.
"""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def average(count: Tensor) -> Tensor:
    """Mean of `count` (no gradient) over the processes. All of them have to ask, in one order."""
    if world_size() == 1:
        return count
    total = count.detach().float().clone()
    dist.all_reduce(total)
    return total / world_size()


def share(count: int, like: Tensor) -> Tensor | float:
    """Weight of a mean over this process's `count` items, 1.0 when there is one process.

    Averaged over the processes, means with these weights are the mean over the items of all.
    like: a tensor on the device of the losses. All processes have to ask, in one order.
    """
    if world_size() == 1:
        return 1.0
    return count / average(like.new_tensor(float(count))).clamp(min=1 / world_size())
