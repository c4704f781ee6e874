"""The parts of a step are told apart, and measuring leaves nothing behind."""

from __future__ import annotations

import time
from itertools import repeat

import pytest
import torch
from accelerate import Accelerator

from helpers.config import change, preset
from helpers.models.build import build_model
from helpers.structures import Sample, Targets
from helpers.training.breakdown import breakdown
from helpers.training.trainer import Trainer

SMALL = {
    "model__fpn_channels": 16,
    "model__box_head_dim": 16,
    "model__mask_head_dim": 8,
    "train__batch_size": 2,
    "train__precision": "float32",
}


def a_sample() -> Sample:
    masks = torch.zeros(1, 64, 64, dtype=torch.bool)
    masks[:, 8:40, 8:48] = True
    box = torch.tensor([[8.0, 8, 48, 40]])
    targets = Targets(box, torch.tensor([1]), masks, torch.zeros(0, 4))
    return Sample(torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8), targets, 1, (64, 64))


@pytest.fixture
def trainer() -> Trainer:
    config = change(preset("quick"), **SMALL)
    model = build_model(config.model, config.loss, config.test, 3)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    return Trainer(model, config.train, total=100, accelerator=accelerator)


def test_the_parts_show_what_is_slow(trainer):
    slow = trainer.model.rpn.head.forward

    def slowed(feature):
        time.sleep(0.02)
        return slow(feature)

    trainer.model.rpn.head.forward = slowed  # five levels: 0.1 s a step
    table = breakdown(trainer, repeat([a_sample(), a_sample()]), steps=3, warm_up=1)
    ms = table.set_index("part")["ms"]
    assert list(ms.index[:3]) == ["data", "forward: backbone", "forward: FPN"]
    assert {"forward: RPN", "forward: box head", "forward: mask head", "backward"} < set(ms.index)
    assert ms["forward: RPN"] > 100
    assert ms["forward: FPN"] < 100  # the delay is told of its own part alone
    assert (ms >= 0).all()  # no part is counted twice: the rests are what is left
    assert table["share"].iloc[-1] == 1.0


def test_afterwards_nothing_is_measured(trainer):
    table = breakdown(trainer, repeat([a_sample(), a_sample()]), steps=1, warm_up=0)
    assert len(table) == 11
    watched = [trainer, trainer._optimizer, *trainer.model.modules()]
    methods = {"_forward", "_update", "step", "forward", "losses"}
    for owner in watched:
        left = {name for name in methods & vars(owner).keys() if callable(vars(owner)[name])}
        assert not left, (owner, left)
