"""A model that trains in milliseconds, with all that makes exact resume hard.

Batch norm, dropout, momentum, random numbers. `toy.py FOLDER STEPS` trains in the folder given.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from helpers.config import TrainConfig
from helpers.structures import Sample, Targets
from helpers.training.loop import Watch, fit
from helpers.training.trainer import Trainer

CONFIG = TrainConfig(
    steps=12,
    epochs=None,
    batch_size=2,
    lr=0.8,
    warmup_steps=4,
    checkpoint_every=5,
    precision="float32",
)


class ToyModel(nn.Module):
    """Two losses of a batch-normed, dropped-out, noisy projection. `poison`: steps (counted by
    calls) at which the picture, and so the batch norm and the losses, are NaN."""

    def __init__(self, poison: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(4, 2, 1)
        )
        self.poison = poison
        self.calls = 0

    def forward(self, images: list[Tensor], targets: list[Targets]) -> dict[str, Tensor]:
        bad = torch.tensor(float("nan") if self.calls in self.poison else 0.0)
        self.calls += 1
        out = self.body(torch.stack(images).float() / 255 + bad).mean((2, 3))
        out = out + 0.1 * torch.randn_like(out)
        wanted = torch.stack([target.boxes[0, :2] for target in targets])
        return {"loss_a": (out - wanted).square().mean(), "loss_b": out.abs().mean()}


def samples_of(step: int, batch: int = 2) -> list[Sample]:
    """The batch of a step: a pure function of the step."""
    generator = torch.Generator().manual_seed(step)
    return [_sample(generator) for _ in range(batch)]


def _sample(generator: torch.Generator) -> Sample:
    image = torch.randint(0, 256, (3, 8, 8), generator=generator, dtype=torch.uint8)
    boxes = torch.rand((1, 4), generator=generator)
    none = torch.zeros((0, 4))
    targets = Targets(boxes, torch.zeros(1, dtype=torch.int64), torch.ones(1, 8, 8) > 0, none)
    return Sample(image, targets, 1)


def batches(start: int) -> Iterator[list[Sample]]:
    while True:
        yield samples_of(start)
        start += 1


def make_trainer(config: TrainConfig = CONFIG, poison: tuple[int, ...] = ()) -> Trainer:
    torch.manual_seed(config.seed)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    return Trainer(ToyModel(poison), config, total=config.steps, accelerator=accelerator)


def train_toy(folder: Path, trainer: Trainer | None = None, **options) -> Trainer:
    """Train in `folder`, or go on there; returns the trainer at its last step."""
    folder.mkdir(parents=True, exist_ok=True)
    trainer = trainer or make_trainer()
    fixed = {"batches": batches, "digest": "toy", "epoch_steps": 4.0}
    given = {name: options.pop(name) for name in tuple(options) if name in fixed}
    watch = Watch(**{"progress": False, **options})
    fit(trainer, folder=folder, watch=watch, **{**fixed, **given})
    return trainer


def _slow_batches(start: int) -> Iterator[list[Sample]]:
    for batch in batches(start):
        time.sleep(0.002)
        yield batch


if __name__ == "__main__":
    config = TrainConfig(**{**CONFIG.__dict__, "steps": int(sys.argv[2])})
    train_toy(Path(sys.argv[1]), make_trainer(config), batches=_slow_batches)
