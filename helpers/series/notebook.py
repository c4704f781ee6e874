"""What a notebook of the series needs of its surroundings: parameters that are checked, a folder to
write to, a manifest that says what was made. And the other way round: running a notebook.
"""

from __future__ import annotations

import ast
import dataclasses
import json
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


@dataclass(frozen=True)
class Parameter:
    """What a notebook says of one of its parameters.

    kind: bool, int, float, str, list or list[int] and so on, from the annotation, from papermill's
    `# type: int` behind the value, or else from the value itself; Any for None without a type.
    optional: None is allowed.
    """

    name: str
    default: Any
    kind: str
    optional: bool

    def fit(self, value: Any, notebook: str) -> Any:
        """`value` as this parameter holds it: 1e2 is an int where one is wanted.

        Raises UserError that names the kind, and how a value of it is typed.
        """
        try:
            return None if value is None and self.optional else _as_kind(value, self.kind)
        except (ValueError, OverflowError):
            kind = f"{self.kind} or None" if self.optional else self.kind
            raise UserError(
                f"parameter {self.name} of {notebook} is {value!r}: it has to be {kind}"
                f"{self._how(value)}"
            ) from None

    def _how(self, value: Any) -> str:
        """For what a shell hands on as something else: the way to type it."""
        if self.kind.startswith("list"):
            like = self.default or ([0.5, 0.7] if "float" in self.kind else [128, 160])
            return (
                f"; type a list as papermill -y '{self.name}: {like}', or as python -m helpers "
                f"run NOTEBOOK -p '{self.name}={like}'"
            )
        if self.kind == "str":
            return (
                f"; type a text as papermill -r {self.name} {value}, or as python -m helpers run "
                f"NOTEBOOK -p \"{self.name}='{value}'\""
            )
        return ""


def parameters_of(path: Path) -> dict[str, Parameter]:
    """The parameters in the cell tagged `parameters`, by name, read without running it.

    Raises UserError when the notebook has not exactly one such cell.
    """
    cells = [
        "".join(cell["source"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    if len(cells) != 1:
        raise UserError(f"{path.name} has {len(cells)} cells tagged `parameters`, not one")
    lines, found = cells[0].splitlines(), {}
    for node in ast.parse(cells[0]).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            comment = lines[node.end_lineno - 1].partition("# type:")[2].split()
            declared = comment[0] if comment else ""
            if isinstance(node, ast.AnnAssign):
                declared = ast.unparse(node.annotation).strip("'\"")
            found[target.id] = _parameter(target.id, ast.literal_eval(node.value), declared)
    return found


def _parameter(name: str, default: Any, declared: str) -> Parameter:
    kinds = [kind.strip() for kind in (declared or _kind_of(default)).split("|")]
    return Parameter(name, default, kinds[0], default is None or "None" in kinds)


def _kind_of(default: Any) -> str:
    if default is None:
        return "Any"
    if isinstance(default, list | tuple):
        items = {type(item).__name__ for item in default}
        return f"list[{items.pop()}]" if len(items) == 1 else "list"
    return type(default).__name__


def _as_kind(value: Any, kind: str) -> Any:
    """`value` as a `kind`; ValueError where it is none."""
    if kind.startswith("list") and isinstance(value, list | tuple):
        item = kind[5:-1]
        return [_as_kind(v, item) for v in value] if item else list(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "float" and number:
        return float(value)
    if kind == "int" and number and value == int(value):
        return int(value)
    if kind == "Any" or (type(value).__name__ == kind and kind != "float"):
        return value
    raise ValueError


def check_parameters(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook's parameters with the given values filled in, each as its kind.

    Raises UserError naming the known parameters when one is unknown, and the wanted kind when a
    value is of another.
    """
    known = parameters_of(notebook_path(name))
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UserError(
            f"{name} has no parameter {', '.join(map(repr, unknown))}: "
            f"it knows {', '.join(f'{p.name} = {p.default!r}' for p in known.values())}"
        )
    fitting = {key: known[key].fit(value, name) for key, value in given.items()}
    return {key: fitting.get(key, parameter.default) for key, parameter in known.items()}


def plan(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Which of the given parameters each of these notebooks gets: those that it knows.

    Raises UserError, before anything is run, for a parameter that none of them knows, or that one
    of them wants to be of another kind.
    """
    known = {name: parameters_of(notebook_path(name)) for name in names}
    for key in given:
        if not any(key in parameters for parameters in known.values()):
            every = sorted(set().union(*known.values()))
            raise UserError(
                f"no parameter {key!r} in {', '.join(names)}: they know {', '.join(every)}"
            )
    return {
        name: {key: known[name][key].fit(v, name) for key, v in given.items() if key in known[name]}
        for name in names
    }


def parse_parameter(text: str) -> tuple[str, Any]:
    """ "steps=40" -> ("steps", 40); a value that is no Python literal stays text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"parameter {text!r} is not of the form NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def start(name: str, namespace: dict[str, Any]) -> Work:
    """First call of a notebook, straight after its parameters: `work = start("01_...", globals())`.

    Papermill only logs a mistyped parameter; here it becomes a UserError: the cell papermill
    injects is found in the kernel's history, and every name it sets must be a known parameter.
    In `namespace` the parameters become what their kinds say: 1e2 a whole number, say.
    """
    known = parameters_of(notebook_path(name))
    given = {key: namespace[key] for key in known if key in namespace}
    for key in _injected_names(namespace.get("In", [])):
        given[key] = namespace[key]
    checked = check_parameters(name, given)
    namespace.update(checked)
    return Work(name, checked, time.time())


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
        path, text = self.folder / "manifest.json", json.dumps(manifest, indent=1, default=_plain)
        files.replace_file(path, lambda file: file.write(text.encode()) and None)
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
