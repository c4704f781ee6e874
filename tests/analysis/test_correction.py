"""Comparison of correction methods: known noise, baselines on maps drawn by hand, sums, goals."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.__main__ import COMMANDS
from helpers.__main__ import parser as command_line
from helpers.correction.components import Components
from helpers.evaluation.average_precision import Evaluation
from helpers.scenes.random import stream
from helpers.series.analysis import correction
from helpers.series.analysis.correction import METHODS, METRICS, Scene, count_pixels, measure
from helpers.series.analysis.correction_noise import NOISES, add_noise, border


def drawn(seed: int) -> Scene:
    """A table on thin legs and a box, in plain colours."""
    labels = np.zeros((300, 300), np.int32)
    labels[100:140, 50:250] = 1
    labels[140:240, 60] = labels[140:240, 239] = 1
    labels[160 + seed : 260, 90:200] = 2
    colours = np.array([(90, 90, 90), (200, 120, 60), (60, 120, 200)], np.uint8)
    return Scene(labels, (24, 18), colours[labels])


def test_noise_is_repeatable_and_of_the_amount_and_kind_it_says():
    truth = np.zeros((1200, 1200), np.int32)
    truth[200:700, 100:600] = 1
    truth[500:1000, 400:1100] = 2
    before, noisy = truth.copy(), {k: add_noise(truth, k, stream(0, k)) for k in NOISES}
    assert np.array_equal(truth, before) and np.array_equal(noisy["none"], truth)
    assert np.array_equal(noisy["all"], add_noise(truth, "all", stream(0, "all")))
    assert not np.array_equal(noisy["all"], add_noise(truth, "all", stream(1, "all")))
    wrong, edge = {kind: int((m != truth).sum()) for kind, m in noisy.items()}, border(truth).sum()
    assert 1300 < wrong["speckle"] < 1700 and 60 * 20 < wrong["islands"] <= 60 * 60
    assert 0.03 * edge < wrong["halo"] < 0.05 * edge and 0.08 * edge < wrong["jag"] < 0.12 * edge
    assert 0 < wrong["leak"] <= 25 * 40
    padded = np.pad(truth, 1, mode="edge")
    sides = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    for kind, beside in (("halo", False), ("jag", True)):  # whose label is taken
        taken = np.any([side == noisy[kind] for side in sides], axis=0)
        assert (taken[noisy[kind] != truth] == beside).all()
    before, after = (len(Components.of(m)) for m in (truth, noisy["leak"]))
    assert after <= before + 25  # a leak may cut what it crosses, it is never a speck itself
    with pytest.raises(ValueError, match="no noise 'fog'"):
        add_noise(truth, "fog", stream(0))


def test_pixels_are_counted_on_a_map_drawn_by_hand():
    labels = np.zeros((24, 24), int)
    labels[2:22, 2:22] = 1
    noisy, found = labels.copy(), labels.copy()
    noisy[0, 0] = noisy[23, 23] = 1
    found[0, 0] = 1  # stays wrong
    found[2, 2] = 0  # made wrong
    counts = count_pixels(noisy, found, labels)
    assert (counts["changed"], counts["noisy"], counts["restored"]) == (2, 2, 1)
    assert (counts["clean"], counts["damaged"]) == (400, 1)
    assert counts["mask IoUs"] == 399 / 401
    other = counts | {"changed": 30, "restored": 0, "thin": 0}
    sums = correction.summary(pd.DataFrame([counts | {"thin": 0}, other]))
    assert sums["precision"] == 1 / 32 and sums["recall"] == 1 / 4
    assert np.isnan(sums["thin kept"]) and np.isnan(sums["thin kept low"])
    assert (sums["precision low"], sums["precision high"]) == (0, 0.5)


def test_every_method_is_measured_on_every_kind_and_beside_the_goals():
    scenes = [drawn(seed) for seed in range(3)]
    table = measure(scenes, kinds=("none", "leak", "all"), progress=False)
    rows = table.set_index(["noise", "method"])
    assert len(table) == 3 * len(METHODS)
    assert (rows.xs("nothing", level="method")["damage"] == 0).all()
    assert rows.loc[("none", "ours"), "damage"] <= 1e-4
    assert rows.loc[("leak", "ours"), "recall"] < 0.1
    assert rows.loc[("all", "ours"), "precision"] > rows.loc[("all", "majority 3 x 3"), "precision"]
    for name in METRICS:
        known = table.dropna(subset=name)
        assert known[name].between(known[f"{name} low"], known[f"{name} high"]).all()
    text = correction.readable(table)
    assert text.loc[("none", "nothing"), "precision"] == "-"
    assert text.loc[("leak", "nothing"), "recall"] == "0.000 (0.000-0.000)"
    reached = {"precision": 0.95, "recall": 0.84, "damage": 0.00008, "thin kept": 0.975}
    noisy = {"noise": "all", "method": "ours", "boundary IoU": 0.93} | reached
    goals = correction.beside_goals(
        pd.DataFrame([noisy, noisy | {"noise": "none", "damage": 2e-4}]), method="ours"
    )
    assert goals["met with mixed noise"].tolist() == ["yes", "no", "yes", "yes", "yes"]
    assert goals["met with no noise"].tolist() == ["-", "-", "no", "yes", "-"]


def test_the_effect_on_training_is_that_of_the_ladders_rows(monkeypatch):
    def entry(rung: str, true: float, noisy: float) -> SimpleNamespace:
        scores = []
        for value in (true, noisy):
            metrics = {"segm": {"AP": value, "AP75": value}, "boundary": {"AP": value / 2}}
            scores.append(Evaluation("coco", metrics, (), 1, 1, 1))
        return SimpleNamespace(rung=rung, scores=scores[0], noisy=scores[1].to_dict())

    measured = [entry("masks_true", 0.30, 0.2), entry("masks_noisy", 0.1, 0.2)]
    measured += [entry("masks_noisy", 0.2, 0.3), entry("mask_rcnn_r50", 0.9, 0.9)]
    monkeypatch.setattr(correction, "stored", lambda preset: [(None, e) for e in measured])
    table = correction.training_effect()
    assert list(table.index) == ["noisy training masks", "exact training masks"]
    noisy = table.loc["noisy training masks"]
    assert noisy["true", "mask AP"] == pytest.approx(15)
    assert noisy["noisy", "boundary AP"] == pytest.approx(12.5) and noisy["runs", "seeds"] == 2
    for line in correction.commands():
        words = line.split()[3:]
        assert words[0] in COMMANDS and command_line(words).parse_args(words).command == words[0]
