"""JSON files that come back, and a folder for one at a time."""

import fcntl
import multiprocessing
import os
import socket
import subprocess
import threading
import time

import pytest

from helpers.files import RunBusyError, StorageError, is_locked, locked, read_json, write_json


def test_json_round_trip(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, None]}
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        read_json(tmp_path / "a.json")


def test_the_lock_names_its_holder(tmp_path):
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
        busy = rf"{tmp_path.name} is .* by process {os.getpid()} "
        with pytest.raises(RunBusyError, match=busy), locked(tmp_path):
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
