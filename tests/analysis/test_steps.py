"""Steps of the ladder from reference files and from local runs, each told once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from helpers.evaluation.average_precision import evaluate
from helpers.ladder.reference import Entry, Reference, pack_results
from helpers.ladder.rungs import rung
from helpers.series.analysis import steps
from helpers.series.analysis.steps import measured_rungs, measured_steps

from .conftest import BOXES, IMAGES, box_rle

PAIRS = {"many scales": ("correction", "mst"), "aggressive": ("correction", "aggressive")}


def found(shift: int) -> list[dict]:
    """Every instance but the crowd, some pixels lower."""
    return [
        {
            "image_id": image, "category_id": category, "score": 0.9,
            "bbox": [float(v) for v in (x, y + shift, w, h)],
            "segmentation": box_rle(IMAGES[image], x, y + shift, w, h),
        }
        for image, category, x, y, w, h, crowd in BOXES if not crowd
    ]  # fmt: skip


def entry(key: str, seed: int, run: str, evaluation) -> Entry:
    return Entry(
        rung=key, seed=seed, run=run, data="boxes", steps=1, minutes=0.1, hardware="a test",
        versions={}, config=rung("quick", key, seed=seed).settings(), sha256={},
        predictions=f"{run}.json.xz",
        evaluation=evaluation.to_dict(), sizes={"APs": None, "APm": None, "APl": None},
    )  # fmt: skip


@pytest.fixture
def reference(tmp_path, monkeypatch, small_index) -> Reference:
    """One file with the first pair measured, and a store without runs."""
    one = Reference(tmp_path / "quick-a-test.json")
    one.write("truth.json.xz", small_index.to_coco())
    for key, shift in (("correction", 10), ("mst", 0)):
        results = found(shift)
        run = rung("quick", key, seed=5).run_name
        one.write(f"{run}.json.xz", pack_results(results))
        one.add(entry(key, 5, run, evaluate(small_index, results, preset="coco")))
    monkeypatch.setattr(steps, "list_runs", list)
    monkeypatch.setattr("helpers.ladder.results.list_runs", list)
    return one


def local(key: str, shift: int, index) -> SimpleNamespace:
    """What stands for a finished run of a rung."""
    config = rung("quick", key, seed=5)
    return SimpleNamespace(
        name=config.run_name, status="finished", config=config.trained,
        environment=[{"hardware": "here"}] * 2, evaluation=SimpleNamespace(preset="coco"),
        predictions=lambda: found(shift), index=lambda split: index,
    )  # fmt: skip


def test_a_step_from_a_reference_file(reference, small_index):
    [step] = measured_steps("quick", PAIRS, samples=100, folder=reference.path.parent)
    assert (step.name, step.seed, step.hardware, step.data) == ("many scales", 5, "a test", "boxes")
    worse = evaluate(small_index, found(10), preset="coco").metrics
    assert step.masks.mean == pytest.approx(1 - worse["segm"]["AP"], abs=1e-12) and step.images == 4
    assert step.outlines.mean == pytest.approx(1 - worse["boundary"]["AP"], abs=1e-12)
    assert step.outlines.mean > step.masks.mean > 0


def test_local_runs_fill_what_is_not_there(reference, small_index, monkeypatch):
    runs = [local(key, 0, small_index) for key in ("correction", "mst", "aggressive")]
    monkeypatch.setattr(steps, "list_runs", lambda: runs)
    many, aggressive = measured_steps("quick", PAIRS, samples=20, folder=reference.path.parent)
    assert (many.hardware, aggressive.hardware) == ("a test", "here")
    assert aggressive.masks.mean == aggressive.masks.high == 0
    runs[2].status = "interrupted"
    assert len(measured_steps("quick", PAIRS, samples=20, folder=reference.path.parent)) == 1


def test_what_is_looked_at_in_another_way_is_no_local_pair(small_index, monkeypatch, tmp_path):
    runs = [local("mst", 0, small_index)]  # the run of "tta" too, without its augmentation
    monkeypatch.setattr(steps, "list_runs", lambda: runs)
    assert measured_steps("quick", {"tta": ("mst", "tta")}, folder=tmp_path) == []


def test_rows_stand_beside_the_paper(reference):
    table = measured_rungs("quick", PAIRS, folder=reference.path.parent)
    assert table["rung"].tolist() == ["correction", "mst"]
    assert table["paper"].tolist() == [74.38, 75.53]
    assert measured_rungs("quick", {"one": ("x101", "s101")}, folder=reference.path.parent).empty


def test_nothing_measured_is_no_step(reference):
    reference.path.unlink()
    assert measured_steps("quick", PAIRS, folder=reference.path.parent) == []
    assert measured_rungs("quick", PAIRS, folder=reference.path.parent).empty
