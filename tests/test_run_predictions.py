"""`predict` from the command line, on painted rectangles: one run, and several fused."""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers import __main__, files, run_predictions
from helpers.config import TtaConfig, change
from helpers.data.index import InstanceIndex
from helpers.inference.ensemble import fuse
from helpers.inference.predict import detect_index, predict_index, to_results
from helpers.inference.stored import StoredPredictions
from helpers.run_predict import parse_shard
from tests.inference.conftest import index as index  # a fixture
from tests.inference.painted import CONFIG, ColourModel


class Killed(BaseException):
    pass


class MortalModel(ColourModel):
    """Sees two pictures, then dies."""

    def predict(self, images):
        if len(self.seen) == 2:
            raise Killed
        return super().predict(images)


class Wide(ColourModel):
    """Finds things a little too wide, with lower scores: another model of the same."""

    def __init__(self) -> None:
        super().__init__()
        self.weight.data += 1

    def _find(self, image):
        found = super()._find(image)
        boxes = found.boxes + torch.tensor([-1.0, 0, 2, 0])
        return replace(found, boxes=boxes, scores=found.scores * 0.7)


class Twice(ColourModel):
    """The same as a model of two stages."""

    def normalise(self, images):
        return images

    def features(self, batch):
        return list(batch)

    def find(self, images):
        return self.features(images), self.predict(images)

    def add_masks(self, features, detections):
        return [replace(one, masks=torch.ones(len(one), 7, 7)) for one in detections]


@dataclass
class FakeRun:
    """A run of the store, without the store."""

    data: InstanceIndex
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
def runs(index, tmp_path, monkeypatch):
    runs = {"toy": FakeRun(index), "wide": FakeRun(index, make=Wide, name="wide-87654321")}

    def find(name):
        if name not in runs:
            raise files.UserError(f"no run starts with {name!r}")
        return runs[name]

    monkeypatch.setattr(run_predictions, "find_run", find)
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))
    return runs


@pytest.fixture
def toy(runs):
    return runs["toy"]


def predict(*words) -> int:
    device = [] if "--device" in words else ["--device", "cpu"]
    return __main__.main(["predict", *map(str, words), *device])


def made(run: str = "toy-12345678") -> StoredPredictions:
    [about] = files.outputs_dir().glob(f"predictions/{run}/*/about.json")
    return StoredPredictions(about.parent)


def results(stored: StoredPredictions | Path) -> list[dict]:
    folder = stored if isinstance(stored, Path) else stored.folder
    return json.loads((folder / "predictions.json").read_text())


def expected(run: FakeRun) -> list[dict]:
    return predict_index(run.model(), run.data, config=run.config, progress=False)


def store(folder: Path, **changes) -> None:
    """Change what a folder of predictions says of itself."""
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, **changes}))


class TestOneRun:
    def test_its_own_validation_split_goes_on_where_it_was_stopped(self, toy, capsys):
        toy.make = MortalModel
        with pytest.raises(Killed):
            predict("toy")
        assert sorted(made().done()) == [7, 8]
        toy.make = ColourModel
        assert predict("toy") == 0
        assert str(made().results_file) in capsys.readouterr().out
        assert results(made()) == expected(toy)
        toy.make = MortalModel  # would die at the third picture; there is none left to predict
        assert predict("toy") == 0

    @pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "-1/2", "1/2/3"])
    def test_wrong_shards_are_refused(self, text):
        with pytest.raises(argparse.ArgumentTypeError, match="no shard"):
            parse_shard(text)

    def test_a_folder_of_pictures_alone_turned_ones_too(self, toy, tmp_path, capsys, caplog):
        pictures = tmp_path / "pictures"
        pictures.mkdir()
        Image.open(tmp_path / "7.png").save(pictures / "b.png")
        turned = Image.open(tmp_path / "31.png").rotate(90, expand=True)
        exif = turned.getexif()
        exif[0x0112] = 6  # shown after a quarter turn to the right
        turned.save(pictures / "A.png", exif=exif)
        (pictures / "notes.txt").write_text("")
        assert predict("toy", pictures, "--output", tmp_path / "own") == 0
        assert "image ids are invented" in capsys.readouterr().out
        assert "left out, as no pictures: notes.txt" in caplog.text
        about = StoredPredictions(tmp_path / "own").about
        assert about["ids"] == "invented"
        assert {row["id"]: row["file_name"] for row in about["images"]} == {1: "A.png", 2: "b.png"}
        sizes = [(r["image_id"], *r["segmentation"]["size"]) for r in results(tmp_path / "own")]
        assert sizes == [(1, 90, 120), (1, 90, 120), (2, 200, 100), (2, 200, 100)]

    def test_other_weights_or_pictures_are_not_mixed_in(self, runs, tmp_path, capsys):
        assert predict("toy") == 0
        runs["toy"].make = Wide
        assert predict("toy") == 2
        assert "with other weights" in capsys.readouterr().err
        runs["toy"].make = ColourModel
        Image.new("RGB", Image.open(tmp_path / "7.png").size).save(tmp_path / "7.png")
        assert predict("toy") == 2
        assert "pictures" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("options", "sizes", "merge"),
        [
            (["--tta"], (60, 80), "mean"),
            (["--tta-sizes", 60], (60,), "mean"),
            (["--merge", "max"], (60, 80), "max"),
        ],
    )
    def test_options_of_augmentation(self, toy, capsys, options, sizes, merge):
        toy.config = change(toy.config, test__tta=TtaConfig(sizes=(60, 80), merge="mean"))
        assert predict("toy", *options) == 2
        assert "no second stage" in capsys.readouterr().err
        assert not (files.outputs_dir() / "predictions").exists()
        toy.make = Twice
        assert predict("toy", *options) == 0
        tta = made().about["test"]["tta"]
        assert (tuple(tta["sizes"]), tta["merge"], tta["flip"]) == (sizes, merge, True)
        assert made().folder.name == f"val-tta-{merge}"
        assert len(results(made())) == len(expected(toy)) == 4


@pytest.mark.parametrize("names", [["toy"], ["toy", "wide"]])
def test_shards_together_make_the_whole(runs, capsys, names):
    assert predict(*names, "--shard", "2/2") == 0
    assert "1 of 3 pictures done" in capsys.readouterr().out
    stored = made("ensemble-*" if len(names) > 1 else "toy-12345678")
    assert stored.done() == {8} and not stored.results_file.exists()
    assert predict(*names, "--shard", "1/2") == 0
    whole = files.outputs_dir() / "whole"
    assert predict(*names, "--output", whole) == 0
    assert results(stored) == results(whole) != []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toy", "--device", "gpu"], "choose cpu"),
        (["toy", "--device", "cuda:77"], "choose cpu"),
        (["toy", "--precision", "fp16"], "needs a GPU"),
        (["nobody"], "no run starts with 'nobody'"),
        (["toy", "no/such"], "no/such"),
        (["toy", "--split", "train"], "name it after"),
        (["toy", "--weights", "1"], "name more than one"),
        (["toy", "toy"], "named twice"),
        (["toy", "wide", "--weights", "1"], "give 2 numbers over 0"),
        (["toy", "wide", "--weights", "1", "nan"], "give 2 numbers over 0"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(runs, capsys, words, message):
    assert predict(*words) == 2
    assert message in capsys.readouterr().err
    assert not (files.outputs_dir() / "predictions").exists()


class TestSeveralRuns:
    def test_they_are_predicted_and_fused(self, runs):
        assert predict("toy", "wide", "--weights", 1, 0.6) == 0
        pairs = [dict(detect_index(r.model(), r.data, config=r.config)) for r in runs.values()]
        rows = []
        for image_id in (7, 8, 31):
            fused = fuse([found[image_id] for found in pairs], weights=[1, 0.6])
            rows += to_results(fused, image_id, runs["toy"].taxonomy)
        found = results(made("ensemble-*"))
        assert len(found) == len(rows) == 4
        for row, one in zip(rows, found, strict=True):
            assert one["segmentation"] == row["segmentation"]
            assert one["score"] == pytest.approx(row["score"])
        folders = [made(run.name).folder for run in runs.values()]
        own = files.outputs_dir() / "own"
        assert predict(*folders, "--weights", 1, 0.6, "--output", own) == 0
        assert results(own) == found

    def test_a_folder_of_pictures_is_matched_by_name(self, runs, tmp_path):
        """Ids invented for a folder of pictures: 1, 2, 3 for 31.png, 7.png, 8.png."""
        pictures = tmp_path / "pictures"
        pictures.mkdir()
        for name in ("7.png", "8.png", "31.png"):
            (pictures / name).write_bytes((tmp_path / name).read_bytes())
        assert predict("toy", pictures, "--soft", "--output", tmp_path / "a") == 0
        assert predict("wide", "--soft", "--output", tmp_path / "b") == 0
        assert {row["image_id"] for row in results(tmp_path / "a")} == {1, 2}
        both = files.outputs_dir() / "both"
        assert predict(tmp_path / "a", tmp_path / "b", "--output", both) == 0
        assert predict("toy", "wide") == 0
        assert results(both) == results(made("ensemble-*"))
        assert StoredPredictions(both).about["ids"] == "file"

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"images": []}, "31.png is not there"),
            ({"categories": [{"id": 4, "name": "lamp", "supercategory": "x"}]}, "as '4 lamp'"),
            ({"label_space": "super"}, "as 'fine'"),
            ({"soft": False}, "no soft masks: predict with --soft"),
        ],
    )
    def test_what_does_not_belong_together_is_refused(self, runs, tmp_path, capsys, changes, words):
        assert predict("wide", "--soft", "--output", tmp_path / "b") == 0
        store(tmp_path / "b", **changes)
        assert predict("toy", tmp_path / "b") == 2
        assert words in capsys.readouterr().err
        assert not list(files.outputs_dir().glob("predictions/*"))

    def test_unfinished_predictions_are_refused(self, runs, tmp_path, capsys):
        assert predict("wide", "--soft", "--output", tmp_path / "b", "--shard", "1/2") == 0
        assert predict("toy", tmp_path / "b") == 2
        assert "lacks 1 of 3 pictures" in capsys.readouterr().err
