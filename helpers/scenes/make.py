"""Makes a set of scenes on all cores: `make_scenes(config)`.

The work is resumable at any point: every finished picture leaves a record in a hidden work folder,
and a call goes on with those that have none. `meta.json`, written last, marks a finished set.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from helpers.data.parallel import available_cores, work_on
from helpers.files import UserError, outputs_dir
from helpers.scenes import statistics, write
from helpers.scenes.config import SceneConfig

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
    config asks for no pictures, or the folder holds something else or a set of another config.
    """
    if not write.splits(config):
        raise UserError(
            f"the set {config.name!r} has no pictures: raise train, val or test above 0"
        )
    folder = outputs_dir() / "scenes" / config.name if folder is None else Path(folder)
    identity = {"generator": GENERATOR, "config": dataclasses.asdict(config)}
    _check_folder(folder, identity)
    if not is_finished(folder):
        write.write_bytes(folder, _identity_path(folder), json.dumps(identity).encode())
        _write_scenes(config, folder, jobs or available_cores(), progress)
        _write_meta(identity, folder, write.write_annotations(config, folder))
    shutil.rmtree(folder / write.WORK, ignore_errors=True)
    return folder


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a complete set of scenes."""
    return (folder / "meta.json").is_file()


def _identity_path(folder: Path) -> Path:
    return folder / write.WORK / "identity.json"


def _check_folder(folder: Path, identity: dict[str, Any]) -> None:
    """Makes the folder if need be; refuses one that is not of this set."""
    known = [path for path in (folder / "meta.json", _identity_path(folder)) if path.is_file()]
    if not known:
        if folder.exists() and any(p.name != write.WORK for p in folder.iterdir()):
            raise UserError(
                f"{folder} holds files that are not of a set of scenes: give an empty folder"
            )
        (folder / write.WORK).mkdir(parents=True, exist_ok=True)
        return
    found = json.loads(known[0].read_text())
    different = [
        f"{name} {old!r} there, {new!r} wanted"
        for name, old, new in _flat_differences(found, identity)
    ]
    if different:
        raise UserError(
            f"{folder} holds scenes of another config ({'; '.join(different)}): "
            "give the set another name or folder, or delete this one"
        )


def _flat_differences(
    found: dict[str, Any], wanted: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    old, new = ({"generator": d["generator"], **d["config"]} for d in (found, wanted))
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)


def _write_scenes(config: SceneConfig, folder: Path, jobs: int, progress: bool) -> None:
    """Writes all scenes that have no record yet, the views of one room one after another."""
    total, rooms = 0, {}
    for split, count in write.splits(config).items():
        total += count
        for index in range(count):
            if not _is_written(folder, split, index):
                rooms.setdefault((split, index // config.views_per_room), []).append(index)
    tasks = [(split, indices) for (split, _), indices in rooms.items()]
    left = sum(len(indices) for _, indices in tasks)
    one = functools.partial(write.write_room, config, folder)
    with (
        tqdm(
            total=total,
            initial=total - left,
            desc=f"scenes {config.name}",
            unit="scene",
            disable=not progress,
        ) as bar,
        work_on(one, tasks, min(jobs, len(tasks))) as written,
    ):
        bar.set_postfix_str("the first one waits for the renderer to be compiled")
        for count in written:
            bar.set_postfix_str("", refresh=False)
            bar.update(count)


def _is_written(folder: Path, split: str, index: int) -> bool:
    """The record is renamed into place after the files it speaks of, so it is enough to look."""
    return write.record_path(folder, split, index).is_file()


def _write_meta(identity: dict[str, Any], folder: Path, hashes: dict[str, str]) -> None:
    packages = ("numpy", "scipy", "numba", "pillow")
    meta = identity | {
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "statistics": statistics.scene_statistics(folder).to_dict(),
        "sha256": hashes,
    }
    write.write_bytes(folder, folder / "meta.json", json.dumps(meta, indent=1).encode())
