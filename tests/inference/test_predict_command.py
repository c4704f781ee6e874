"""`predict` and `submit` from the command line, on painted rectangles."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers import __main__, files
from helpers.config import TtaConfig, change, preset
from helpers.data.coco import read_index
from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.submission import read_results
from helpers.inference import predict_command
from helpers.inference.predict import predict_index
from helpers.inference.predict_command import parse_shard
from helpers.inference.stored import StoredPredictions

from .painted import CONFIG, ColourModel


class Killed(BaseException):
    pass


class MortalModel(ColourModel):
    """Sees two pictures, then dies."""

    def predict(self, images):
        if len(self.seen) == 2:
            raise Killed
        return super().predict(images)


@dataclass
class FakeRun:
    """A run of the store, without the store."""

    data: object
    make: type = ColourModel
    config: object = change(CONFIG, data__label_space="fine")
    name: str = "toy-12345678"

    @property
    def taxonomy(self):
        return self.data.taxonomy

    def index(self, split):
        assert split == "val"
        return self.data

    def model(self, test=None):
        return self.make().eval()


@pytest.fixture
def toy(index, tmp_path, monkeypatch):
    run = FakeRun(index)
    monkeypatch.setattr(predict_command, "find_run", lambda name: run)
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))
    return run


def predict(*args) -> int:
    device = [] if "--device" in args else ["--device", "cpu"]
    return __main__.main(["predict", "toy", *map(str, args), *device])


def folder() -> Path:
    [about] = files.outputs_dir().glob("predictions/toy-12345678/*/about.json")
    return about.parent


def test_the_runs_own_validation_split(toy, capsys):
    assert predict() == 0
    file = folder() / "predictions.json"
    assert str(file) in capsys.readouterr().out
    expected = predict_index(ColourModel(), toy.data, config=toy.config, progress=False)
    assert json.loads(file.read_text()) == expected
    assert evaluate(toy.data, read_results(file)).metrics["segm"]["AP50"] == 1


def test_a_stopped_prediction_goes_on_where_it_was(toy):
    toy.make = MortalModel
    with pytest.raises(Killed):
        predict()
    stored = StoredPredictions(folder())
    assert sorted(stored.done()) == [7, 8]
    toy.make = ColourModel
    assert predict() == 0
    assert sorted(line["image_id"] for line in stored.lines()) == [7, 8, 31]
    before = stored.results_file.read_bytes()
    toy.make = MortalModel  # would die at the third picture; there is none left to predict
    assert predict() == 0
    assert stored.results_file.read_bytes() == before


def test_shards_together_make_the_whole(toy, capsys):
    assert predict("--shard", "2/2") == 0
    assert "1 of 3 pictures done" in capsys.readouterr().out
    assert not (folder() / "predictions.json").exists()
    assert predict("--shard", "1/2") == 0
    results = json.loads((folder() / "predictions.json").read_text())
    assert results == predict_index(ColourModel(), toy.data, config=toy.config, progress=False)


def test_an_annotation_file_of_pictures_alone(toy, tmp_path):
    document = json.loads((tmp_path / "truth.json").read_text())
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps({"images": document["images"]}))
    assert predict(bare, "--images", tmp_path, "--output", tmp_path / "own") == 0
    results = json.loads((tmp_path / "own" / "predictions.json").read_text())
    assert [r["image_id"] for r in results] == [7, 7, 31, 31]


def test_a_folder_of_pictures_alone_turned_ones_too(toy, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.open(tmp_path / "7.png").save(pictures / "b.png")
    turned = Image.open(tmp_path / "31.png").rotate(90, expand=True)
    exif = turned.getexif()
    exif[0x0112] = 6  # shown after a quarter turn to the right
    turned.save(pictures / "A.png", exif=exif)
    assert predict(pictures, "--output", tmp_path / "own") == 0
    stored = StoredPredictions(tmp_path / "own")
    names = {row["id"]: row["file_name"] for row in stored.about["images"]}
    assert names == {1: "A.png", 2: "b.png"}
    found = json.loads(stored.results_file.read_text())
    upright = predict_index(ColourModel(), toy.data, config=toy.config, progress=False)
    assert [r["category_id"] for r in found] == [r["category_id"] for r in upright]
    assert [r["segmentation"]["size"] for r in found[:2]] == [
        r["segmentation"]["size"] for r in upright if r["image_id"] == 31
    ]


def test_a_data_set_folder_and_its_splits(toy, tmp_path, capsys):
    (tmp_path / "truth.json").rename(tmp_path / "val.json")
    assert predict(tmp_path) == 0
    assert folder().name == f"{tmp_path.name}-val"
    assert predict(tmp_path, "--split", "test") == 2
    assert "no split 'test': choose --split val" in capsys.readouterr().err


def test_other_weights_are_not_mixed_in(toy, capsys):
    assert predict() == 0

    class Retrained(ColourModel):
        def __init__(self):
            super().__init__()
            self.weight.data += 1

    toy.make = Retrained
    assert predict() == 2
    assert "with other weights" in capsys.readouterr().err


def test_soft_masks_are_kept_on_demand(toy):
    assert predict("--soft") == 0
    found = dict(StoredPredictions(folder()).detections())
    assert sorted(found) == [7, 8, 31]
    assert found[31].image_size == (90, 120)
    assert torch.equal(found[31].masks, torch.ones(2, 7, 7))


def test_augmentation_has_its_own_folder(toy, capsys):
    assert predict("--tta", "--merge", "mean", "--tta-sizes", 60) == 2  # no second stage
    assert "no second stage" in capsys.readouterr().err
    assert folder().name == "val-tta-mean"
    tta = StoredPredictions(folder()).about["test"]["tta"]
    assert (tta["sizes"], tta["merge"], tta["flip"]) == ([60], "mean", True)


@pytest.mark.parametrize("option", [("--tta-sizes", 60), ("--merge", "max")])
def test_an_option_of_augmentation_turns_it_on(toy, capsys, option):
    assert predict(*option) == 2
    assert "no second stage" in capsys.readouterr().err


def test_the_merging_of_the_run_stays(toy):
    toy.config = change(toy.config, test__tta=TtaConfig(sizes=(60,), merge="mean"))
    predict("--tta")
    assert folder().name == "val-tta-mean"


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "-1/2", "1/2/3"])
def test_wrong_shards_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="no shard"):
        parse_shard(text)


class TestSubmit:
    def submit(self, *args) -> int:
        return __main__.main(["submit", *map(str, args)])

    def test_a_folder_of_predictions(self, toy, capsys):
        predict()
        assert self.submit(folder()) == 0
        archive = folder() / "submission.zip"
        said = capsys.readouterr().out
        assert f"{archive}: segmentation_results.json, 4 instances in 2 pictures" in said
        rows = read_results(archive)
        assert evaluate(toy.data, rows).metrics["segm"]["AP50"] == 1
        assert self.submit(folder()) == 2  # never written over
        assert "exists already" in capsys.readouterr().err

    def test_a_file_of_results_with_its_data(self, toy, tmp_path, capsys):
        predict("--output", tmp_path / "own")
        file = (tmp_path / "own" / "predictions.json").rename(tmp_path / "results.json")
        assert self.submit(file) == 2
        assert "add --annotations" in capsys.readouterr().err
        truth, output = tmp_path / "truth.json", tmp_path / "s.zip"
        assert self.submit(file, "--annotations", truth, "--output", output) == 0
        assert len(read_results(output)) == 4

    def test_unfinished_predictions(self, toy, capsys):
        predict("--shard", "1/2")
        assert self.submit(folder()) == 2
        assert "let `python -m helpers predict` finish" in capsys.readouterr().err

    def test_super_categories_are_no_submission(self, toy, tmp_path, capsys):
        toy.data = toy.data.in_space("super")
        toy.config = preset("quick")
        toy.config = change(toy.config, test__short_side=60, train__workers=0)
        predict()
        assert "submit" not in capsys.readouterr().out
        for more in ([], ["--annotations", tmp_path / "truth.json"]):
            assert self.submit(folder(), *more) == 2
            assert "34 categories" in capsys.readouterr().err


def test_other_pictures_of_the_same_names_are_another_prediction(toy, tmp_path, capsys):
    assert predict() == 0
    Image.new("RGB", Image.open(tmp_path / "7.png").size).save(tmp_path / "7.png")
    assert predict() == 2
    assert "pictures" in capsys.readouterr().err


def test_a_device_or_precision_that_is_not_there_makes_nothing(toy, capsys):
    for option, value in (("--device", "gpu"), ("--device", "cuda:77"), ("--precision", "fp16")):
        assert predict(option, value) == 2
        assert ("choose cpu" in (said := capsys.readouterr().err)) or "needs a GPU" in said
    assert not (files.outputs_dir() / "predictions").exists()


def test_pictures_are_checked_before_anything_is_predicted(toy, tmp_path, capsys):
    (tmp_path / "7.png").unlink()
    assert predict(tmp_path / "truth.json") == 2
    assert "7.png" in capsys.readouterr().err
    assert not (files.outputs_dir() / "predictions").exists()
    assert read_index(tmp_path / "truth.json", check_images=False)
