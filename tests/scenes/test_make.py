"""Making a set: same bytes however it is made, resumable after a kill, nothing overwritten."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.files import RunBusyError, UserError, locked
from helpers.scenes import make, write
from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes
from tests.data.datafiles import contents

CONFIG = SceneConfig(name="tiny", size=48, train=5, val=3, noise="statistical")

SCRIPT = f"""
from pathlib import Path
from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes
if __name__ == "__main__":
    make_scenes({CONFIG!r}, folder=Path("FOLDER"), jobs=2, progress=False)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set as one process makes it."""
    return make_scenes(CONFIG, folder=tmp_path_factory.mktemp("one"), jobs=1, progress=False)


def test_a_set_killed_in_the_middle_goes_on_to_the_same_bytes(finished, tmp_path):
    folder, script = tmp_path / "set", tmp_path / "script.py"
    script.write_text(SCRIPT.replace("FOLDER", str(folder)))
    process = subprocess.Popen([sys.executable, script])
    end = time.monotonic() + 300
    while not (records := list((folder / write.WORK).glob("*/*.json"))):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "meta.json").exists()
    pictures = [folder / r.parent.name / "image" / f"{r.stem}.jpg" for r in records]
    times = [picture.stat().st_mtime_ns for picture in pictures]
    make_scenes(CONFIG, folder=folder, jobs=1, progress=False)
    assert times == [picture.stat().st_mtime_ns for picture in pictures]  # none is made again
    assert contents(folder) == contents(finished)


def test_a_finished_set_is_returned_at_once(finished, monkeypatch):
    monkeypatch.setattr(write, "write_scene", None)  # any use would fail
    assert make_scenes(CONFIG, folder=finished, progress=False) == finished


def test_the_seed_decides_and_a_smaller_set_is_the_beginning_of_a_larger_one(
    finished, tmp_path, monkeypatch
):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    small = dataclasses.replace(CONFIG, train=2, val=0, name="small")
    folder = make_scenes(small, jobs=1, progress=False)
    assert folder == tmp_path / "scenes" / "small"
    pictures = sorted(path.relative_to(folder) for path in folder.glob("train/*/*"))
    assert len(pictures) == 4
    assert all((finished / p).read_bytes() == (folder / p).read_bytes() for p in pictures)
    other = dataclasses.replace(small, seed=1, train=1, name="other")
    folder = make_scenes(other, jobs=1, progress=False)
    assert (folder / pictures[2]).read_bytes() != (finished / pictures[2]).read_bytes()


def test_other_sets_other_files_and_busy_folders_are_refused(finished, tmp_path):
    before = contents(finished)
    other = dataclasses.replace(CONFIG, seed=7, noise_level=1.0)
    with pytest.raises(UserError, match=r"noise_level 0.5 there, 1.0 wanted; seed 0 there, 7"):
        make_scenes(other, folder=finished, progress=False)
    assert contents(finished) == before
    unfinished = tmp_path / "unfinished"
    (unfinished / write.WORK).mkdir(parents=True)
    identity = {"generator": make.GENERATOR, "config": dataclasses.asdict(CONFIG)}
    (unfinished / write.WORK / "identity.json").write_text(json.dumps(identity))
    with pytest.raises(UserError, match="size 48 there, 64 wanted"):
        make_scenes(dataclasses.replace(CONFIG, size=64), folder=unfinished, progress=False)
    with locked(unfinished / write.WORK), pytest.raises(RunBusyError, match=str(os.getpid())):
        make_scenes(CONFIG, folder=unfinished, progress=False)
    with pytest.raises(UserError, match="no pictures"):
        make_scenes(dataclasses.replace(CONFIG, train=0, val=0), folder=tmp_path / "empty")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="empty folder"):
        make_scenes(CONFIG, folder=tmp_path, progress=False)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
