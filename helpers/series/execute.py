"""Running the series: each notebook through papermill, checked for what it promised, two at a time
where neither needs what the other makes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import chdir, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from jupyter_client import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from helpers import files
from helpers.data.parallel import available_cores
from helpers.files import UserError
from helpers.series.notebook import needs, notebook_path, plan, read_manifest, series

CELL_TIMEOUT = 6 * 3600  # seconds; a cell may train on a GPU for hours
# Where it is known, or every kernel warns on the terminal that its traffic can be read.
ENCRYPTED = Config({"KernelManager": {"transport_encryption": "auto"}})


@dataclass(frozen=True)
class Executed:
    """One executed notebook: its copy with outputs, its manifest, seconds taken."""

    name: str
    path: Path
    manifest: dict[str, Any]
    seconds: float


def execute_series(
    names: Sequence[str], parameters: Mapping[str, Any] | None = None, *, at_once: int | None = None
) -> list[Executed]:
    """Run the named notebooks into outputs/notebooks/<name>.ipynb, each with a bar over its cells.

    Each gets those of the parameters that it knows; `at_once` of them run at a time (default: two,
    one on a single core), and one that needs another's results waits for it. All names and
    parameters are checked before the first starts. Raises UserError when one is wrong, a cell fails
    (naming cell and error), or a notebook ends without the results it should have written; the
    others are stopped then, as by Ctrl-C.
    """
    planned = plan(names, parameters or {})
    waits = {name: _waits_for(name, planned) for name in planned}
    awaited = set().union(*waits.values())
    running: dict[Future[Executed], str] = {}
    done: dict[str, Executed] = {}
    kernels: list[AsyncKernelManager] = []

    class Kernel(AsyncKernelManager):
        """Of one notebook. nbclient makes it; here it is known, and can be stopped."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            kernels.append(self)

    at_once = at_once or min(2, available_cores())
    with chdir(files.ROOT), ThreadPoolExecutor(at_once) as pool:
        try:
            while len(done) < len(planned):
                left = [n for n in planned if n not in done and n not in running.values()]
                ready = [name for name in left if waits[name] <= done.keys()]
                if ready and len(running) < at_once:
                    # What others wait for, else the last: long ones stand there.
                    name = next((name for name in ready if name in awaited), ready[-1])
                    running[pool.submit(_execute, name, planned[name], Kernel)] = name
                    continue
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done[running.pop(future)] = future.result()
        except BaseException:
            _stop(kernels, running)
            raise
    return [done[name] for name in planned]


def executed_before(names: Collection[str]) -> list[Executed]:
    """What of the series, but for those names, earlier runs have executed and left."""
    done = []
    for name in set(series()) - set(names):
        path, manifest = files.outputs_dir() / "notebooks" / f"{name}.ipynb", read_manifest(name)
        if path.exists() and manifest is not None:
            done.append(Executed(name, path, manifest, manifest["seconds"]))
    return done


def _waits_for(name: str, names: Collection[str]) -> set[str]:
    """The notebooks among `names` that have to be done before `name`: those that make what it
    needs; where one of these is not among them, the first that needs the same makes it, too."""
    wanted = needs(name)
    makers = {n if n in names else next(m for m in names if n in needs(m)) for n in wanted}
    return makers - {name}


def _stop(kernels: Sequence[AsyncKernelManager], running: Collection[Future[Executed]]) -> None:
    """End what still runs; a training stores its state first."""
    while not all(future.done() for future in running):
        for kernel in kernels:
            if kernel.has_kernel:
                with suppress(ProcessLookupError):
                    os.kill(kernel.provisioner.pid, signal.SIGTERM)
        wait(running, timeout=5)


def _execute(name: str, parameters: Mapping[str, Any], kernel: type) -> Executed:
    source, began = notebook_path(name), time.time()
    target = files.outputs_dir() / "notebooks" / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters=dict(parameters),
            progress_bar={"desc": name, "ncols": 88, "leave": True},
            execution_timeout=CELL_TIMEOUT,
            kernel_manager_class=kernel,
            config=ENCRYPTED if hasattr(AsyncKernelManager, "transport_encryption") else Config(),
        )
    except PapermillExecutionError as error:
        raise UserError(
            f"{name} stopped in cell {error.exec_count}: {error.ename}: {error.evalue}; "
            f"see the red cell in {target}"
        ) from error
    except DeadKernelError as error:
        raise UserError(
            f"the kernel of {name} was ended from outside; if memory ran out: --at-once 1"
        ) from error
    return Executed(name, target, _promised(name, began), time.time() - began)


def _promised(name: str, began: float) -> dict[str, Any]:
    """The manifest of this very execution, with results in it."""
    manifest = read_manifest(name)
    if manifest is None or manifest["started"] < began:
        raise UserError(f"{name} ran to its end but wrote no manifest: call work.finish(...)")
    if not manifest["results"]:
        raise UserError(f"{name} promised results and has none")
    return manifest
