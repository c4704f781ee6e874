"""The effect on training is read from the ladder's rungs of these masks, and from nothing else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from helpers.__main__ import COMMANDS
from helpers.__main__ import parser as command_line
from helpers.evaluation.average_precision import Evaluation
from helpers.series.analysis import correction_training as effect


def scores(value: float) -> Evaluation:
    metrics = {"segm": {"AP": value, "AP75": value}, "boundary": {"AP": value / 2}}
    return Evaluation("future3d", metrics, (), 1, 1, 1)


def entry(rung: str, true: float, noisy: float) -> SimpleNamespace:
    return SimpleNamespace(rung=rung, scores=scores(true), noisy=scores(noisy).to_dict())


def stored(monkeypatch, entries) -> None:
    monkeypatch.setattr(effect, "stored", lambda preset: [(None, entry) for entry in entries])


def test_without_runs_there_is_nothing_to_show(monkeypatch):
    stored(monkeypatch, [])
    assert effect.training_effect().empty


def test_both_truths_in_a_fixed_order_and_seeds_averaged(monkeypatch):
    measured = [
        entry("masks_true", 0.30, 0.2),
        entry("masks_noisy", 0.1, 0.2),
        entry("masks_noisy", 0.2, 0.3),
        entry("mask_rcnn_r50", 0.9, 0.9),
    ]
    stored(monkeypatch, measured)
    table = effect.training_effect()
    assert list(table.index) == ["noisy training masks", "exact training masks"]
    noisy = table.loc["noisy training masks"]
    assert noisy["true", "mask AP"] == pytest.approx(15)
    assert noisy["noisy", "boundary AP"] == pytest.approx(12.5)
    assert table["runs", "seeds"].tolist() == [1, 2][::-1]


def test_the_commands_are_ones_the_command_line_knows():
    for line in effect.commands():
        words = line.split()[3:]
        assert words[0] in COMMANDS
        args = command_line(words).parse_args(words)
        assert args.command == words[0]
        assert set(getattr(args, "only", None) or ()) <= {row.key for row in effect.compared()}


def test_the_rungs_differ_in_their_training_masks_alone():
    configs = {row.trained.data.train_annotations: row.trained for row in effect.compared()}
    assert len(configs) == 3
    assert len({config.data.val_annotations for config in configs.values()}) == 1
    assert len({(config.model, config.train, config.loss) for config in configs.values()}) == 1
