"""Single steps: learning rates, what is skipped, what is decayed, which precision."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from helpers.config import TrainConfig, preset
from helpers.training.log import read_log
from helpers.training.optimizer import build_optimizer, set_learning_rate
from helpers.training.schedule import learning_rate
from helpers.training.trainer import NonFiniteError
from tests.training import toy


def weights(trainer):
    return [p.detach().clone() for p in trainer.model.parameters()]


def distance(before, after):
    pairs = zip(before, after, strict=True)
    return math.sqrt(sum((a - b).square().sum().item() for a, b in pairs))


@pytest.mark.parametrize(
    ("step", "lr"),
    [
        (0, 0.02 * 0.001),
        (500, 0.02 * 0.5005),
        (1000, 0.02),
        (24_287, 0.02),
        (24_288, 0.002),
        (30_359, 0.002),
        (30_360, 0.0002),
    ],
)
def test_rates_of_the_paper(step, lr):
    assert learning_rate(preset("paper").train, step, 33_396) == pytest.approx(lr, rel=1e-9)


def test_the_rate_follows_the_batch_size_and_the_cosine():
    config = TrainConfig(batch_size=8, lr=0.02, warmup_steps=0)
    assert learning_rate(config, 0, 1000) == pytest.approx(0.01)
    config = dataclasses.replace(config, schedule="cosine", warmup_steps=10, warmup_factor=0.0)
    wanted = {0: 0.0, 5: 0.5, 10: 1.0, 250: 0.853553, 500: 0.5, 999: 2.4674e-06}
    for step, share in wanted.items():
        assert learning_rate(config, step, 1000) == pytest.approx(0.01 * share, rel=1e-3)


@pytest.mark.parametrize("clip_norm", [35.0, 1e-3])
def test_a_step_follows_sgd_with_clipped_gradients(clip_norm):
    config = dataclasses.replace(
        toy.CONFIG, warmup_steps=0, momentum=0.0, weight_decay=0.0, clip_norm=clip_norm
    )
    trainer = toy.make_trainer(config)
    before = weights(trainer)
    row = trainer.train_step(toy.samples_of(0))
    assert row["lr"] == pytest.approx(0.8 * 2 / 16)
    assert row["total"] == pytest.approx(row["loss_a"] + row["loss_b"])
    assert row["grad_norm"] > 1e-3  # the norm before clipping
    moved = row["lr"] * min(row["grad_norm"], clip_norm)
    assert distance(before, weights(trainer)) == pytest.approx(moved, rel=1e-2)


def test_a_non_finite_step_is_counted_and_changes_nothing(tmp_path):
    trainer = toy.make_trainer(poison=(1,))
    trainer.train_step(toy.samples_of(0))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    row = trainer.train_step(toy.samples_of(1))
    assert math.isnan(row["total"]) and math.isnan(row["grad_norm"])
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.state_dict().items())
    toy.train_toy(tmp_path, toy.make_trainer(poison=(0, 4, 5)))
    log = read_log(tmp_path / "log.csv")
    assert log.skipped.tolist() == [1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert log.total.isna().sum() == 3


def test_gradients_too_large_for_half_precision_change_only_the_scale():
    trainer = toy.make_trainer()
    trainer._scaler = torch.amp.GradScaler("cpu")  # as fp16 on a GPU has one
    trained = list(trainer.model.parameters())
    trainer._parallel = lambda images, targets: {"steep": 1e34 * sum(p.sum() for p in trained)}
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    assert math.isnan(trainer.train_step(toy.samples_of(0))["grad_norm"])
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.state_dict().items())
    assert trainer._scaler.get_scale() == 2**15 and not trainer._optimizer.state


def test_ten_non_finite_steps_in_a_row_end_the_run_also_across_a_resume(tmp_path):
    poison = (0, *range(2, 12))
    told = "at 10 steps in a row, up to step 12"
    for seen in (poison, range(12)):  # the second call begins with what was the twelfth step
        with pytest.raises(NonFiniteError, match=told):
            toy.train_toy(tmp_path, toy.make_trainer(poison=seen))
        assert len(read_log(tmp_path / "log.csv")) == 11


def test_averaged_weights_follow_the_formula():
    trainer = toy.make_trainer(dataclasses.replace(toy.CONFIG, ema=0.25))
    wanted = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    for step in range(1, 4):
        trainer.train_step(toy.samples_of(step))
        decay = min(0.25, (1 + step) / (10 + step))
        for name, value in trainer.model.state_dict().items():
            moved = decay * wanted[name] + (1 - decay) * value
            wanted[name] = moved if value.is_floating_point() else value.clone()
    averaged = trainer.predictor().state_dict()
    for name, value in wanted.items():
        torch.testing.assert_close(averaged[name], value)
        assert torch.equal(trainer.checkpoint("toy").weights[name], averaged[name])
    assert not torch.equal(averaged["body.0.weight"], trainer.model.state_dict()["body.0.weight"])
    plain = toy.make_trainer()
    assert plain.predictor() is plain.model and plain.checkpoint("toy").average == {}


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_parameter_groups(kind):
    model = nn.ModuleDict(
        {
            "conv": nn.Conv2d(1, 1, 1),
            "norm": nn.BatchNorm2d(1),
            "conv2_offset": nn.Conv2d(1, 1, 1),
            "frozen": nn.Conv2d(1, 1, 1).requires_grad_(False),
            "backbone": nn.ModuleDict({"a": nn.Conv2d(1, 1, 1), "a_offset": nn.Conv2d(1, 1, 1)}),
        }
    )
    config = TrainConfig(
        optimizer=kind, weight_decay=0.5, offset_lr_factor=0.25, backbone_lr_factor=0.5
    )
    optimizer = build_optimizer(model, config)
    set_learning_rate(optimizer, 2.0)
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {
        names[parameter].removesuffix(".weight"): (group["weight_decay"], group["lr"])
        for group in optimizer.param_groups
        for parameter in group["params"]
        if names[parameter].endswith("weight")
    }
    assert found == {
        "conv": (0.5, 2.0),
        "norm": (0.0, 2.0),
        "conv2_offset": (0.5, 0.5),
        "backbone.a": (0.5, 1.0),
        "backbone.a_offset": (0.5, 0.25),
    }


def test_bf16_on_the_cpu_trains(tmp_path):
    config = dataclasses.replace(toy.CONFIG, precision="bf16")
    trainer = toy.train_toy(tmp_path, toy.make_trainer(config))
    assert all(w.dtype == torch.float32 and w.isfinite().all() for w in weights(trainer))
