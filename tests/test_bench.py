"""The bench compares equals, and its clock and its table tell the truth."""

import json
import time

import numpy as np
import pytest
import torch

from helpers import __main__
from helpers.data import rle
from helpers.tools.bench import cases, pointrend, training
from helpers.tools.bench.timing import Case, measure, table


def case_of(make) -> Case:
    torch.manual_seed(0)
    return next(make())


def test_both_ways_of_pasting_give_the_same_pixels():
    case = case_of(cases._paste)
    assert case.name.startswith("paste: 100 masks")
    ours, theirs = case.ours(), case.reference()
    pairs = [(rle.decode(a), rle.decode(b)) for a, b in zip(ours[:5], theirs[:5], strict=True)]
    # torchvision rounds boxes to whole pixels: outlines move by up to one
    assert sum((a != b).sum() for a, b in pairs) < 0.05 * sum(a.sum() for a, _ in pairs)


@pytest.mark.parametrize("make", [cases._roi_align, cases._deform])
def test_both_ways_give_the_same_numbers(make, monkeypatch):
    whole = cases._boxes
    monkeypatch.setattr(cases, "_boxes", lambda count: whole(50))
    torch.manual_seed(0)
    for case in make():
        torch.testing.assert_close(case.ours(), case.reference(), atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_the_textbook_form_of_pointrend_gives_the_same_masks():
    torch.manual_seed(0)
    levels = [torch.randn(1, 256, side, side) for side in (64, 32, 16, 8, 4)]
    boxes = cases._boxes(3, largest=200.0) / 6
    first, *_ = pointrend.pointrend_cases(levels, boxes, (256, 256))
    ours, theirs = first.ours(), first.reference()
    assert 0.1 < ours.mean() < 0.9 and ours.std() > 0.1
    assert ((ours - theirs).abs() > 1e-3).float().mean() < 1e-3  # a tie may fall either way


def test_the_parts_of_a_training_step_can_be_repeated(monkeypatch):
    monkeypatch.setattr(training, "PICTURES", 2)
    whole, *parts = training.step_cases()
    names = ["backbone and FPN", "RPN", "box head", "mask head", "backward", "optimiser"]
    assert [part.name for part in parts] == [f"{whole.name}: {name}" for name in names]
    for case in (whole, *parts, *parts[4:]):  # gradients and a step more than once
        case.ours()
    groups = parts[-1].ours.__self__.param_groups  # alone, the optimiser has gradients to work on
    assert all(weight.grad is not None for group in groups for weight in group["params"])


def test_the_step_beside_another_process_is_compared_with_the_quiet_one(monkeypatch):
    monkeypatch.setattr(training, "PICTURES", 2)
    [case] = training.busy_cases()
    assert (case.name, case.reference_name) == (
        f"{next(training.step_cases()).name}, another process on one core",
        "the same, quiet",
    )


def test_times_and_memory_are_those_of_the_work():
    kept = []

    def slow() -> None:
        kept.append(np.ones(40_000_000, np.uint8))
        time.sleep(0.03)
        kept.clear()

    timing = measure(Case("sleep", slow, lambda: time.sleep(0.006), "a nap"), repeats=3)
    assert timing.milliseconds >= 30
    assert timing.ratio == timing.milliseconds / timing.reference_milliseconds
    assert timing.ratio > 1.5
    assert timing.megabytes is None or 30 < timing.megabytes < 120
    alone = measure(Case("alone", slow), repeats=1)
    assert (alone.ratio, alone.reference_milliseconds) == (None, None)
    assert list(table([timing, alone])["reference"]) == ["a nap", "-"]


def test_command_prints_and_keeps_the_numbers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "helpers.tools.bench.cases.cases", lambda: iter([Case("nothing", lambda: None)])
    )
    file = tmp_path / "bench.json"
    assert __main__.main(["bench", "--json", str(file)]) == 0
    assert "nothing" in capsys.readouterr().out
    [row] = json.loads(file.read_text())["cases"]
    assert row["name"] == "nothing"
    assert row["ratio"] is None
    assert __main__.main(["bench", "--only", "Noth"]) == 0
    assert "nothing" in capsys.readouterr().out
    assert __main__.main(["bench", "--only", "something"]) == 2
    error = capsys.readouterr().err
    assert "no case is called 'something': give a part of one of these: nothing\n" in error


def test_numbers_that_can_not_be_kept_are_refused_before_anything_is_timed(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("helpers.tools.bench.cases.cases", lambda: pytest.fail("a case was made"))
    file = tmp_path / "no" / "bench.json"
    assert __main__.main(["bench", "--json", str(file)]) == 2
    assert str(file) in capsys.readouterr().err
