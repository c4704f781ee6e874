"""Running the series: each notebook through papermill, checked for what it promised."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from jupyter_client import KernelManager
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from helpers import files
from helpers.files import UserError
from helpers.series.notebook import check_parameters, notebook_path, plan, read_manifest

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


def execute(name: str, parameters: Mapping[str, Any] | None = None) -> Executed:
    """Run one notebook into outputs/notebooks/<name>.ipynb with a bar over its cells.

    Raises UserError when a parameter is wrong, a cell fails (naming cell and error), or the
    notebook ends without the manifest and figures it should have written.
    """
    source, began = notebook_path(name), time.time()
    checked = check_parameters(name, parameters or {})
    target = files.outputs_dir() / "notebooks" / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters={key: checked[key] for key in parameters or {}},
            cwd=files.ROOT,
            progress_bar={"desc": name, "ncols": 88, "leave": True},
            execution_timeout=CELL_TIMEOUT,
            config=ENCRYPTED if hasattr(KernelManager, "transport_encryption") else Config(),
        )
    except PapermillExecutionError as error:
        raise UserError(
            f"{name} stopped in cell {error.exec_count}: {error.ename}: {error.evalue}; "
            f"see the red cell in {target}"
        ) from error
    return Executed(name, target, _promised(name, began), time.time() - began)


def _promised(name: str, began: float) -> dict[str, Any]:
    """The manifest of this very execution, its figures present and not empty."""
    manifest = read_manifest(name)
    if manifest["started"] < began:
        raise UserError(f"{name} ran to its end but wrote no manifest: call work.finish(...)")
    folder = files.outputs_dir() / "notebooks-data" / name
    missing = [f for f in manifest["figures"] if not _has_content(folder / f)]
    if missing or not manifest["results"]:
        raise UserError(f"{name} promised {missing or 'results'} and did not make them")
    return manifest


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def execute_series(
    names: Sequence[str], parameters: Mapping[str, Any] | None = None
) -> list[Executed]:
    """Run the named notebooks in order; each gets those of the parameters that it knows.

    All names and parameters are checked before the first notebook starts (`notebook.plan`).
    """
    return [execute(name, given) for name, given in plan(names, parameters or {}).items()]
