"""Makes a set of scenes on all cores: `make_scenes(config)`.

The work is resumable at any point: every finished picture leaves a record in a hidden work folder,
and a call goes on with those that have none. `meta.json`, written last, marks a finished set.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import platform
import shutil
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from helpers.data.parallel import available_cores, work_on
from helpers.files import (
    TEMPORARY,
    UserError,
    locked,
    make_folder,
    outputs_dir,
    read_json,
    write_json,
)
from helpers.scenes import write
from helpers.scenes.config import SceneConfig

PACKAGES = ("numpy", "scipy", "numba", "pillow")  # whose versions are noted
GENERATOR = 1  # raised whenever the same config gives other bytes than before


def make_scenes(
    config: SceneConfig,
    *,
    folder: Path | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> Path:
    """Makes the set, or the rest of it, and returns its folder; at once when it is finished.

    folder: default `outputs/scenes/<config.name>`; jobs: worker processes, default one per core
    this process may use. The bytes written depend on the config alone. Raises UserError when the
    config asks for no pictures, or the folder holds something else or a set of another config;
    RunBusyError when another process makes the same set.
    """
    if not write.splits(config):
        raise UserError(
            f"the set {config.name!r} has no pictures: raise train, val or test above 0"
        )
    folder = outputs_dir() / "scenes" / config.name if folder is None else Path(folder)
    identity = {"generator": GENERATOR, "config": dataclasses.asdict(config)}
    _check_folder(folder, identity)
    work = folder / write.WORK
    if not is_finished(folder):
        make_folder(work)
        with locked(work):
            if not is_finished(folder):  # by the process that had the lock until now
                write_json(work / "identity.json", identity)
                _write_scenes(config, folder, jobs or available_cores(), progress)
                write.write_annotations(config, folder)
                for left in folder.rglob(f"*{TEMPORARY}"):  # by a process that was killed
                    left.unlink()
                versions = {name: importlib.metadata.version(name) for name in PACKAGES}
                meta = identity | {"python": platform.python_version(), "versions": versions}
                write_json(folder / "meta.json", meta)
    shutil.rmtree(work, ignore_errors=True)
    return folder


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a complete set of scenes."""
    return (folder / "meta.json").is_file()


def _check_folder(folder: Path, identity: dict[str, Any]) -> None:
    """Refuses a folder that holds something else than (the beginnings of) this set."""
    places = (folder / "meta.json", folder / write.WORK / "identity.json")
    known = [path for path in places if path.is_file()]
    if not known:
        if folder.is_dir() and any(path.name[0] != "." for path in folder.iterdir()):
            raise UserError(
                f"{folder} holds files that are not of a set of scenes: give an empty folder"
            )
        return
    found = read_json(known[0])
    old, new = ({"generator": d.get("generator"), **d.get("config", {})} for d in (found, identity))
    different = [
        f"{name} {old.get(name)!r} there, {new.get(name)!r} wanted"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if different:
        raise UserError(
            f"{folder} holds scenes of another config ({'; '.join(different)}): "
            "give the set another name or folder, or delete this one"
        )


def _write_scenes(config: SceneConfig, folder: Path, jobs: int, progress: bool) -> None:
    """Writes all scenes that have no record yet, the views of one room one after another."""
    sizes, rooms = write.splits(config), {}
    for split, count in sizes.items():
        for index in range(count):
            # A record is written after the files it speaks of: it is enough to look for it.
            if not write.record_path(folder, split, index).is_file():
                rooms.setdefault((split, index // config.views_per_room), []).append((split, index))
    total, left = sum(sizes.values()), sum(map(len, rooms.values()))
    one, name = functools.partial(_write_room, config, folder), f"scenes {config.name}"
    with (
        tqdm(
            total=total, initial=total - left, desc=name, unit="scene", disable=not progress
        ) as bar,
        work_on(one, list(rooms.values()), min(jobs, len(rooms))) as written,
    ):
        bar.set_postfix_str("the first one waits for the renderer to be compiled")
        for count in written:
            bar.set_postfix_str("", refresh=False)
            bar.update(count)


def _write_room(config: SceneConfig, folder: Path, views: list[tuple[str, int]]) -> int:
    """Writes views (split, index) of one room, which is built once; returns how many."""
    for split, index in views:
        write.write_scene(config, split, index, folder)
    return len(views)
