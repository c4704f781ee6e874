"""What a notebook of the series needs of its surroundings: parameters that are checked, a folder to
write to, a manifest that says what was made. And the other way round: running a notebook.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import files
from helpers.files import UserError
from helpers.run_store import VERSIONS, hardware

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTEBOOKS = files.ROOT / "notebooks"


def series() -> list[str]:
    """Names of the notebooks in reading order, e.g. "01_dataset_analysis"."""
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def notebook_path(name: str) -> Path:
    """The notebook's file. Raises UserError with the known names when there is none."""
    if name not in series():
        raise UserError(f"no notebook {name!r}: choose one of {', '.join(series())}")
    return NOTEBOOKS / f"{name}.ipynb"


def parameters_of(path: Path) -> dict[str, Any]:
    """Names and default values of the cell tagged `parameters`.

    Raises UserError when the notebook has not exactly one such cell.
    """
    cells = [
        "".join(cell["source"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    if len(cells) != 1:
        raise UserError(f"{path.name} has {len(cells)} cells tagged `parameters`, not one")
    statements = [node for node in ast.parse(cells[0]).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in statements}


def check_parameters(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook's parameters with the given values filled in.

    Raises UserError naming the known parameters when one is unknown, and the wanted type when
    a value has another type than the default (an int passes for a float, None for anything).
    """
    known = parameters_of(notebook_path(name))
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UserError(
            f"{name} has no parameter {', '.join(map(repr, unknown))}: "
            f"it knows {', '.join(f'{key} = {value!r}' for key, value in known.items())}"
        )
    for key, value in given.items():
        if not _fits(value, known[key]):
            raise UserError(
                f"parameter {key} of {name} is {value!r}: wanted is "
                f"{type(known[key]).__name__}, like the default {known[key]!r}"
            )
    return {**known, **given}


def _fits(value: Any, default: Any) -> bool:
    if default is None or value is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, list | tuple):
        return isinstance(value, list | tuple)
    return isinstance(value, type(default))


def parse_parameter(text: str) -> tuple[str, Any]:
    """ "steps=40" -> ("steps", 40); a value that is no Python literal stays text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"parameter {text!r} is not of the form NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def start(name: str, namespace: Mapping[str, Any]) -> Work:
    """First call of a notebook, straight after its parameters: `work = start("01_...", globals())`.

    Papermill only logs a mistyped parameter; here it becomes a UserError: the cell papermill
    injects is found in the kernel's history, and every name it sets must be a known parameter.
    """
    known = parameters_of(notebook_path(name))
    given = {key: namespace[key] for key in known if key in namespace}
    for key in _injected_names(namespace.get("In", [])):
        given[key] = namespace[key]
    return Work(name, check_parameters(name, given), time.time())


def _injected_names(history: Sequence[str]) -> list[str]:
    """Names set by the cell that papermill put in: it opens with the comment `# Parameters`."""
    injected = [cell for cell in history if cell.startswith("# Parameters\n")]
    body = ast.parse(injected[-1]).body if injected else []
    return [node.targets[0].id for node in body if isinstance(node, ast.Assign)]


@dataclass(frozen=True)
class Work:
    """One running notebook: its name, checked parameters, start time (seconds since the epoch)."""

    name: str
    parameters: dict[str, Any]
    started: float = field(repr=False)

    @property
    def folder(self) -> Path:
        """outputs/notebooks-data/<name>, for whatever the notebook hands on."""
        folder = files.outputs_dir() / "notebooks-data" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finish(self, results: Mapping[str, Any], figures: Mapping[str, Figure]) -> Path:
        """Last call of a notebook: save figures as PNG and write the manifest; returns its path.

        `results` are plain values; a table is given as a list of row dicts.
        """
        for key, figure in figures.items():
            figure.savefig(self.folder / f"{key}.png", dpi=110, bbox_inches="tight")
        manifest = {
            "notebook": self.name,
            "parameters": self.parameters,
            "started": self.started,
            "seconds": round(time.time() - self.started, 1),
            "hardware": hardware(),
            "versions": {package: metadata.version(package) for package in VERSIONS},
            "results": results,
            "figures": [f"{key}.png" for key in figures],
        }
        path = self.folder / "manifest.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(manifest, indent=1, default=_plain))
        os.replace(temporary, path)
        return path


def read_manifest(name: str) -> dict[str, Any]:
    """What a notebook last handed on. Raises UserError naming the notebook that makes it."""
    path = files.outputs_dir() / "notebooks-data" / name / "manifest.json"
    if not path.exists():
        raise UserError(f"{path} is missing: run {name} first (python -m helpers run {name})")
    return json.loads(path.read_text())


def _plain(value: Any) -> Any:
    """JSON for what numpy, pandas and dataclasses hand over."""
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a manifest holds plain values, not {type(value).__name__}")
