"""What a training leaves and shows: checkpoints, the log, TensorBoard, full disks."""

import os
import resource
import sys
from contextlib import closing
from types import SimpleNamespace

import pytest
import torch

from helpers.files import StorageError, UserError
from helpers.training.checkpoint import Checkpoint, load_newest, save
from helpers.training.log import StepLog, read_log
from helpers.training.progress import TensorBoard


def a_checkpoint(step, size=10):
    return Checkpoint(step, 0, "data", {"w": torch.full((size,), float(step))}, {}, {})


@pytest.fixture
def full_disk():
    """Files cannot grow beyond 20 kB, as on a disk with no more space."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_two_newest_checkpoints_are_kept(tmp_path):
    assert load_newest(tmp_path) is None
    for step in (5, 10, 15):
        save(tmp_path, a_checkpoint(step))
    assert sorted(os.listdir(tmp_path)) == ["step_00000010.pt", "step_00000015.pt"]
    assert load_newest(tmp_path).model["w"][0] == 15


def test_damaged_checkpoints_and_code_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    (tmp_path / "step_00000001.pt").write_bytes(b"PK\x03\x04")
    torch.save({"step": Evil()}, tmp_path / "step_00000002.pt")
    with pytest.raises(StorageError, match=r"no checkpoint in .* can be read"):
        load_newest(tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_a_full_disk_stops_the_log(tmp_path, full_disk):
    log = StepLog(tmp_path / "log.csv", last_step=0)
    with pytest.raises(StorageError, match="cannot write"):
        for step in range(100_000):
            log.write({"step": step + 1, "total": 1.0})
    steps = read_log(tmp_path / "log.csv").step.tolist()
    assert len(steps) > 100 and steps == list(range(1, len(steps) + 1))


def test_a_log_keeps_its_columns_whatever_times_another_version_takes(tmp_path):
    path = tmp_path / "log.csv"
    assert read_log(path).empty
    with closing(StepLog(path, last_step=0)) as log:
        log.write({"step": 1, "loss_a": 0.5, "seconds_step": 1.0})
        with pytest.raises(UserError, match=r"loss_b.*same losses at every step"):
            log.write({"step": 2, "loss_a": 0.5, "loss_b": 1.0, "seconds_step": 1.0})
    with closing(StepLog(path, last_step=1)) as log:
        log.write({"step": 2, "loss_a": 0.5, "seconds_step": 1.0, "seconds_forward": 0.5})
        log.write({"step": 3, "loss_a": 0.5})
    assert list(read_log(path)) == ["step", "loss_a", "seconds_step"]
    assert read_log(path).step.tolist() == [1, 2, 3]


def test_tensorboard_gets_each_row_and_forgets_what_is_done_again(tmp_path, monkeypatch):
    class Writer:
        """Where tensorboard is not installed: what its writer is asked for."""

        def __init__(self, folder, purge_step):
            self.asked = [purge_step]

        def add_scalar(self, *what):
            self.asked.append(what)

        def close(self):
            self.asked.append("closed")

    monkeypatch.setitem(
        sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer)
    )
    with closing(TensorBoard(tmp_path, after=5)) as board:
        board(
            {"step": 6, "epoch": 0.1, "lr": 0.5, "loss_a": 1.0, "total": 1.0, "seconds_step": 2.0}
        )
    losses = [("loss/loss_a", 1.0, 6), ("loss/total", 1.0, 6)]
    wanted = [("lr", 0.5, 6), *losses, ("seconds/step", 2.0, 6)]
    assert board._writer.asked == [6, *wanted, "closed"]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="pip install tensorboard"):
        TensorBoard(tmp_path, after=0)
