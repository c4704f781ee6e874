"""Whole files or none, and a folder for one at a time."""

import fcntl
import multiprocessing
import os
import re
import resource
import shlex
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
import torch

from helpers.files import (
    RunBusyError,
    StorageError,
    is_locked,
    locked,
    read_json,
    replace_file,
    write_json,
)
from helpers.training.checkpoint import Checkpoint, load_newest, save
from helpers.training.log import StepLog, read_log


def a_checkpoint(step, size=10):
    return Checkpoint(step, 0, "data", {"w": torch.full((size,), float(step))}, {}, {})


@pytest.fixture
def full_disk():
    """Files cannot grow beyond 20 kB, as on a disk with no more space."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_json_round_trip(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, None]}
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        read_json(tmp_path / "a.json")


def test_an_interrupted_write_leaves_the_former_file(tmp_path):
    def half(file):
        file.write(b"half")
        raise KeyboardInterrupt

    path = tmp_path / "a.bin"
    replace_file(path, lambda file: file.write(b"former") and None)
    with pytest.raises(KeyboardInterrupt):
        replace_file(path, half)
    assert path.read_bytes() == b"former"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_two_newest_checkpoints_are_kept(tmp_path):
    for step in (5, 10, 15):
        save(tmp_path, a_checkpoint(step))
    assert sorted(os.listdir(tmp_path)) == ["step_00000010.pt", "step_00000015.pt"]
    assert load_newest(tmp_path).model["w"][0] == 15


def test_no_checkpoint_and_only_damaged_ones(tmp_path):
    assert load_newest(tmp_path) is None
    (tmp_path / "step_00000001.pt").write_bytes(b"")
    (tmp_path / "step_00000002.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(StorageError, match=r"no checkpoint in .* can be read"):
        load_newest(tmp_path)


def test_a_checkpoint_never_runs_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    torch.save({"step": Evil()}, tmp_path / "step_00000001.pt")
    with pytest.raises(StorageError):
        load_newest(tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_a_full_disk_leaves_the_former_checkpoint(tmp_path, full_disk):
    save(tmp_path, a_checkpoint(1))
    with pytest.raises(StorageError, match=r"step_00000002.*: File too large\. .*intact"):
        save(tmp_path, a_checkpoint(2, size=100_000))
    assert os.listdir(tmp_path) == ["step_00000001.pt"]
    assert load_newest(tmp_path).step == 1


def test_a_full_disk_stops_the_log(tmp_path, full_disk):
    log = StepLog(tmp_path / "log.csv", last_step=0)
    with pytest.raises(StorageError, match="cannot write"):
        for step in range(100_000):
            log.write({"step": step + 1, "total": 1.0})
    steps = read_log(tmp_path / "log.csv").step.tolist()
    assert len(steps) > 100 and steps == list(range(1, len(steps) + 1))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(StorageError, match="cannot write"):
        save(tmp_path, a_checkpoint(1))


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        save(tmp_path / "gone", a_checkpoint(1))


def test_the_lock_names_its_holder(tmp_path):
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
        busy = rf"{tmp_path.name} is .* by process {os.getpid()} "
        with pytest.raises(RunBusyError, match=busy), locked(tmp_path):
            pass
    assert not is_locked(tmp_path)


def test_who_asks_does_not_hold_it(tmp_path):
    with locked(tmp_path):
        pass
    with (tmp_path / "lock").open("rb") as another:
        fcntl.flock(another, fcntl.LOCK_SH)  # as somebody has it who asks at the same moment
        assert not is_locked(tmp_path)


def test_a_process_forked_meanwhile_does_not_keep_the_lock(tmp_path):
    with locked(tmp_path):
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
        worker.start()
    free = not is_locked(tmp_path)
    worker.kill()
    worker.join()
    assert free


def test_the_orphans_of_a_killed_process_are_waited_for(tmp_path):
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True).stdout.strip()
    with (tmp_path / "lock").open("w") as orphan:
        fcntl.flock(orphan, fcntl.LOCK_EX)
        orphan.write(f"process {dead} on {socket.gethostname()}")
        orphan.flush()
        threading.Timer(0.5, fcntl.flock, (orphan, fcntl.LOCK_UN)).start()
        began = time.monotonic()
        with locked(tmp_path):
            assert time.monotonic() - began > 0.3


def test_a_log_keeps_its_columns(tmp_path):
    log = StepLog(tmp_path / "log.csv", last_step=0)
    log.write({"step": 1, "loss_a": 0.5})
    with pytest.raises(ValueError, match=r"loss_b.*same losses at every step"):
        log.write({"step": 2, "loss_a": 0.5, "loss_b": 1.0})


def test_a_log_goes_on_without_the_times_it_had_no_column_for(tmp_path):
    with closing(StepLog(tmp_path / "log.csv", last_step=0)) as log:
        log.write({"step": 1, "loss_a": 0.5, "seconds_step": 1.0})
    with closing(StepLog(tmp_path / "log.csv", last_step=1)) as log:
        log.write({"step": 2, "loss_a": 0.5, "seconds_step": 1.0, "seconds_forward": 0.5})
        with pytest.raises(ValueError, match="seconds_step"):
            log.write({"step": 3, "loss_a": 0.5, "seconds_forward": 0.5})
    assert list(read_log(tmp_path / "log.csv")) == ["step", "loss_a", "seconds_step"]


def test_an_empty_log(tmp_path):
    assert read_log(tmp_path / "log.csv").empty


FULL_DISK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import toy
from helpers.files import StorageError

disk = Path(sys.argv[2])
filler = disk / "filler"

def fill(row):
    if row["step"] == 7:
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(512)):
                    pass
            except OSError as error:
                assert error.errno == 28, error
try:
    toy.train_toy(disk / "run", on_log=fill)
except StorageError as error:
    print(error)
checkpoints = sorted(path.name for path in (disk / "run" / "checkpoints").iterdir())
assert checkpoints == ["step_00000005.pt"], checkpoints
filler.unlink()
print("went on to step", toy.train_toy(disk / "run").step)
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_stops_a_run_which_then_goes_on(toy, tmp_path):
    mount = f"mount -t tmpfs -o size=128k tmpfs {tmp_path}"
    alone = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*alone, mount], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    script = [sys.executable, "-c", FULL_DISK, os.path.dirname(toy.__file__), str(tmp_path)]
    train = f"{mount} && exec {shlex.join(script)}"
    found = subprocess.run([*alone, train], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert re.search(r"cannot write \S+: No space left on device\. ", found.stdout), found.stdout
    assert found.stdout.endswith("went on to step 12\n")
