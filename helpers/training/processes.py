"""One process among those that train together, and what they have to agree on."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import gather_object, parse_flag_from_env

from helpers.files import UserError

TIMEOUT = timedelta(hours=12)  # others wait while the main process reads data or scores alone


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
    return PartialState(cpu=cpu, timeout=TIMEOUT)


def require_same(value: object, what: str) -> None:
    """Raises UserError in all processes when `value` is not the same in all; all have to call."""
    values = gather_object([value])
    if any(other != values[0] for other in values):
        raise UserError(
            f"the processes differ in {what} ({', '.join(map(str, values))}): all need the same "
            "command, data and outputs folder (HELPERS_OUTPUTS), shared between machines"
        )


def any_process(flag: bool) -> bool:
    """Whether `flag` is set in any process. All of them have to call it."""
    state = PartialState()
    if state.num_processes == 1:
        return flag
    votes = torch.tensor(float(flag), device=state.device)
    torch.distributed.all_reduce(votes)
    return votes.item() > 0
