"""A killed training goes on as if nothing had happened: bit for bit, with no step twice."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from helpers.training import checkpoint as checkpoints
from helpers.training.interrupt import Interrupted, stoppable
from helpers.training.log import read_log

TOY = Path(__file__).with_name("toy.py")
TIMES = [f"seconds_{part}" for part in ("data", "step", "forward", "backward", "optimiser")]


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def heard():
    """Ctrl-C arrives, also where a shell started the suite in the background with it ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return toy.train_toy(folder), read_log(folder / "log.csv")


def assert_same(trainer, log, undisturbed):
    wanted, wanted_log = undisturbed
    for name, tensor in wanted.model.state_dict().items():
        assert torch.equal(tensor, trainer.model.state_dict()[name]), name
    pd.testing.assert_frame_equal(log.drop(columns=TIMES), wanted_log.drop(columns=TIMES))


def kill_at(step):
    def on_log(row):
        if row["step"] == step:
            raise Killed

    return on_log


@pytest.mark.parametrize("steps", [[1], [4], [5], [6], [11], [2, 7, 7, 12]])
def test_killed_after_a_step(toy, undisturbed, tmp_path, steps):
    for step in steps:
        with pytest.raises(Killed):
            toy.train_toy(tmp_path, on_log=kill_at(step))
    trainer = toy.train_toy(tmp_path)
    assert_same(trainer, read_log(tmp_path / "log.csv"), undisturbed)


@pytest.mark.parametrize("changes", [{"optimizer": "adamw", "lr": 0.01}, {"ema": 0.9}])
def test_adamw_and_averaged_weights_go_on_too(toy, tmp_path, changes):
    config = dataclasses.replace(toy.CONFIG, **changes)
    whole = toy.train_toy(tmp_path / "whole", toy.make_trainer(config))
    with pytest.raises(Killed):
        toy.train_toy(tmp_path / "killed", toy.make_trainer(config), on_log=kill_at(7))
    resumed = toy.train_toy(tmp_path / "killed", toy.make_trainer(config))
    wanted, found = whole.checkpoint("toy").weights, resumed.checkpoint("toy").weights
    assert all(torch.equal(value, wanted[name]) for name, value in found.items())


@pytest.mark.parametrize("place", ["before the backward pass", "in the optimiser"])
def test_killed_inside_a_step(toy, undisturbed, tmp_path, monkeypatch, place):
    trainer = toy.make_trainer()
    owner, name, most = {
        "before the backward pass": (trainer, "_update", 1),
        "in the optimiser": (sys.modules["torch.optim.sgd"], "sgd", 2),  # once a parameter group
    }[place]
    former, calls = getattr(owner, name), []

    def killed(*args, **options):
        calls.append(trainer.step)
        if calls.count(8) == most:
            raise Killed
        return former(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(Killed):
            toy.train_toy(tmp_path, trainer)
    assert_same(toy.train_toy(tmp_path), read_log(tmp_path / "log.csv"), undisturbed)


def test_killed_inside_a_checkpoint_write(toy, undisturbed, tmp_path, monkeypatch):
    written = []

    def half(state, file):
        written.append(state["step"])
        file.write(b"half a checkpoint")
        if len(written) == 2:
            raise Killed
        file.seek(0)
        save(state, file)

    save = torch.save
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(Killed):
            toy.train_toy(tmp_path)
    assert written == [5, 10]
    assert checkpoints.load_newest(tmp_path / "checkpoints").step == 5
    assert_same(toy.train_toy(tmp_path), read_log(tmp_path / "log.csv"), undisturbed)
    assert not list(tmp_path.rglob("*.part"))


def test_half_a_log_line_is_forgotten(toy, undisturbed, tmp_path):
    with pytest.raises(Killed):
        toy.train_toy(tmp_path, on_log=kill_at(7))
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1,0.25,0.0")
    assert read_log(tmp_path / "log.csv").step.tolist() == list(range(1, 8))
    assert_same(toy.train_toy(tmp_path), read_log(tmp_path / "log.csv"), undisturbed)


def test_a_damaged_checkpoint_falls_back_on_the_one_before(toy, undisturbed, tmp_path):
    with pytest.raises(Killed):
        toy.train_toy(tmp_path, on_log=kill_at(11))
    newest = max((tmp_path / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:200])
    assert_same(toy.train_toy(tmp_path), read_log(tmp_path / "log.csv"), undisturbed)


def test_looking_on_changes_nothing(toy, undisturbed, tmp_path):
    def curious(row):
        torch.rand(5), random.random()

    trainer = toy.train_toy(tmp_path, on_log=curious)
    assert_same(trainer, read_log(tmp_path / "log.csv"), undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_stores_and_goes_on(toy, undisturbed, tmp_path, number):
    former = signal.getsignal(number)

    def asked(start):
        for batch in toy.batches(start):
            if start == 7:
                os.kill(os.getpid(), number)
            yield batch
            start += 1

    with pytest.raises(Interrupted, match=r"after step 8 of 12; .* goes on from there"):
        toy.train_toy(tmp_path, batches=asked)
    assert signal.getsignal(number) is former
    assert checkpoints.load_newest(tmp_path / "checkpoints").step == 8
    assert read_log(tmp_path / "log.csv").step.tolist() == list(range(1, 9))
    assert_same(toy.train_toy(tmp_path), read_log(tmp_path / "log.csv"), undisturbed)


def test_asked_to_stop_at_the_last_step_it_stops_after_it(toy, undisturbed, tmp_path):
    def stop(row):
        if row["step"] == toy.CONFIG.steps:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="after step 12 of 12"):
        toy.train_toy(tmp_path, on_log=stop)
    assert_same(toy.train_toy(tmp_path), read_log(tmp_path / "log.csv"), undisturbed)


def test_asked_twice_it_stops_at_once(monkeypatch):
    monkeypatch.setattr("helpers.training.interrupt.SAME_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt), stoppable() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_is_ignored_stays_so():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable() as stop:
            os.kill(os.getpid(), signal.SIGINT)
        assert not stop.requested
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_finished_training_is_left_alone(toy, tmp_path):
    toy.train_toy(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != "lock"}
    assert toy.train_toy(tmp_path).step == toy.CONFIG.steps
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != "lock"}


def test_other_data_are_refused(toy, tmp_path):
    toy.train_toy(tmp_path)
    with pytest.raises(ValueError, match=r"training data of run .* changed"):
        toy.train_toy(tmp_path, digest="other")


def run_killed(folder: Path, steps: int, seconds_after_start: list[float]) -> int:
    """Train in subprocesses, each killed so long after its first logged step; returns the kills."""
    command = [sys.executable, str(TOY), str(folder), str(steps)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for count, seconds in enumerate(seconds_after_start):
        process = subprocess.Popen(command, env=environment)
        before = _log_size(folder)
        while process.poll() is None and _log_size(folder) == before:
            time.sleep(0.005)
        time.sleep(seconds)
        if process.poll() is not None:
            assert process.returncode == 0
            return count
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, env=environment, check=True)
    return len(seconds_after_start)


def _log_size(folder: Path) -> int:
    log = folder / "log.csv"
    return log.stat().st_size if log.exists() else 0


def compare_killed(tmp_path, steps, delays):
    """Both in subprocesses: with another number of threads, other bits would be right too."""
    kills = run_killed(tmp_path / "killed", steps, delays)
    run_killed(tmp_path / "whole", steps, [])
    logs = [read_log(tmp_path / n / "log.csv").drop(columns=TIMES) for n in ("killed", "whole")]
    pd.testing.assert_frame_equal(*logs)
    killed, whole = (
        checkpoints.load_newest(tmp_path / n / "checkpoints") for n in ("killed", "whole")
    )
    assert killed.step == whole.step == steps
    for name, tensor in killed.model.items():
        assert torch.equal(tensor, whole.model[name]), name
    return kills


def test_kill_9(tmp_path):
    assert compare_killed(tmp_path, 300, [0.3]) == 1


@pytest.mark.slow
def test_kill_9_at_ten_random_moments(tmp_path):
    delays = [random.uniform(0.0, 0.6) for _ in range(10)]
    print("delays", delays)
    assert compare_killed(tmp_path, 4000, delays) == 10
