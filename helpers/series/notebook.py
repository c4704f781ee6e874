"""What a notebook of the series needs of its surroundings: parameters that are checked, a folder to
write to, a manifest that says what was made."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
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


def needs(name: str) -> list[str]:
    """The notebooks that make what this one needs: those linked in the first column of its table
    `| needs | makes | takes |`."""
    for cell in _cells(name):
        table = re.search(r"^\| needs \|.*\n.*\n\|([^|]*)\|", cell["source"], re.MULTILINE)
        if table:
            return re.findall(r"\((\w+)\.ipynb\)", table[1])
    return []


@dataclass(frozen=True)
class Parameter:
    """What a notebook says of one of its parameters.

    kind: bool, int, count (an int above 0), float, str, list[count] or list[str], from papermill's
    `# type: int` behind the value, or else from the value itself. optional: None is allowed.
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
            kind = self.kind.replace("count", "int above 0") + " or None" * self.optional
            raise UserError(
                f"parameter {self.name} of {notebook} is {value!r}: it has to be {kind}"
                f"{self._how(value)}"
            ) from None

    def _how(self, value: Any) -> str:
        """For what a shell hands on as something else: the way to type it."""
        if self.kind.startswith("list"):
            like = self.default or [128, 160]
            option, ours = f"-y '{self.name}: {like}'", f"'{self.name}={like}'"
        elif self.kind == "str":
            option, ours = f"-r {self.name} {value}", f"\"{self.name}='{value}'\""
        else:
            return ""
        return f"; type it as papermill {option}, or as python -m helpers run NOTEBOOK -p {ours}"


def parameters_of(name: str) -> dict[str, Parameter]:
    """The parameters in the cell tagged `parameters`, by name, read without running it."""
    [source] = [
        cell["source"] for cell in _cells(name) if "parameters" in cell["metadata"].get("tags", [])
    ]
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        key, default = node.targets[0].id, ast.literal_eval(node.value)
        declared = lines[node.end_lineno - 1].partition("# type:")[2].split()
        kind, *others = (declared[0] if declared else type(default).__name__).split("|")
        found[key] = Parameter(key, default, kind, default is None or "None" in others)
    return found


def _cells(name: str) -> list[dict[str, Any]]:
    """The cells of a notebook, each source as one text."""
    cells = json.loads(notebook_path(name).read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def _as_kind(value: Any, kind: str) -> Any:
    """`value` as a `kind`; ValueError where it is none."""
    if kind.startswith("list") and isinstance(value, list | tuple):
        return [_as_kind(v, kind[5:-1]) for v in value]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "float" and number:
        return float(value)
    if kind == "int" and number and value == int(value):
        return int(value)
    if kind == "count" and number and value == int(value) > 0:
        return int(value)
    if type(value).__name__ == kind != "float":
        return value
    raise ValueError


def plan(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Which of the given parameters each of these notebooks gets: those that it knows.

    Raises UserError, before anything is run, for a parameter that none of them knows, or that one
    of them wants to be of another kind.
    """
    known = {name: parameters_of(name) for name in names}
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
    known = parameters_of(name)
    given = {key: namespace[key] for key in known if key in namespace}
    injected = [cell for cell in namespace.get("In", []) if cell.startswith("# Parameters\n")]
    for node in ast.parse(injected[-1]).body if injected else ():
        if isinstance(node, ast.Assign):
            given[node.targets[0].id] = namespace[node.targets[0].id]
    checked = {key: one.default for key, one in known.items()} | plan([name], given)[name]
    namespace.update(checked)
    return Work(name, checked, time.time())


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
        files.replace_file(path, lambda file: file.write(text.encode()))
        return path


def read_manifest(name: str) -> dict[str, Any] | None:
    """What a notebook last handed on, if it ever did."""
    path = files.outputs_dir() / "notebooks-data" / name / "manifest.json"
    return json.loads(path.read_text()) if path.exists() else None


def _plain(value: Any) -> Any:
    """JSON for what numpy, pandas and dataclasses hand over."""
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a manifest holds plain values, not {type(value).__name__}")
