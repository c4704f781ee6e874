"""The command line of training: every field by its own name, and mistakes that say where."""

import re
import shlex
from dataclasses import replace

import pytest
from PIL import Image

from helpers.config import Solov2Config, TtaConfig, change, preset
from helpers.config_fields import dotted
from helpers.run_train import parse
from helpers.training.data import read_splits
from tests.command_line import command_of
from tests.data.datafiles import coco

CHANGES = {
    "nothing": {},
    "plain": {"name": "mine", "model__backbone": "resnest101e", "train__seed": 3},
    "whole number for a float": {"train__lr": 1},
    "flag": {"model__pretrained": False, "train__keep_empty": True},
    "none and back": {"train__steps": 7, "train__epochs": None, "model__mask_rois": None},
    "tuples": {"train__short_side": (96, 128), "model__anchor_ratios": (0.5, 1.0)},
    "empty tuple": {"model__deform_stages": (), "loss__alpha": (0.853, 1.288)},
    "nested": {"model__solov2": Solov2Config(grids=(5, 4, 3, 2, 1), deformable=True).scaled(0.2)},
    "optional section": {"test__tta": TtaConfig(sizes=(80, 100), flip=False)},
    "words with spaces": {"data__name": "scenes, 320 px"},
    "own data": {"data__train_annotations": "a.json"},
    "own data in groups": {"data__val_annotations": "a.json", "data__label_space": "super"},
}


@pytest.mark.parametrize("start", ["quick", "paper"])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_command_of_a_config_gives_it_back(changes, start):
    config = change(preset(start), **changes)
    words = shlex.split(shlex.join(command_of(config, start)))
    assert words[:4] == ["python", "-m", "helpers", "train"]
    assert parse(words[4:]) == config


def test_dashes_and_equal_signs_are_understood_too():
    config = parse(["--preset=paper", "--train.warmup-steps=5", "--test.tta.max-side", "900"])
    assert config.train.warmup_steps == 5
    assert config.test.tta == TtaConfig(max_side=900)


def test_a_section_is_on_with_one_of_its_options_and_off_with_none(monkeypatch):
    around = TtaConfig.around(preset("quick").test.short_side)  # of `quick`, which has it off
    assert parse(["--test.tta.flip", "False"]).test.tta == replace(around, flip=False)
    for off in (["--test.tta", "None"], ["--test.tta=None"]):
        assert parse([*off, "--train.seed", "4"]) == parse(["--train.seed", "4"])
    augmented = change(preset("quick"), test__tta=TtaConfig(flip=False))
    monkeypatch.setattr("helpers.run_train.preset", lambda name: augmented)
    assert parse([]) == augmented
    assert parse(["--test.tta.max_side", "900"]).test.tta == TtaConfig(flip=False, max_side=900)
    assert parse(["--test.tta", "None"]) == preset("quick")


def test_own_data_come_before_the_fields(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = shlex.split("--annotations a.json --images a --val-annotations b.json --val-images b")
    own += ["--preset", "quick"]
    data = parse(own).data
    assert (data.name, data.label_space) == ("a", "fine")  # all their classes
    assert parse([*own, "--data.label_space", "super"]).data.label_space == "super"
    for word in ("--data.train-annotations=x.json", "--data.val_annotations=x.json"):
        assert parse([word]).data.label_space == "fine"
    assert data.train_annotations == str(tmp_path / "a.json")
    assert data.val_images == str(tmp_path / "b")
    assert parse([*own, "--data.name", "mine"]).data.name == "mine"
    exported = ["chairs/train/_annotations.coco.json" if w == "a.json" else w for w in own]
    assert parse(exported).data.name == "chairs"


def test_own_data_are_fitted_unless_a_preset_is_named(tmp_path):
    rows, kinds = [(1, 1, (0, 0, 40, 160))], [{"id": 1, "name": "person"}]
    file = coco(tmp_path / "a.json", {1: (300, 400)}, rows, kinds)
    Image.new("RGB", (400, 300)).save(tmp_path / "1.png")
    own = [f"--{split}annotations={file}" for split in ("", "val-")]
    own += [f"--{split}images={tmp_path}" for split in ("", "val-")]
    told = []
    config = parse([*own, "--minutes", "5", "--train.seed", "3"], tell=told.append)
    assert config.name == "a" and config.train.seed == 3 and config.train.batch_size == 1
    assert config.model.anchor_ratios[1] == 4 and "anchors" in told[0]
    assert config.model.start == "released"
    assert parse([*own, "--model.start", "None"]).model.start is None
    assert parse([*own, "--preset", "own", "--train.steps", "7"]).train.steps == 7
    with pytest.raises(ValueError, match="--minutes are for own data"):
        parse([*own, "--preset", "quick", "--minutes", "5"])


def test_own_data_are_given_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))  # no scenes are made
    wanted = "add --annotations, --val-annotations, --val-images .*helpers split FILE"
    with pytest.raises(ValueError, match=wanted):
        parse(["--images", "x"])
    with pytest.raises(ValueError, match=r"scenes make`; of your own data give all four: --annot"):
        read_splits(parse(["--preset", "own"]).data)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--train.lrr 1", r"Unrecognized options: --train\.lrr.*Perhaps.*--train\.lr FLOAT"),
        ("stray", "Unrecognized options: stray"),
        ("--train.lr fast", r"--train\.lr: could not convert string to float: 'fast'"),
        ("--model.norm batch", r"'batch' for argument '--model\.norm'.*'frozen', 'eval', 'bn'"),
        ("--train.epochs 1", r"train\.steps is 1000 and train\.epochs is 1\.0: give exactly one"),
    ],
)
def test_mistakes_name_the_field(capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        parse(words.split())
    assert stop.value.code == 2
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert re.search(message, told)


def test_help_has_every_field_with_its_comment(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stop:
        parse(["--preset", "paper", "--help"])
    assert stop.value.code == 0
    told = capsys.readouterr().out
    config = change(preset("paper"), test__tta=TtaConfig())
    names = set(dotted(config.to_dict()))
    assert set(re.findall(r"--((?:\w+\.)*\w+) ", told)) >= names and len(names) > 80
    assert "--val-annotations" in told and "--preset" in told
    assert re.findall(r"--(\S+) .*\n│ +\(default", told) == []  # there a comment is missing
