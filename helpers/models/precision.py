"""What a model computes in: float32, or mostly in sixteen bits, which is faster and coarser."""

from __future__ import annotations

import torch

from helpers.config import Precision
from helpers.files import UserError


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """The sixteen-bit type of `torch.autocast`; None is plain float32.

    `auto` is bf16 on GPUs that have it, fp16 on other GPUs, float32 on the CPU. Raises UserError
    for fp16 on the CPU, where gradients cannot be scaled.
    """
    on_gpu = device.type == "cuda"
    if precision == "auto":
        if not on_gpu:
            return None
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if precision == "fp16" and not on_gpu:
        raise UserError("precision fp16 needs a GPU: use auto, float32 or bf16")
    return {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """A context in which models on `device` compute in `precision`."""
    dtype = autocast_dtype(precision, device)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)
