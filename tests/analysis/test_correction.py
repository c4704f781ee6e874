"""Comparison of correction methods: baselines on maps drawn by hand, sums, intervals, command."""

from __future__ import annotations

import json

import numpy as np
import pytest

from helpers.__main__ import main
from helpers.correction.measure import CorrectionScore
from helpers.series.analysis import correction
from helpers.series.analysis.correction import (
    METHODS,
    METRICS,
    Scene,
    measure,
    payoff,
    readable,
    summary,
)


def drawn(seed: int) -> Scene:
    """A table on thin legs and a box, in plain colours."""
    labels = np.zeros((300, 300), np.int32)
    labels[100:140, 50:250] = 1
    labels[140:240, 60] = labels[140:240, 239] = 1
    labels[160 + seed : 260, 90:200] = 2
    colours = np.array([(90, 90, 90), (200, 120, 60), (60, 120, 200)], np.uint8)
    return Scene(labels, (24, 18), colours[labels])


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [drawn(seed) for seed in range(3)]


def result(name: str, labels: np.ndarray) -> np.ndarray:
    return METHODS[name](labels, np.zeros((*labels.shape, 3), np.uint8))


def test_the_baselines_do_what_they_are_called():
    s = drawn(0)
    noisy = s.labels.copy()
    noisy[120, 100] = 0
    noisy[20, 20:22] = 2
    assert np.array_equal(result("nothing", noisy), noisy)
    opened = result("opening + closing", noisy)
    assert (opened[150:230, 60] == 0).all()  # the legs are gone
    largest = result("largest component", noisy)
    assert (largest[20, 20:22] == 0).all() and largest[120, 100] == 0
    majority = result("majority 3 x 3", noisy)
    assert majority[120, 100] == 1 and (majority[20, 20:22] == 2).sum() == 0
    sieved = result("plain sieve 64", noisy)
    assert np.array_equal(sieved, s.labels)


def test_majority_agrees_with_counting_by_hand():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (20, 21)).astype(np.int32)
    found, padded = result("majority 3 x 3", labels), np.pad(labels, 1, mode="edge")
    for y, x in np.ndindex(labels.shape):
        votes = np.bincount(padded[y : y + 3, x : x + 3].ravel(), minlength=3)
        best = np.flatnonzero(votes == votes.max())
        assert found[y, x] == (labels[y, x] if labels[y, x] in best else best[0])


def score(restored: int, changed: int) -> CorrectionScore:
    return CorrectionScore(changed, 10, restored, 1000, 1, 0, 0, (0.5,), (0.25,))


def test_metrics_are_ratios_of_sums_with_an_interval_over_scenes():
    found = summary([score(10, 10), score(0, 30)])
    assert found["precision"] == 10 / 40 and found["recall"] == 10 / 20
    assert found["damage"] == 2 / 2000 and found["mask IoU"] == 0.5
    assert found["boundary IoU"] == 0.25
    assert np.isnan(found["thin kept"]) and np.isnan(found["thin kept low"])
    assert found["precision low"] == 0 and found["precision high"] == 1
    alone = summary([score(8, 10)])
    assert alone["precision low"] == alone["precision high"] == alone["precision"] == 0.8


def test_every_method_is_measured_on_every_kind(scenes):
    kinds = ("none", "jag", "leak", "all")
    table = measure(scenes, kinds=kinds, progress=False)
    assert list(table["noise"].unique()) == list(kinds)
    assert len(table) == len(kinds) * len(METHODS)
    rows = table.set_index(["noise", "method"])
    assert (rows.xs("nothing", level="method")["damage"] == 0).all()
    assert rows.loc[("none", "ours"), "damage"] <= 1e-4
    assert rows.loc[("leak", "ours"), "recall"] < 0.1
    assert rows.loc[("all", "ours"), "precision"] > rows.loc[("all", "majority 3 x 3"), "precision"]
    assert rows.loc[("none", "opening + closing"), "thin kept"] < 0.2
    for name in METRICS:
        known = table.dropna(subset=name)
        assert (known[f"{name} low"] <= known[name]).all()
        assert (known[f"{name} high"] >= known[name]).all()
    text = readable(table)
    assert text.loc[("none", "nothing"), "precision"] == "-"
    assert text.loc[("leak", "nothing"), "recall"] == "0.000 (0.000-0.000)"


def test_the_payoff_of_the_truth_is_all_and_of_noise_less(scenes):
    shifted = [np.roll(s.labels, 6, axis=1) for s in scenes]
    found = payoff(scenes, {"true": [s.labels for s in scenes], "shifted": shifted})
    assert found["true"].metrics["segm"]["AP"] == pytest.approx(1)
    assert 0 < found["shifted"].metrics["segm"]["AP"] < 0.9
    assert found["true"].instances == 6


def test_a_scene_is_repeatable_and_its_labels_fit_its_picture():
    one, two = correction.scene(0, 64), correction.scene(0, 64)
    assert np.array_equal(one.labels, two.labels) and np.array_equal(one.picture, two.picture)
    assert one.picture.shape == (64, 64, 3) and one.labels.max() <= len(one.category_ids)


def test_naive_decoding_invents_labels_that_solving_does_not():
    found = correction.decoding(100, 200)
    naive, solved = ((labels != found.labels).sum() for labels in (found.naive, found.solved))
    assert found.colours.shape == (200, 200, 3)
    assert 0 < solved < naive


def test_legs_are_the_thin_parts_below():
    s = drawn(0)
    found = correction.legs(s)
    assert found[210:239, 60].all() and found[210:239, 239].all()
    assert not found[:180].any() and not found[220:, 95:195].any()


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
    monkeypatch.setattr(correction, "scene", lambda seed, size: drawn(seed))
    assert main(["measure-correction", "--scenes", "2", "--seed", "0", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["seeds"] == [0, 1] and len(content["rows"]) == 49
    assert main(["measure-correction", "--scenes", "1", "--seed", "0"]) == 0
    assert "ours with picture" in capsys.readouterr().out
    assert main(["measure-correction", "--scenes", "0"]) == 2
