"""How many steps, and the learning rate of each: pure functions, so a resumed run needs no state.

Linear warm-up, then a tenth at each milestone, or half a cosine to zero.
"""

from __future__ import annotations

import math

from helpers.config import TrainConfig

REFERENCE_BATCH = 16  # the batch size TrainConfig.lr is given for
DECAY = 0.1


def total_steps(config: TrainConfig, epoch_steps: int) -> int:
    """Steps of a whole run, with `epoch_steps` in one pass over the training set."""
    return math.ceil(config.epochs * epoch_steps) if config.steps is None else config.steps


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """Learning rate of step 0 <= `step` < `total`; `config.lr` holds at a batch size of 16."""
    base = config.lr * config.batch_size / REFERENCE_BATCH
    return base * _warm_up(config, step) * _decay(config, step, total)


def _decay(config: TrainConfig, step: int, total: int) -> float:
    if config.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * step / total))
    return DECAY ** sum(step >= round(share * total) for share in config.milestones)


def _warm_up(config: TrainConfig, step: int) -> float:
    if step >= config.warmup_steps:
        return 1.0
    done = step / config.warmup_steps
    return config.warmup_factor * (1.0 - done) + done
