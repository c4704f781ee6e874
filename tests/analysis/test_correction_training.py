"""The effect on training is read from finished runs of the right masks, and from nothing else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from helpers.__main__ import COMMANDS
from helpers.__main__ import parser as command_line
from helpers.analysis import correction_training as effect
from helpers.config import change, preset
from helpers.paths import resolve


def run(name: str, masks: str, *, status: str = "finished") -> SimpleNamespace:
    config = change(preset("quick"), name=name, data__train_annotations=masks)
    return SimpleNamespace(
        config=config, status=status, predictions=lambda: [name], taxonomy="classes"
    )


@pytest.fixture
def scored(monkeypatch):
    """Evaluation replaced: noisy ground truth scores half of the true one."""

    def read_split(data, split, *, taxonomy):
        assert (split, taxonomy) == ("val", "classes")
        return data.val_annotations

    def evaluate(truth, found, *, preset, kinds):
        value = (0.5 if truth == effect.TRUTHS["noisy"] else 1) * len(found[0]) / 100
        return SimpleNamespace(
            metrics={"segm": {"AP": value, "AP75": value}, "boundary": {"AP": value}}
        )

    monkeypatch.setattr(effect, "read_split", read_split)
    monkeypatch.setattr(effect, "evaluate", evaluate)


def test_without_runs_there_is_nothing_to_show(monkeypatch):
    monkeypatch.setattr(effect, "list_runs", list)
    assert effect.training_effect().empty


def test_runs_are_scored_against_both_truths_in_a_fixed_order(monkeypatch, scored):
    masks = effect.TRAINED_ON
    runs = [
        run("masks-true", masks["masks-true"]),
        run("masks-noisy", str(resolve(masks["masks-noisy"]))),  # as the command line stores it
        run("masks-corrected", "outputs/other.json"),  # of other masks
        run("quick", masks["masks-true"]),
    ]
    monkeypatch.setattr(effect, "list_runs", lambda: runs)
    table = effect.training_effect()
    assert list(table.index) == ["masks-noisy", "masks-true"]
    assert table.loc["masks-noisy", ("true", "mask AP")] == 11
    assert table.loc["masks-noisy", ("noisy", "boundary AP")] == 5.5
    runs[0].status = "interrupted"
    assert list(effect.training_effect().index) == ["masks-noisy"]


def test_the_commands_are_ones_the_command_line_knows():
    for line in effect.commands():
        words = line.split()[3:]
        assert words[0] in COMMANDS
        args = command_line(words).parse_args(words)
        assert args.command == words[0]
