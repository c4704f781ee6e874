"""A stopped, failed or killed training goes on as if nothing had happened: bit for bit."""

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

from helpers.files import StorageError, UserError
from helpers.training import interrupt
from helpers.training.checkpoint import load_newest
from helpers.training.interrupt import Interrupted, stoppable
from helpers.training.log import read_log
from tests.training import toy

TOY = Path(__file__).with_name("toy.py")
TIMES = ["seconds_data", "seconds_step"]


class Failed(Exception):
    pass


@pytest.fixture(autouse=True)
def heard():
    """Ctrl-C arrives, also where a shell started the suite in the background with it ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return toy.train_toy(folder), read_log(folder / "log.csv")


def assert_goes_on(folder, undisturbed):
    """The same call on the same folder ends where an undisturbed one does."""
    trainer, log = toy.train_toy(folder), read_log(folder / "log.csv")
    wanted, wanted_log = undisturbed
    for name, tensor in wanted.model.state_dict().items():
        assert torch.equal(tensor, trainer.model.state_dict()[name]), name
    pd.testing.assert_frame_equal(log.drop(columns=TIMES), wanted_log.drop(columns=TIMES))


def fail_at(step):
    def on_log(row):
        torch.rand(5), random.random()  # looking on changes nothing
        if row["step"] == step:
            raise Failed

    return on_log


@pytest.mark.parametrize("steps", [[1], [5], [11], [2, 7, 12]])
def test_failed_after_a_step(undisturbed, tmp_path, steps):
    for step in steps:
        with pytest.raises(Failed):
            toy.train_toy(tmp_path, on_log=fail_at(step))
        assert load_newest(tmp_path / "checkpoints").step == step
    assert_goes_on(tmp_path, undisturbed)


@pytest.mark.parametrize("place", ["loader", "forward", "backward", "optimiser"])
def test_failed_inside_a_step_it_keeps_the_steps_before(
    undisturbed, tmp_path, monkeypatch, caplog, place
):
    def loader(start):
        for step, batch in enumerate(toy.batches(start), start=start):
            if step == 8 and place == "loader":
                raise Failed
            yield batch

    trainer = toy.make_trainer()
    owner, name = {
        "loader": (toy, "samples_of"),
        "forward": (trainer.model.body[4], "forward"),  # the batch norm before has counted
        "backward": (torch.nn.utils, "clip_grad_norm_"),
        "optimiser": (sys.modules["torch.optim.sgd"], "sgd"),  # called once a parameter group
    }[place]
    plain, calls = getattr(owner, name), []

    def fails(*args, **options):
        calls.append(trainer.step)
        if place != "loader" and calls.count(8) == (2 if place == "optimiser" else 1):
            raise Failed
        return plain(*args, **options)

    with monkeypatch.context() as patch, pytest.raises(Failed):
        patch.setattr(owner, name, fails)
        toy.train_toy(tmp_path, trainer, batches=loader)
    stored = 5 if place == "optimiser" else 8  # of half an update nothing is kept
    assert load_newest(tmp_path / "checkpoints").step == stored
    assert ("after step 8 of 12 (Failed); it is stored" in caplog.text) == (stored == 8)
    assert_goes_on(tmp_path, undisturbed)


@pytest.mark.parametrize("changes", [{"optimizer": "adamw", "lr": 0.01}, {"ema": 0.9}])
def test_adamw_and_averaged_weights_go_on_too(tmp_path, changes):
    config = dataclasses.replace(toy.CONFIG, **changes)
    whole = toy.train_toy(tmp_path / "whole", toy.make_trainer(config))
    with pytest.raises(Failed):
        toy.train_toy(tmp_path / "failed", toy.make_trainer(config), on_log=fail_at(7))
    resumed = toy.train_toy(tmp_path / "failed", toy.make_trainer(config))
    wanted, found = whole.checkpoint("toy").weights, resumed.checkpoint("toy").weights
    assert all(torch.equal(value, wanted[name]) for name, value in found.items())


def test_a_disk_that_fills_up_leaves_the_former_checkpoint(undisturbed, tmp_path, monkeypatch):
    plain = torch.save

    def half(state, file):
        if state["step"] == 10:
            file.write(b"half a checkpoint")
            raise OSError(28, "No space left on device")
        plain(state, file)

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="No space left"):
        patch.setattr(torch, "save", half)
        toy.train_toy(tmp_path)
    assert load_newest(tmp_path / "checkpoints").step == 5
    assert not list(tmp_path.rglob("*.part"))
    assert_goes_on(tmp_path, undisturbed)


def test_half_a_log_line_and_a_damaged_checkpoint_are_done_again(undisturbed, tmp_path):
    with pytest.raises(Failed):
        toy.train_toy(tmp_path, on_log=fail_at(7))
    newest = max((tmp_path / "checkpoints").iterdir())
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1  # one bit, amid the weights
    newest.write_bytes(content)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1,0.25,0.0")
    assert read_log(tmp_path / "log.csv").step.tolist() == list(range(1, 8))
    assert_goes_on(tmp_path, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [8, 12])
def test_asked_to_stop_it_stores_and_goes_on(undisturbed, tmp_path, number, step):
    former = signal.getsignal(number)

    def asked(start):
        for batch in toy.batches(start):
            if start == step - 1:
                os.kill(os.getpid(), number)
            yield batch
            start += 1

    with pytest.raises(Interrupted, match=rf"after step {step} of 12; .* goes on from there"):
        toy.train_toy(tmp_path, batches=asked)
    assert signal.getsignal(number) is former
    assert load_newest(tmp_path / "checkpoints").step == step
    assert read_log(tmp_path / "log.csv").step.tolist() == list(range(1, step + 1))
    assert_goes_on(tmp_path, undisturbed)


def test_asked_twice_it_stops_at_once(monkeypatch):
    monkeypatch.setattr(interrupt, "SAME_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt), stoppable() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_is_ignored_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stoppable() as stop:
        os.kill(os.getpid(), signal.SIGINT)
    assert not stop.requested


def test_a_finished_training_is_left_alone_and_other_data_are_refused(tmp_path):
    toy.train_toy(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != "lock"}
    assert toy.train_toy(tmp_path).step == toy.CONFIG.steps
    with pytest.raises(UserError, match=r"training data of run .* changed"):
        toy.train_toy(tmp_path, digest="other")
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != "lock"}


def run_toy(folder: Path, *, kill_after: float | None = None) -> None:
    """Train in a subprocess; killed so many seconds after its first logged step, and begun again.

    Both in subprocesses: with another number of threads, other bits would be right too.
    """
    command = [sys.executable, str(TOY), str(folder), "300"]
    environment, log = {**os.environ, "OMP_NUM_THREADS": "1"}, folder / "log.csv"
    if kill_after is not None:
        process = subprocess.Popen(command, env=environment)
        while process.poll() is None and not (log.exists() and log.stat().st_size):
            time.sleep(0.005)
        time.sleep(kill_after)
        assert process.poll() is None, "it ended before it could be killed"
        process.kill()
        process.wait()
    subprocess.run(command, env=environment, check=True)


def test_kill_9_leaves_no_trace(tmp_path):
    run_toy(tmp_path / "killed", kill_after=0.3)
    run_toy(tmp_path / "whole")
    logs = [read_log(tmp_path / n / "log.csv").drop(columns=TIMES) for n in ("killed", "whole")]
    pd.testing.assert_frame_equal(*logs)
    killed, whole = (load_newest(tmp_path / n / "checkpoints") for n in ("killed", "whole"))
    assert killed.step == whole.step == 300
    for name, tensor in killed.model.items():
        assert torch.equal(tensor, whole.model[name]), name
