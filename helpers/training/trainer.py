"""The training step, and the exponential moving average (EMA) of the weights.

Every step is a pure function of the state before it: nothing else is random (`seed_step`).
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from helpers.config import TrainConfig
from helpers.files import UserError
from helpers.models.precision import autocast, autocast_dtype
from helpers.structures import Sample
from helpers.training.checkpoint import Checkpoint
from helpers.training.optimizer import build_optimizer, set_learning_rate
from helpers.training.schedule import learning_rate

PATIENCE = 10  # non-finite steps in a row that end the run


class NonFiniteError(UserError):
    """Losses or gradients were not finite too often in a row."""


class Trainer:
    """A model in training: `step` counts the steps done, of `total` in all.

    Calling the model with (images, targets) has to give its losses, a dict of scalar tensors with
    the same names at every step. On many processes each takes its share of a batch; gradients and
    the losses of the log are averaged.
    """

    def __init__(
        self, model: nn.Module, config: TrainConfig, *, total: int, accelerator: Accelerator
    ) -> None:
        self.config = config
        self.total = total
        self.step = 0
        self.skipped = 0
        self.whole = True  # False while weights are being changed: no state to store
        self._bad_in_row = 0
        self.accelerator = accelerator
        self._device = accelerator.device
        self.model = model.to(self._device).train()
        self._statistics = _moving_statistics(self.model)
        self._ema = EMA(self.model, config.ema) if config.ema else None
        if config.compile:  # the heads, whose shapes vary most, stay as they are
            self.model.backbone.compile()
            self.model.fpn.compile()
        self._parallel = accelerator.prepare_model(self.model)  # gradients averaged over processes
        self._optimizer = build_optimizer(self.model, config)
        cast = autocast_dtype(config.precision, self._device)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=cast is torch.float16)

    def checkpoint(self, digest: str) -> Checkpoint:
        """The state after `step` steps; `digest` names the data it was trained on."""
        return Checkpoint(
            step=self.step,
            skipped=self.skipped,
            digest=digest,
            model=self.model.state_dict(),
            optimizer=self._optimizer.state_dict(),
            scaler=self._scaler.state_dict(),
            bad_in_row=self._bad_in_row,
            average={} if self._ema is None else self._ema.state,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from there, as if never stopped."""
        self.step = checkpoint.step
        self.skipped = checkpoint.skipped
        self._bad_in_row = checkpoint.bad_in_row
        self.model.load_state_dict(checkpoint.model)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        self._scaler.load_state_dict(checkpoint.scaler)
        if self._ema is not None:
            self._ema.restore(checkpoint.average)

    def predictor(self) -> nn.Module:
        """The model to predict with now: itself, or a copy with the averaged weights."""
        if self._ema is None:
            return self.model
        averaged = copy.deepcopy(self.model)
        averaged.load_state_dict(self._ema.state)
        return averaged

    def train_step(self, samples: Sequence[Sample]) -> dict[str, float]:
        """One step on `samples`; returns lr, each loss, their `total`, grad_norm and `skipped`.

        Where a loss or gradient is not finite the step is skipped: it counts, but changes neither
        weights nor norm statistics. Raises NonFiniteError at the tenth in a row. A step that raises
        does not count; norm statistics are put back, weights cannot be (`whole`).
        """
        seed_step(self.config.seed, self.step, self.accelerator.process_index)
        lr = learning_rate(self.config, self.step, self.total)
        set_learning_rate(self._optimizer, lr)
        statistics = [values.clone() for values in self._statistics]
        norm = math.nan
        try:
            losses = self._forward(samples)
            loss = torch.stack(list(losses.values())).sum()
            values = self._mean_of_processes([*losses.values(), loss])
            if math.isfinite(values[-1]):
                norm = self._update(loss)
        finally:
            if math.isnan(norm):
                for current, former in zip(self._statistics, statistics, strict=True):
                    current.copy_(former)
        self._count(used=not math.isnan(norm))
        row = dict(zip([*losses, "total"], values, strict=True))
        return {"lr": lr, **row, "grad_norm": norm, "skipped": self.skipped}

    def _forward(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        images = [s.image.to(self._device, non_blocking=True) for s in samples]
        targets = [s.targets.to(self._device, non_blocking=True) for s in samples]
        with autocast(self.config.precision, self._device):
            losses = self._parallel(images, targets)
        return {name: loss.float() for name, loss in losses.items()}

    def _update(self, loss: Tensor) -> float:
        """Backward pass and optimiser step; returns the gradient's norm, NaN when not used."""
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        trained = [p for group in self._optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(trained, self.config.clip_norm).item()
        self.whole = False
        if math.isfinite(norm):
            self._scaler.step(self._optimizer)
        self._scaler.update()  # a smaller scale after gradients that were not finite
        return norm if math.isfinite(norm) else math.nan

    def _mean_of_processes(self, values: Sequence[Tensor]) -> list[float]:
        """The same everywhere, and not finite where one process's is not."""
        return self.accelerator.reduce(torch.stack(list(values)).detach(), "mean").tolist()

    def _count(self, *, used: bool) -> None:
        """After a step: average the weights; or, when nothing came of it, count it as skipped."""
        if used and self._ema is not None:
            self._ema.update(self.step + 1)
        self.whole = True
        if not used and self._bad_in_row + 1 >= PATIENCE:
            raise NonFiniteError(
                f"losses or gradients were not finite at {PATIENCE} steps in a row, up to step "
                f"{self.step + 1}: lower train.lr, lengthen train.warmup_steps or use "
                "train.precision=float32"
            )
        self.step += 1
        self.skipped += not used
        self._bad_in_row = 0 if used else self._bad_in_row + 1


class EMA:
    """Exponential moving average of all parameters and norm statistics of a model.

    Update t makes each average a into d a + (1 - d) w with d = min(decay, (1 + t) / (10 + t)), so
    that the first, bad weights are soon forgotten. Counters are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._live = model.state_dict()  # the model's own memory, not a copy
        self.state = {name: value.clone() for name, value in self._live.items()}

    def update(self, step: int) -> None:
        """Take in the weights as they are after `step` steps, 1 = the first."""
        decay = min(self._decay, (1 + step) / (10 + step))
        moving = [name for name, value in self.state.items() if value.is_floating_point()]
        averages = [self.state[name] for name in moving]
        get_ema_multi_avg_fn(decay)(averages, [self._live[name] for name in moving], None)
        for name in self.state.keys() - set(moving):
            self.state[name].copy_(self._live[name])

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` was at a checkpoint."""
        for name, value in state.items():
            self.state[name].copy_(value)


def _moving_statistics(model: nn.Module) -> list[Tensor]:
    """What a forward pass changes in `model`: running means and the like of its norms."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    return [values for norm in norms if norm.training for values in norm.buffers()]


def seed_step(seed: int, step: int, process: int = 0) -> None:
    """Set all global random states from (seed, step, process) alone.

    What happens between two steps (early predictions, a resume) then never changes a run.
    """
    drawn = int(np.random.SeedSequence([seed, step, process]).generate_state(1)[0])
    random.seed(drawn)
    np.random.seed(drawn)
    torch.manual_seed(drawn)
