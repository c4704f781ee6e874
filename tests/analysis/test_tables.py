"""The paper's tables beside ours, and the steps of the ladder that were measured."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.bootstrap import paired_difference
from helpers.ladder import results as measured
from helpers.ladder.reference import Reference
from helpers.ladder.rungs import rung
from helpers.series.analysis import paper, results, steps
from helpers.series.analysis.steps import measured_rungs, measured_steps
from tests import squares


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("reference")
    squares.stored(place)
    return place


@pytest.fixture(autouse=True)
def no_local_runs(monkeypatch):
    monkeypatch.setattr(measured, "list_runs", list)
    monkeypatch.setattr(steps, "list_runs", list)


def test_a_measured_cell_names_where_it_is_from(folder):
    table = results.beside_paper("quick", "table2", folder=folder, samples=20)
    first = table.iloc[0]
    assert first[results.PAPER] == 70.32
    assert (first[results.OURS], first["95 % (pictures)"]) == (10.0, "10.0 to 10.0")
    assert (first["data"], first["hardware"], first["seeds"]) == ("squares", "a machine", "10.00")
    assert first["run"].startswith("quick-x101-")
    assert pd.isna(first["to fill it"])
    assert table.iloc[2]["to fill it"] == "python -m helpers ladder --preset quick --only dcn"
    assert table.iloc[2][[results.OURS, "run", "95 % (pictures)"]].isna().all()


def test_gains_have_intervals_where_both_rows_are_there(folder):
    table = results.steps("quick", folder=folder, samples=20)
    assert table.loc["s101", ["our gain", "low", "high", "pairs"]].tolist() == [90, 90, 90, 1]
    assert table.loc["dcn", ["ours", "our gain", "low", "high"]].isna().all()
    assert table.loc["dcn", "pairs"] == 0
    assert table.loc["dcn", "paper gain"] == pytest.approx(0.94)
    assert results.gain("quick", "s101", "dcn", folder=folder) is None


def test_gain_and_interval_are_of_the_same_pairs_of_seeds(tmp_path):
    """B, A, D see 0.1, 1 and 34/101. Seed 0 gains 0.9 on every picture, seed 1 goes from A to D;
    seed 2, and seed 0 on another machine, have one of the rows alone."""
    reference = squares.stored(tmp_path)
    squares.add(reference, "x101", "A", seed=1)
    squares.add(reference, "s101", "D", seed=1)
    squares.add(reference, "s101", "C", seed=2)
    other = Reference.of("quick", "another", tmp_path)
    other.write("truth.json.xz", squares.truth())
    squares.add(other, "x101", "A")
    together = results.gain("quick", "x101", "s101", folder=tmp_path, samples=200)
    a, d = (squares.members().results(letter) for letter in "AD")
    second = paired_difference(squares.truth(), a, d, preset=squares.PRESET, samples=200)
    assert together.pairs == 2
    assert together.mean == pytest.approx((0.9 + 34 / 101 - 1) / 2)
    assert together.low == pytest.approx((0.9 + second.low) / 2)
    assert together.high == pytest.approx((0.9 + second.high) / 2)
    assert together.low < together.mean < together.high
    assert str(together).endswith(", 2 pairs")
    row = results.steps("quick", folder=tmp_path, samples=200).loc["s101"]
    assert row["our gain"] == round(100 * together.mean, 2)
    assert row["ours"] == round((100 + 100 * 34 / 101 + 0) / 3, 2)


def test_the_classes_that_are_scored_are_named():
    assert results.measured_on("quick") == "scenes, 320 px, 7 super-categories, preset quick"
    assert results.measured_on("paper") == "3D-FUTURE, 34 classes, preset paper"


def test_table_3_has_the_papers_columns(folder):
    table = results.table_3("quick", folder=folder, samples=20)
    assert table["paper, test"].tolist() == [73.10, 74.44, 75.86, 74.61, 77.22]
    assert table["loss"].tolist() == ["ce", "ce", "focal", "SOLOv2's", ""]
    assert table["paper's short sides"].iloc[3] == "1200 to 1600"
    assert table[results.OURS].notna().tolist() == [False] * 4 + [True]


def test_nothing_measured_is_no_number(tmp_path):
    table = results.beside_paper("paper", "table1", folder=tmp_path)
    assert table[results.OURS].isna().all()
    assert table["to fill it"].str.startswith("python -m helpers ladder --preset paper").all()
    assert results.steps("paper", folder=tmp_path)["ours"].isna().all()
    assert results.by_size("paper", folder=tmp_path).empty
    assert measured_steps("quick", PAIRS, folder=tmp_path) == []
    assert measured_rungs("quick", PAIRS, folder=tmp_path).empty


def test_doubts_do_their_sums():
    what = results.doubts().set_index("where")["what"]
    assert "0.64" in what["focal loss"]
    assert "0.48" in what["focal loss"]
    assert "77.12" in what["Table 3: test-time augmentation"]


def test_the_ladder_adds_up():
    table = paper.ladder()
    assert table["mask_ap"].iloc[0] + table["gain"].sum() == pytest.approx(77.12)
    assert (table["gain"].dropna() > 0).all()


def test_the_best_single_model_is_the_top_of_the_ladder():
    models = paper.ensemble().set_index("model")["val_mask_ap"]
    assert models["C: cascade, ResNeSt-101, focal loss"] == paper.ladder()["mask_ap"].iloc[-1]
    assert models.idxmax() == "ensemble A + B + C + D"


def test_the_mask_heads_differ_as_printed():
    first, second = paper.mask_heads()["mask_ap"]
    assert second - first == pytest.approx(14.65)


PAIRS = {"many scales": ("correction", "mst"), "aggressive": ("correction", "aggressive")}


@pytest.fixture
def pair(tmp_path):
    """The folder of one file with the first pair measured: B, then A."""
    reference = Reference.of("quick", squares.MACHINE, tmp_path)
    reference.write("truth.json.xz", squares.truth())
    squares.add(reference, "correction", "B", seed=5)
    squares.add(reference, "mst", "A", seed=5)
    return tmp_path


def local(key: str) -> SimpleNamespace:
    """What stands for a finished run of a rung, whose model sees what A sees."""
    config, index = rung("quick", key, seed=5), SimpleNamespace(to_coco=squares.truth)
    return SimpleNamespace(
        name=config.run_name, status="finished", config=config.trained,
        environment=[{"hardware": "here"}] * 2, evaluation=SimpleNamespace(preset=squares.PRESET),
        predictions=lambda: squares.members().results("A"), index=lambda split: index,
    )  # fmt: skip


def test_a_step_from_a_reference_file(pair):
    [step] = measured_steps("quick", PAIRS, samples=100, folder=pair)
    assert (step.name, step.seed) == ("many scales", 5)
    assert (step.hardware, step.data, step.images) == (squares.MACHINE, "squares", 3)
    half, whole = (squares.members().results(letter) for letter in "BA")
    for kind, found in (("segm", step.masks), ("boundary", step.outlines)):
        scores = [
            evaluate(squares.truth(), results, preset=squares.PRESET).metrics[kind]["AP"]
            for results in (half, whole)
        ]
        assert found.mean == pytest.approx(scores[1] - scores[0], abs=1e-12)
        assert found.per_image[["a", "b"]].iloc[0].tolist() == pytest.approx(scores)
    # an IoU of one half counts at one of ten thresholds; A's corners cost its outline one
    assert step.masks.per_image["a"][0] == pytest.approx(0.1)
    assert step.outlines.per_image["b"][0] == pytest.approx(0.9)


def test_local_runs_fill_what_is_not_there(pair, monkeypatch):
    runs = [local(key) for key in ("correction", "mst", "aggressive")]
    monkeypatch.setattr(steps, "list_runs", lambda: runs)
    many, aggressive = measured_steps("quick", PAIRS, samples=20, folder=pair)
    assert (many.hardware, aggressive.hardware) == (squares.MACHINE, "here")
    assert aggressive.masks.mean == aggressive.masks.high == 0
    # the run of "tta" too, without its augmentation
    assert measured_steps("quick", {"tta": ("mst", "tta")}, folder=pair) == []
    runs[2].status = "interrupted"
    assert len(measured_steps("quick", PAIRS, samples=20, folder=pair)) == 1


def test_rows_stand_beside_the_paper(pair):
    table = measured_rungs("quick", PAIRS, folder=pair)
    assert table["rung"].tolist() == ["correction", "mst"]
    assert table["paper"].tolist() == [74.38, 75.53]
    assert measured_rungs("quick", {"one": ("x101", "s101")}, folder=pair).empty
