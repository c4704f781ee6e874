"""A training step and its parts for the bench, on pictures that are the same every time."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from helpers.config import preset
from helpers.models.build import build_model
from helpers.structures import Targets
from helpers.tools.bench.timing import Case
from helpers.training.optimizer import build_optimizer

PICTURES, SIDE, KINDS = 8, 200, 7


def step_cases() -> Iterator[Case]:
    """The whole step first, then its parts in their order."""
    config = preset("quick")
    model = build_model(config.model, config.loss, config.test, KINDS).train()
    optimizer = build_optimizer(model, config.train)
    images, targets = _batch()

    def total() -> Tensor:
        return torch.stack(list(model(images, targets).values())).sum()

    def step() -> None:
        optimizer.zero_grad()
        total().backward()
        optimizer.step()

    name = f"a training step of {PICTURES} pictures (preset quick)"
    yield Case(name, step)
    step()  # leaves gradients for the optimiser, also where its part alone is measured
    batch, heads = model.normalise(images), model.roi_heads
    features = model.features(batch)
    proposals, _ = model.rpn.losses(features, batch.sizes, targets)
    rois = heads.sample(proposals, targets)
    foreground = [image.foreground(KINDS, config.model.mask_rois) for image in rois]
    graph = total()
    parts = {
        "backbone and FPN": lambda: model.features(batch),
        "RPN": lambda: model.rpn.losses(features, batch.sizes, targets),
        "box head": lambda: heads.box.losses(features, rois, batch.sizes),
        "mask head": lambda: heads.mask.losses(features, foreground),
        "backward": lambda: graph.backward(retain_graph=True),
        "optimiser": optimizer.step,
    }
    for part, work in parts.items():
        yield Case(f"{name}: {part}", work)


def busy_cases() -> Iterator[Case]:
    """The step while another process holds one core, beside the same on a quiet machine."""
    whole = next(step_cases())
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    other.send_signal(signal.SIGSTOP)

    def beside() -> None:
        other.send_signal(signal.SIGCONT)
        whole.ours()
        other.send_signal(signal.SIGSTOP)

    try:
        name = f"{whole.name}, another process on one core"
        yield Case(name, beside, whole.ours, "the same, quiet")
    finally:
        other.kill()
        other.wait()


def _batch() -> tuple[list[Tensor], list[Targets]]:
    """Pictures of noise with three instances each."""
    images = [torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8) for _ in range(PICTURES)]
    boxes = torch.tensor([[20.0, 30, 90, 150], [100, 60, 180, 120], [10, 150, 60, 190]])
    masks = torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    return images, [Targets(boxes, torch.tensor([0, 1, 2]), masks, torch.zeros(0, 4))] * PICTURES
