"""The parts of a step are told apart, compiled or not, and measuring leaves nothing behind."""

from __future__ import annotations

import time
from itertools import repeat

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from helpers.config import change, preset
from helpers.models.build import build_model
from helpers.structures import Sample, Targets
from helpers.tools.step_times import step_times
from helpers.training.trainer import Trainer

SMALL = {
    "model__backbone": "resnet10t",
    "model__pretrained": False,
    "model__fpn_channels": 16,
    "model__box_head_dim": 16,
    "model__mask_head_dim": 8,
    "train__batch_size": 1,
    "train__precision": "float32",
}


def a_sample(side: int) -> Sample:
    generator = torch.Generator().manual_seed(side)
    masks = torch.zeros(1, side, side, dtype=torch.bool)
    masks[:, 8:40, 8:48] = True
    targets = Targets(torch.tensor([[8.0, 8, 48, 40]]), torch.tensor([1]), masks, torch.zeros(0, 4))
    image = torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=generator)
    return Sample(image, targets, 1, (side, side))


def make_trainer(*, compiled: bool = False) -> Trainer:
    config = change(preset("quick"), **SMALL, train__compile=compiled)
    torch.manual_seed(0)
    model = build_model(config.model, config.loss, config.test, 3)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    return Trainer(model, config.train, total=100, accelerator=accelerator)


def test_the_parts_show_what_is_slow_and_nothing_stays_measured():
    trainer = make_trainer()
    slow = trainer.model.rpn.head.forward

    def slowed(feature):
        time.sleep(0.02)
        return slow(feature)

    trainer.model.rpn.head.forward = slowed  # five levels: 0.1 s a step
    table = step_times(trainer, repeat([a_sample(64)]), steps=3, warm_up=1)
    ms = table.set_index("part")["ms"]
    assert list(ms.index[:3]) == ["data", "forward: backbone", "forward: FPN"]
    assert {"forward: RPN", "forward: box head", "forward: mask head", "backward"} < set(ms.index)
    assert ms["forward: RPN"] > 100 and (ms >= 0).all()
    assert table["share"].iloc[-1] == 1.0
    trainer.model.rpn.head.forward = slow
    owners = {"_forward": trainer, "_update": trainer, "step": trainer._optimizer}
    owners |= {"forward": trainer.model.backbone, "losses": trainer.model.rpn}
    assert not any(method in vars(owner) for method, owner in owners.items())


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_compiled_it_answers_as_before_at_sizes_that_vary(monkeypatch, real):
    """real: to machine code; else to graphs that run as they are, which is soon done."""
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list) -> object:
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    plain_compile = nn.Module.compile
    if not real:
        monkeypatch.setattr(nn.Module, "compile", lambda m: plain_compile(m, backend=backend))
    plain, compiled = make_trainer(), make_trainer(compiled=True)
    assert compiled.model.state_dict().keys() == plain.model.state_dict().keys()
    for side in (64, 96):
        wanted = plain.train_step([a_sample(side)])
        assert compiled.train_step([a_sample(side)]) == pytest.approx(wanted, rel=1e-3)
    assert real or max(graphs) > 50  # the backbone, whole
    table = step_times(compiled, repeat([a_sample(64)]), steps=1, warm_up=0)
    assert table["part"].tolist()[1:3] == ["forward: backbone and FPN", "forward: rest"]
    torch._dynamo.reset()
