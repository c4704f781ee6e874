"""Single steps: what is skipped, what is decayed, what is computed in which precision."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from helpers.config import TrainConfig
from helpers.files import UserError
from helpers.training.errors import NonFiniteError
from helpers.training.log import read_log
from helpers.training.optimizer import build_optimizer, set_learning_rate


def weights(trainer):
    return [p.detach().clone() for p in trainer.model.parameters()]


def test_a_step_follows_sgd(toy):
    config = dataclasses.replace(toy.CONFIG, warmup_steps=0, momentum=0.0, weight_decay=0.0)
    trainer = toy.make_trainer(config)
    before = weights(trainer)
    row = trainer.train_step(toy.samples_of(0))
    after = weights(trainer)
    moved = math.sqrt(
        sum((a - b).square().sum().item() for a, b in zip(after, before, strict=True))
    )
    assert row["lr"] == pytest.approx(0.8 * 2 / 16)
    assert moved == pytest.approx(row["lr"] * row["grad_norm"], rel=1e-4)
    assert row["total"] == pytest.approx(row["loss_a"] + row["loss_b"])


def test_gradients_are_clipped(toy):
    config = dataclasses.replace(
        toy.CONFIG, warmup_steps=0, momentum=0.0, weight_decay=0.0, clip_norm=1e-3
    )
    trainer = toy.make_trainer(config)
    before = weights(trainer)
    row = trainer.train_step(toy.samples_of(0))
    moved = sum((a - b).square().sum() for a, b in zip(weights(trainer), before, strict=True))
    assert row["grad_norm"] > 1e-3  # the norm before clipping
    assert moved.sqrt().item() == pytest.approx(row["lr"] * 1e-3, rel=1e-2)


def test_a_non_finite_loss_is_skipped_and_counted(toy, tmp_path):
    trainer = toy.train_toy(tmp_path, toy.make_trainer(poison=(0, 4, 5)))
    log = read_log(tmp_path / "log.csv")
    assert log.skipped.tolist() == [1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert log.total.isna().sum() == 3
    assert all(values.isfinite().all() for values in trainer.model.state_dict().values())


def test_a_skipped_step_moves_no_weight_and_no_statistics(toy):
    trainer = toy.make_trainer(poison=(1,))
    trainer.train_step(toy.samples_of(0))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    row = trainer.train_step(toy.samples_of(1))
    assert math.isnan(row["total"]) and math.isnan(row["grad_norm"])
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.state_dict().items())


def test_ten_non_finite_steps_in_a_row_end_the_run(toy, tmp_path):
    poison = (0, *range(2, 12))
    with pytest.raises(NonFiniteError, match=r"at 10 steps in a row, up to step 12.*\.npz") as told:
        toy.train_toy(tmp_path, toy.make_trainer(poison=poison))
    assert len(read_log(tmp_path / "log.csv")) == 11
    [path] = tmp_path.glob("*.npz")
    assert str(path) in str(told.value) and path.name == "bad_batch_step_00000012_0.npz"
    stored = np.load(path, allow_pickle=False)
    for number, sample in enumerate(toy.samples_of(11)):
        assert np.array_equal(stored[f"image_{number}"], sample.image)
        assert np.array_equal(stored[f"masks_{number}"], sample.targets.masks)


def test_a_batch_the_model_refuses_is_kept(toy, tmp_path, monkeypatch):
    def refuse(*args):
        raise UserError("the training has diverged")

    monkeypatch.setattr(toy.ToyModel, "forward", refuse)
    with pytest.raises(UserError, match=r"has diverged; the batch is in .*00000001_0\.npz"):
        toy.train_toy(tmp_path)
    [path] = tmp_path.glob("*.npz")
    assert np.load(path, allow_pickle=False)["image_ids"].tolist() == [1, 1]


def test_ten_in_a_row_are_counted_across_a_resume(toy, tmp_path):
    def stop(row):
        if row["step"] == 5:
            raise KeyboardInterrupt

    always = tuple(range(12))
    with pytest.raises(KeyboardInterrupt):
        toy.train_toy(tmp_path, toy.make_trainer(poison=always), on_log=stop)
    with pytest.raises(NonFiniteError, match="up to step 10"):
        toy.train_toy(tmp_path, toy.make_trainer(poison=always))


def test_averaged_weights_follow_the_formula(toy):
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


def test_without_averaging_the_model_itself_predicts(toy):
    trainer = toy.make_trainer()
    assert trainer.predictor() is trainer.model
    assert trainer.checkpoint("toy").average == {}
    with pytest.raises(ValueError, match=r"train\.ema is 1\.0"):
        dataclasses.replace(toy.CONFIG, ema=1.0)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_parameter_groups(kind):
    model = nn.ModuleDict(
        {
            "conv": nn.Conv2d(1, 1, 1),
            "norm": nn.BatchNorm2d(1),
            "conv2_offset": nn.Conv2d(1, 1, 1),
            "frozen": nn.Conv2d(1, 1, 1).requires_grad_(False),
        }
    )
    config = TrainConfig(optimizer=kind, weight_decay=0.5, offset_lr_factor=0.25)
    optimizer = build_optimizer(model, config)
    set_learning_rate(optimizer, 2.0)
    found = {
        id(p): (group["weight_decay"], group["lr"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    wanted = {"conv": (0.5, 2.0), "norm": (0.0, 2.0), "conv2_offset": (0.5, 0.5)}
    assert found == {
        id(p): wanted[n] for n, m in model.items() if n in wanted for p in m.parameters()
    }


def test_bf16_on_the_cpu_trains(toy, tmp_path):
    config = dataclasses.replace(toy.CONFIG, precision="bf16")
    trainer = toy.train_toy(tmp_path, toy.make_trainer(config))
    assert all(w.dtype == torch.float32 and w.isfinite().all() for w in weights(trainer))
