"""The run store: a config is trained once, found again, never mixed up, never overwritten."""

import json

import pytest
import torch

from helpers.__main__ import main
from helpers.config import change, preset
from helpers.data.errors import DataError
from helpers.files import RunBusyError, StorageError, UserError, locked
from helpers.run_command import runs_table
from helpers.run_store import find_run, list_runs
from helpers.runs import Preview, get_or_train
from helpers.training.checkpoint import load_newest
from tests.command_line import command_of
from tests.training import rectangles


class Killed(Exception):
    pass


SMALL = {
    "model__fpn_channels": 16,
    "model__box_head_dim": 16,
    "model__mask_head_dim": 8,
    "train__steps": 4,
    "train__batch_size": 2,
    "train__workers": 0,
    "train__checkpoint_every": 2,
    "train__short_side": (48, 64),
    "train__max_side": 64,
    "test__short_side": 64,
    "test__max_side": 64,
    "test__preset": "coco",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A data set, an empty run store, and a config that fits both."""
    folder = tmp_path_factory.mktemp("world")
    data = rectangles.data_set(folder, train=6, val=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_OUTPUTS", str(folder / "outputs"))
        patch.setenv("ACCELERATE_USE_CPU", "1")
        yield folder, change(preset("quick"), name="whole", **data, **SMALL)


@pytest.fixture(scope="module")
def finished(world):
    rows = []
    run = get_or_train(world[1], progress=False, on_log=rows.append)
    return run, rows


def contents(folder):
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != "lock"]
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def same_weights(run, other):
    wanted = other.model().state_dict()
    return all(torch.equal(v, wanted[k]) for k, v in run.model().state_dict().items())


def kill_at(step):
    def on_log(row):
        if row["step"] == step:
            raise Killed

    return on_log


def test_a_finished_run_has_it_all(world, finished):
    run, rows = finished
    assert run.status == "finished" and run.name == f"whole-{world[1].hash()}"
    assert run.config == world[1]
    assert run.taxonomy.names == ("red", "green")
    assert run.log().step.tolist() == [1, 2, 3, 4] == [row["step"] for row in rows]
    assert run.log().columns.tolist() == list(rows[0])
    assert 0 < run.seconds < 600
    assert run.evaluation.preset == "coco" and set(run.metrics) == {"segm", "boundary", "bbox"}
    assert {result["category_id"] for result in run.predictions()} <= {3, 7}
    assert {result["image_id"] for result in run.predictions()} <= {10, 11}
    assert [len(run.index(split)) for split in ("train", "val")] == [6, 2]
    assert "torch" in run.environment[0]["versions"]


def test_averaged_weights_are_previewed_and_evaluated(world):
    seen = []
    config = change(world[1], name="averaged", train__ema=0.9)
    preview = Preview(lambda *one: seen.append(one), every=100, pictures=2)
    run = get_or_train(config, progress=False, preview=preview)
    newest, model = load_newest(run.dir / "checkpoints"), run.model().state_dict()
    assert all(torch.equal(v, model[k]) for k, v in newest.average.items())
    assert any(not torch.equal(v, newest.model[k]) for k, v in newest.average.items())
    assert [one[2] for one in seen] == [run.predictions()]


def test_a_finished_run_is_returned_at_once(world, finished):
    before = contents(finished[0].dir)
    again = get_or_train(world[1], on_log=kill_at(1))
    assert again == finished[0] and contents(again.dir) == before


def test_a_killed_run_goes_on_to_the_same_end(world, finished, monkeypatch):
    config = change(world[1], name="killed")
    for step in (1, 3):
        with pytest.raises(Killed):
            get_or_train(config, progress=False, on_log=kill_at(step))
    run = find_run("killed")
    assert run.status == "interrupted" and run.log().step.tolist() == [1, 2, 3]
    with pytest.raises(UserError, match=r"killed-\w+ is interrupted, it has no metrics\.json yet"):
        _ = run.metrics

    def killed(*args, **options):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("helpers.runs.predict_index", killed)
        get_or_train(config, progress=False)
    trained = contents(run.dir / "checkpoints")
    get_or_train(config, progress=False)
    assert contents(run.dir / "checkpoints") == trained  # only what was missing was done
    assert run.status == "finished" and len(run.environment) == 4
    assert same_weights(run, finished[0])
    assert run.predictions() == finished[0].predictions()


def test_a_busy_run_is_refused_by_name(world):
    config = change(world[1], name="busy")
    with pytest.raises(Killed):
        get_or_train(config, progress=False, on_log=kill_at(1))
    run = find_run("busy")
    before = contents(run.dir)
    with locked(run.dir):
        assert run.status == "running"
        with pytest.raises(RunBusyError, match=run.name):
            get_or_train(config, progress=False)
    assert contents(run.dir) == before
    row = runs_table().set_index("run").loc[run.name]
    assert row["status"] == "interrupted" and row["steps"] == 1


def test_a_run_that_starts_from_other_weights_is_another_run(world, tmp_path):
    file = tmp_path / "start.safetensors"
    config = change(world[1], name="begun", model__start=str(file))
    for content in (b"first", b"second", b"first"):
        file.write_bytes(content)
        with pytest.raises(UserError, match="start"):  # no weights at all
            get_or_train(config, progress=False)
    assert len([run for run in list_runs() if run.name.startswith("begun-")]) == 2


def test_what_stands_in_the_way_of_a_new_run(world, tmp_path, monkeypatch):
    """Another process that makes it just now, another config in its folder, an unusable name."""
    config = change(world[1], name="made")
    folder = world[0] / "outputs" / "runs" / f"made-{config.hash()}"
    folder.mkdir(parents=True)
    with locked(folder), pytest.raises(RunBusyError, match=folder.name):
        get_or_train(config, progress=False)
    assert [path.name for path in folder.iterdir()] == ["lock"]
    (folder / "config.json").write_text(json.dumps(world[1].to_dict()))
    with pytest.raises(UserError, match="belongs to another config"):
        get_or_train(config)
    (folder / "config.json").unlink()
    for name in ("", "a/b", "../a", "a b"):
        with pytest.raises(UserError, match="cannot name a run"):
            get_or_train(change(world[1], name=name))
    (tmp_path / "file").touch()
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "file"))
    with pytest.raises(StorageError, match=r"cannot write .*file/runs/"):
        get_or_train(world[1], progress=False)


def test_other_data_are_refused(world, finished, tmp_path):
    config = change(world[1], name="data", **rectangles.data_set(tmp_path, train=6, val=2))
    with pytest.raises(Killed):
        get_or_train(config, progress=False, on_log=kill_at(2))
    run, path = find_run("data"), tmp_path / "val.json"
    before = contents(run.dir)
    path.write_text(path.read_text().replace('"image_id": 10', '"image_id": 11'))
    for ask in (lambda: get_or_train(config, progress=False), lambda: run.index("val")):
        with pytest.raises(UserError, match=r"val\.json is not what run data-.* was made with"):
            ask()
    assert contents(run.dir) == before


def test_unusable_data_leave_no_folder(world, tmp_path):
    config = change(world[1], name="useless", **rectangles.data_set(tmp_path, train=2, val=1))
    (tmp_path / "val.json").unlink()
    with pytest.raises(DataError, match=r"val\.json"):
        get_or_train(config)
    with pytest.raises(UserError, match="no run starts with 'useless'"):
        find_run("useless")


def test_a_finished_run_outlives_its_data(world, finished):
    path = world[0] / "val.json"
    path.rename(path.with_suffix(".away"))
    try:
        assert get_or_train(world[1]).predictions() == finished[0].predictions()
    finally:
        path.with_suffix(".away").rename(path)


def test_runs_are_found_by_name_or_prefix(finished, tmp_path, monkeypatch):
    run, _ = finished
    assert run in list_runs() and find_run(run.name) == find_run("whole") == run
    row = runs_table().set_index("run").loc[run.name]
    assert row["status"] == "finished" and row["steps"] == 4 and row["preset"] == "coco"
    assert row["data"] == "rectangles fine"
    with pytest.raises(UserError, match=rf"no run starts with 'nothing'; .*{run.name}"):
        find_run("nothing")
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    with pytest.raises(UserError, match="none at all"):
        find_run("a")
    for name, content in (("twin-1", "{}"), ("twin-2", '{"name": "old", "train": {"gone": 1}}')):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text(content)
    with pytest.raises(UserError, match="twin-1, twin-2"):
        find_run("twin")
    assert set(runs_table()["status"]) == {"unreadable"}


def test_a_run_is_evaluated_on_its_own_data_and_on_others(world, finished, tmp_path, capsys):
    run, _ = finished
    assert main(["evaluate", "--run", "whole"]) == 0
    out = capsys.readouterr().out
    assert "2 pictures; classes red, green" in out and str(run.evaluation) in out
    other = ["--annotations", f"{world[0]}/train.json", "--images", f"{world[0]}/train"]
    assert main(["evaluate", "--run", "whole", *other]) == 0
    assert "6 images, 12 instances" in capsys.readouterr().out
    path = tmp_path / "other.json"
    path.write_text((world[0] / "train.json").read_text().replace("green", "blue"))
    words = ["--annotations", str(path), "--images", f"{world[0]}/train"]
    assert main(["evaluate", "--run", "whole", *words]) == 2
    assert "blue" in capsys.readouterr().err


def test_training_from_the_command_line(world, capsys):
    folder, _ = world
    config = change(world[1], name="typed", train__steps=1)
    assert main(command_of(config, "quick")[3:]) == 0
    out = capsys.readouterr().out
    assert "step 1 of 1: loss" in out  # a line where nobody watches a bar
    assert str(find_run("typed").dir) in out and "preset coco" in out and "1 steps" in out
    assert find_run("typed").config == config
    assert main(["runs"]) == 0
    assert find_run("typed").name in capsys.readouterr().out
    assert main(["train", "--images", str(folder)]) == 2
    assert "train: own data need all four paths" in capsys.readouterr().err
