"""Making a set: same bytes however it is made, resumable after a kill, nothing overwritten."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.files import UserError
from helpers.scenes import make, write
from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes

CONFIG = SceneConfig(name="tiny", size=48, train=5, val=3, noise="statistical")

SCRIPT = f"""
from pathlib import Path
from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes
if __name__ == "__main__":
    make_scenes({CONFIG!r}, folder=Path("FOLDER"), jobs=2, progress=False)
"""


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set as one process makes it."""
    return make_scenes(CONFIG, folder=tmp_path_factory.mktemp("one"), jobs=1, progress=False)


def test_a_set_killed_in_the_middle_goes_on_to_the_same_bytes(finished, tmp_path):
    folder, script = tmp_path / "set", tmp_path / "script.py"
    script.write_text(SCRIPT.replace("FOLDER", str(folder)))
    process = subprocess.Popen([sys.executable, script])
    records = wait_until(lambda: list((folder / write.WORK).glob("*/*.json")), seconds=120)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(workers) >= 2
    wait_until(lambda: not any(is_running(worker) for worker in workers), seconds=20)
    assert not make.is_finished(folder)
    before = {path: path.stat().st_mtime_ns for path in records}
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "_write_split", remember(seen, before, write._write_split))
        make_scenes(CONFIG, folder=folder, jobs=1, progress=False)
    assert seen == [True] * 2  # the records of before the kill were used as they were
    assert contents(folder) == contents(finished)


def test_two_processes_write_the_same_bytes(finished, tmp_path):
    folder = make_scenes(CONFIG, folder=tmp_path / "two", jobs=2, progress=False)
    assert contents(folder) == contents(finished)


def test_a_finished_set_is_returned_at_once(finished, monkeypatch):
    monkeypatch.setattr(write, "write_scene", None)  # any use would fail
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    assert make_scenes(CONFIG, folder=finished, progress=False) == finished
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*")}


def test_another_seed_gives_other_pictures(finished, tmp_path):
    config = dataclasses.replace(CONFIG, seed=1, train=1, val=0)
    folder = make_scenes(config, folder=tmp_path / "other", jobs=1, progress=False)
    name = "train/image/0000000.jpg"
    assert (folder / name).read_bytes() != (finished / name).read_bytes()


def test_a_smaller_set_is_the_beginning_of_a_larger_one(finished, tmp_path):
    config = dataclasses.replace(CONFIG, train=2, val=0)
    folder = make_scenes(config, folder=tmp_path / "small", jobs=1, progress=False)
    for path in folder.glob("train/*/*"):
        assert (finished / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_a_set_of_another_config_is_refused_and_kept(finished):
    before = contents(finished)
    other = dataclasses.replace(CONFIG, seed=7, noise_level=1.0)
    with pytest.raises(UserError, match=r"noise_level 0.5 there, 1.0 wanted; seed 0 there, 7"):
        make_scenes(other, folder=finished, progress=False)
    assert contents(finished) == before


def test_an_unfinished_set_of_another_config_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "write_scene", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_scenes(CONFIG, folder=tmp_path, jobs=1, progress=False)
    with pytest.raises(UserError, match="size 48 there, 64 wanted"):
        make_scenes(dataclasses.replace(CONFIG, size=64), folder=tmp_path, progress=False)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="empty folder"):
        make_scenes(CONFIG, folder=tmp_path, progress=False)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


def test_the_default_folder_is_named_after_the_set(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    one = dataclasses.replace(CONFIG, name="only-one", train=1, val=0)
    folder = make_scenes(one, jobs=1, progress=False)
    assert folder == tmp_path / "scenes" / "only-one" and make.is_finished(folder)


def test_a_set_without_pictures_is_refused(tmp_path):
    empty = dataclasses.replace(CONFIG, train=0, val=0)
    with pytest.raises(UserError, match="has no pictures"):
        make_scenes(empty, folder=tmp_path / "empty", progress=False)
    assert not (tmp_path / "empty").exists()


def interrupted(*args: object) -> None:
    raise KeyboardInterrupt


def remember(seen: list, before: dict, function):
    def wrapped(config, folder, split, hashes):
        seen.append(all(path.stat().st_mtime_ns == old for path, old in before.items()))
        return function(config, folder, split, hashes)

    return wrapped


def wait_until(condition, *, seconds: float):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
