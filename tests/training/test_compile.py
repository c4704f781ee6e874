"""Backbone and FPN compiled: the same losses, the same names of weights, at sizes that vary."""

from __future__ import annotations

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from helpers.config import change, preset
from helpers.models.build import build_model
from helpers.structures import Sample, Targets
from helpers.training.breakdown import breakdown
from helpers.training.trainer import Trainer

CONFIG = change(
    preset("quick"),
    model__fpn_channels=16,
    model__box_head_dim=16,
    model__mask_head_dim=8,
    train__batch_size=1,
    train__precision="float32",
)


def a_sample(side: int) -> Sample:
    generator = torch.Generator().manual_seed(side)
    masks = torch.zeros(1, side, side, dtype=torch.bool)
    masks[:, 8:40, 8:48] = True
    targets = Targets(torch.tensor([[8.0, 8, 48, 40]]), torch.tensor([1]), masks, torch.zeros(0, 4))
    image = torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=generator)
    return Sample(image, targets, 1, (side, side))


def make_trainer(*, compiled: bool) -> Trainer:
    torch.manual_seed(0)
    model = build_model(CONFIG.model, CONFIG.loss, CONFIG.test, 3)
    config = change(CONFIG, train__compile=compiled).train
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    return Trainer(model, config, total=100, accelerator=accelerator)


def compare(sides: tuple[int, ...]) -> Trainer:
    """Steps on pictures of these sides, compiled and not; returns the compiled trainer."""
    plain, compiled = make_trainer(compiled=False), make_trainer(compiled=True)
    assert compiled.model.state_dict().keys() == plain.model.state_dict().keys()
    for side in sides:
        wanted = plain.train_step([a_sample(side)])
        assert compiled.train_step([a_sample(side)]) == pytest.approx(wanted, rel=1e-3)
    return compiled


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """Compile to graphs that run as they are, which is soon done; numbers of their nodes."""
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list) -> object:
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    plain = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: plain(self, backend=backend))
    yield graphs
    torch._dynamo.reset()


def test_what_is_compiled_answers_as_before(calls):
    trainer = compare((64, 96))
    assert max(calls) > 50  # the backbone, whole
    table = breakdown(trainer, iter([[a_sample(64)]]), steps=1, warm_up=0)
    assert table["part"].tolist()[1:3] == ["forward: backbone and FPN", "forward: rest"]


@pytest.mark.slow
def test_compiled_to_machine_code_it_answers_as_before():
    compare((64, 96))
    torch._dynamo.reset()
