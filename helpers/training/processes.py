"""One process among those that train together, and what they have to agree on."""

from __future__ import annotations

import os
from itertools import chain
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from helpers.files import UserError

Row = TypeVar("Row")


def this_process() -> PartialState:
    """The place of this process: device, index, number of processes, whether it is the main one.

    Without a GPU, or where ACCELERATE_USE_CPU asks for it, processes meet on the CPU (gloo).
    Raises UserError when more processes are started than there are GPUs.
    """
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    if not cpu and local >= torch.accelerator.device_count():
        raise UserError(
            f"process {local + 1} of this machine has no GPU: there are "
            f"{torch.accelerator.device_count()}; start as many processes, or set "
            "ACCELERATE_USE_CPU=1"
        )
    return PartialState(cpu=cpu)


def any_process(flag: bool) -> bool:
    """Whether `flag` is set in any process. All of them have to call it."""
    state = PartialState()
    if state.num_processes == 1:
        return flag
    votes = torch.tensor(float(flag), device=state.device)
    torch.distributed.all_reduce(votes)
    return votes.item() > 0


def gathered(rows: list[Row]) -> list[Row] | None:
    """The rows of all processes, those of the first one first; None but in the main process."""
    state = PartialState()
    if state.num_processes == 1:
        return rows
    parts: list | None = [None] * state.num_processes if state.is_main_process else None
    torch.distributed.gather_object(rows, parts)
    return None if parts is None else list(chain.from_iterable(parts))
