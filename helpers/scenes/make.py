"""Makes a set of scenes on all cores: `make_scenes(config)`.

The work is resumable at any point: every finished picture leaves a record in a hidden work folder,
and a call goes on with those that have none. `meta.json`, written last, marks a finished set.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import multiprocessing
import os
import platform
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from helpers.paths import outputs_dir
from helpers.scenes import statistics, write
from helpers.scenes.config import SceneConfig
from helpers.scenes.write import SceneError

GENERATOR = 1  # raised whenever the same config gives other bytes than before

Task = tuple[str, int]  # split, index


def make_scenes(
    config: SceneConfig,
    *,
    folder: Path | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> Path:
    """Makes the set, or the rest of it, and returns its folder; at once when it is finished.

    folder: default `outputs/scenes/<config.name>`; jobs: worker processes, default one per core
    this process may use. The bytes written depend on the config alone. Raises SceneError when the
    folder holds something else, or a set of another config.
    """
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


def available_cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _identity_path(folder: Path) -> Path:
    return folder / write.WORK / "identity.json"


def _check_folder(folder: Path, identity: dict[str, Any]) -> None:
    """Makes the folder if need be; refuses one that is not of this set."""
    known = [path for path in (folder / "meta.json", _identity_path(folder)) if path.is_file()]
    if not known:
        if folder.exists() and any(p.name != write.WORK for p in folder.iterdir()):
            raise SceneError(
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
        raise SceneError(
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
    """Writes all scenes that have no record yet."""
    tasks = [(split, i) for split, count in write.splits(config).items() for i in range(count)]
    left = [task for task in tasks if not _is_written(folder, *task)]
    one = functools.partial(_write_task, config, folder)
    with (
        tqdm(
            total=len(tasks),
            initial=len(tasks) - len(left),
            desc=f"scenes {config.name}",
            unit="scene",
            disable=not progress,
        ) as bar,
        _mapped(one, left, min(jobs, len(left))) as done,
    ):
        for _ in done:
            bar.update()


def _is_written(folder: Path, split: str, index: int) -> bool:
    """The record is renamed into place after the files it speaks of, so it is enough to look."""
    return write.record_path(folder, split, index).is_file()


def _write_task(config: SceneConfig, folder: Path, task: Task) -> None:
    write.write_scene(config, *task, folder)


@contextmanager
def _mapped(
    function: functools.partial[None], tasks: list[Task], jobs: int
) -> Iterator[Iterable[Any]]:
    """The tasks being done, here or in `jobs` other processes; an error drops the rest."""
    if jobs <= 1:
        yield map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_die_with_parent) as pool:
        try:
            futures = [pool.submit(function, task) for task in tasks]
            yield (future.result() for future in as_completed(futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _die_with_parent() -> None:
    """Ends this worker when its parent is killed; a pool's workers would wait for work for ever.

    An interrupt from the keyboard reaches all processes; only the parent answers it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_meta(identity: dict[str, Any], folder: Path, hashes: dict[str, str]) -> None:
    packages = ("numpy", "scipy", "numba", "pillow")
    meta = identity | {
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "statistics": statistics.scene_statistics(folder).to_dict(),
        "sha256": hashes,
    }
    write.write_bytes(folder, folder / "meta.json", json.dumps(meta, indent=1).encode())
