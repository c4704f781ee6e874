"""`ensemble` from the command line, on stored predictions of models that never were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from helpers import __main__, files
from helpers.inference import ensemble_command
from helpers.inference.ensemble import fuse
from helpers.inference.paste import to_rle
from helpers.inference.predict import to_results
from helpers.inference.stored import StoredPredictions
from tests.inference.test_ensemble import scene

CATEGORIES = [{"id": n, "name": f"kind {n}", "supercategory": "thing"} for n in (4, 9, 11)]
SIZE, IDS = 90, (5, 3, 8)


def about(ids=IDS, *, data: str = "abc", **changes) -> dict:
    images = [{"id": i, "height": SIZE, "width": SIZE, "file_name": f"{i}.png"} for i in ids]
    plain = {"run": "r", "weights": "w", "label_space": "fine", "soft": True, "data": data}
    return {**plain, "images": images, "categories": CATEGORIES, **changes}


def found(run: int, image_id: int):
    return scene(image_id, models=3, things=3, size=SIZE, sides=(28, 28, 40))[run]


def store(run: int, *, data: str = "val", ids=IDS, shards: int = 1, **changes) -> Path:
    """A folder as `predict --soft` leaves it."""
    folder = files.outputs_dir() / "predictions" / f"run{run}-0000000{run}" / data
    folder.parent.mkdir(parents=True, exist_ok=True)
    content = about(ids, **changes)
    stored = StoredPredictions.open(folder, content)
    for number in range(shards):
        with stored.part(number + 1, shards) as part:
            for image_id in ids[number::shards]:
                one = found(run, image_id)
                part.append(image_id, to_results(one, image_id, KINDS), soft=one)
    stored.assemble()
    return folder


class KINDS:
    """Labels 0, 1, 2 as the categories above."""

    @staticmethod
    def category_id_of(label: int) -> int:
        return CATEGORIES[label]["id"]


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))


def ensemble(*args) -> int:
    return __main__.main(["ensemble", *map(str, args)])


def made() -> StoredPredictions:
    [folder] = files.outputs_dir().glob("predictions/ensemble-*/val")
    return StoredPredictions(folder)


def test_stored_predictions_are_fused_picture_by_picture(capsys):
    store(0)
    store(1, shards=2)  # its lines are in another order
    assert ensemble("run0", "run1") == 0
    assert str(made().results_file) in capsys.readouterr().out
    results = json.loads(made().results_file.read_text())
    assert list(dict.fromkeys(r["image_id"] for r in results)) == list(IDS)
    for image_id in IDS:
        members = [found(run, image_id) for run in (0, 1)]
        expected = fuse(members)
        own = [r for r in results if r["image_id"] == image_id]
        assert [r["score"] for r in own] == pytest.approx(expected.scores.tolist(), abs=1e-3)
        assert [r["category_id"] for r in own] == [
            KINDS.category_id_of(label) for label in expected.labels.tolist()
        ]
        assert len(own[0]["segmentation"]["counts"]) > 10


def test_a_single_run_comes_back_as_it_is():
    folder = store(0)
    assert ensemble(folder, "--soft") == 0
    for image_id, fused in made().detections():
        own = dict(StoredPredictions(folder).detections())[image_id]
        assert torch.equal(fused.masks, own.masks)
        assert torch.equal(fused.scores, own.scores)


def test_a_stopped_ensemble_goes_on_where_it_was(monkeypatch):
    store(0)
    store(1)
    real, calls = ensemble_command.fuse, []

    def mortal(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(ensemble_command, "fuse", mortal)
    assert ensemble("run0", "run1") == 130
    assert made().done() == {5}
    assert ensemble("run0", "run1") == 0
    assert len(calls) == 4  # one, the killed one, two more
    assert made().results_file.exists()


def test_shards_together_make_the_whole(capsys):
    store(0)
    store(1)
    assert ensemble("run0", "run1", "--shard", "2/2") == 0
    assert "1 of 3 pictures done" in capsys.readouterr().out
    assert ensemble("run0", "run1", "--shard", "1/2") == 0
    shared = made().results_file.read_bytes()
    whole = files.outputs_dir() / "whole"
    assert ensemble("run0", "run1", "--output", whole) == 0
    assert (whole / "predictions.json").read_bytes() == shared


@pytest.mark.parametrize("method", ["union", "soft-nms"])
def test_baselines_from_the_same_files(method):
    store(0)
    store(1)
    assert ensemble("run0", "run1", "--method", method, "--weights", 1, 0.6) == 0
    results = json.loads(made().results_file.read_text())
    assert {r["image_id"] for r in results} == set(IDS)
    assert made().about["method"] == method
    assert made().about["model_weights"] == [1, 0.6]


def held_out_truth(path: Path, ids: tuple[int, ...]) -> None:
    """What run 0 finds is the truth of the held-out pictures."""
    annotations = []
    for image_id in ids:
        one = found(0, image_id)
        for rle, label in zip(to_rle(one), one.labels.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": CATEGORIES[label]["id"],
                    "segmentation": rle,
                    "iscrowd": 0,
                }
            )
    document = {"annotations": annotations, "categories": CATEGORIES}
    document["images"] = about(ids)["images"]
    path.write_text(json.dumps(document))


def test_calibration_and_weights_are_learnt_on_held_out_pictures(tmp_path, capsys):
    ids = tuple(range(100, 120))
    for run in (0, 2):
        store(run)
        store(run, data="fold", ids=ids, **{})
        folder = files.outputs_dir() / "predictions" / f"run{run}-0000000{run}" / "fold"
        content = json.loads((folder / "about.json").read_text())
        (folder / "about.json").write_text(json.dumps({**content, "data": "held out"}))
    held_out_truth(tmp_path / "truth.json", ids)
    learn = ("--held-out", "fold", "--truth", tmp_path / "truth.json")
    assert ensemble("run0", "run2", *learn) == 0
    told = made().about
    assert told["model_weights"] == [1.0, 0.6]
    right, rough = told["calibrations"]
    assert min(right["values"]) == 1.0  # run 0 is always right
    assert min(rough["values"]) < 1.0
    assert told["ensemble"]["min_score"] == 1e-9  # calibrated scores are small: all take part
    assert ensemble("run0", "run2", "--held-out", "val", "--truth", tmp_path / "truth.json") == 2
    assert "--truth is not of the pictures of" in capsys.readouterr().err
    held_out_truth(tmp_path / "same.json", IDS)
    assert ensemble("run0", "run2", "--held-out", "val", "--truth", tmp_path / "same.json") == 2
    assert "calibrate on others" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ids": (5, 3)}, "run1-00000001/val saw other data than run0-00000000/val (2 and 3"),
        ({"data": "other"}, "saw other data than run0-00000000/val"),
        ({"categories": [*CATEGORIES[:2], {**CATEGORIES[2], "name": "lamp"}]}, "'11 lamp' in pla"),
        ({"categories": CATEGORIES * 2}, "6 and 3 of them"),
        ({"label_space": "super"}, "knows other categories than run0-00000000/val"),
        ({"soft": False}, "has no soft masks: predict with --soft"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_name(changes, words, capsys):
    store(0)
    folder = store(1, ids=changes.pop("ids", IDS))
    content = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**content, **changes}))
    assert ensemble("run0", "run1") == 2
    assert words in capsys.readouterr().err
    assert not list(files.outputs_dir().glob("predictions/ensemble-*"))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run0", "run7"], "'run7' is neither a folder of predictions nor a run"),
        (["run"], "several predictions begin with 'run'"),
        (["run0", "run0"], "a model is named twice"),
        (["run0", "run1", "--weights", "1"], "give 2 numbers over 0"),
        (["run0", "run1", "--held-out", "x"], "--held-out and --truth go together"),
        (["run0", "run1", "--coverage", "nan"], "a coverage of nan: give an exponent"),
        (["run0", "run1", "--min-score", "-1"], "a least score of -1.0: give one from 0 to 1"),
    ],
)
def test_mistakes_are_told_in_one_line(args, words, capsys):
    store(0)
    store(1)
    assert ensemble(*args) == 2
    assert words in capsys.readouterr().err


def test_unfinished_predictions_are_refused(capsys):
    store(0)
    path = store(1) / "part-1-of-1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:50])
    assert ensemble("run0", "run1") == 2
    assert "lacks 2 of 3 pictures" in capsys.readouterr().err
