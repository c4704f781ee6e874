"""environment.yml, pyproject.toml and requirements.txt agree with each other and with the code.

The conda file cannot be solved here, so its consistency is what is tested.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import nbformat
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from helpers.files import ROOT

CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORT_NAMES = {
    "IPython": "ipython",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "faster_coco_eval": "faster-coco-eval",
}
CONDA_LINES = [line for line in CONDA["dependencies"] if isinstance(line, str)]
PIP_LINES = [
    line
    for section in CONDA["dependencies"]
    if isinstance(section, dict)
    for line in section["pip"]
]
CONDA_NAMES = {"torch": "pytorch"}


def conda_specs() -> dict[str, str]:
    matches = [re.fullmatch(r"(\S+)\s*(.*)", line) for line in [*CONDA_LINES, *PIP_LINES]]
    return {match[1]: match[2] for match in matches}


def conda_to_pip(spec: str) -> SpecifierSet:
    """conda's single `=` is a prefix match, pip's `==x.*`."""
    return SpecifierSet(re.sub(r"^=([^=]+)$", r"==\1.*", spec))


def imported_names() -> set[str]:
    sources = [p.read_text() for p in [*ROOT.glob("helpers/**/*.py"), *ROOT.glob("tests/**/*.py")]]
    for path in ROOT.glob("notebooks/*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        sources += ["\n".join(c.source for c in cells if c.cell_type == "code")]
    names: set[str] = set()
    for source in sources:
        lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.split(".")[0])
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
                names |= {a.value.split(".")[0] for a in node.args if isinstance(a, ast.Constant)}
    ours = {"helpers", "tests"} | {p.stem for p in ROOT.glob("tests/**/*.py")}
    ours |= {p.name for p in (ROOT / "tests").iterdir() if p.is_dir()}
    return names - set(sys.stdlib_module_names) - ours


def test_every_import_is_declared() -> None:
    optional = {"detectron2", "jupyter_client"}  # jupyter_client comes with ipykernel
    wanted = {IMPORT_NAMES.get(name, name) for name in imported_names()} - optional
    assert wanted - {Requirement(line).name for line in all_requirements()} == set()
    assert {CONDA_NAMES.get(name, name) for name in wanted} - set(conda_specs()) == set()


def all_requirements() -> list[str]:
    return PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]


def test_conda_floor_equals_pip_floor() -> None:
    floors = {one.name: one.specifier for one in map(Requirement, all_requirements())}
    for name in floors.keys() - {"torch", "torchvision"}:  # conda's detectron2 decides these two
        assert conda_to_pip(conda_specs()[name]) == floors[name], name


def test_requirements_pin_every_dependency_and_name_no_host() -> None:
    text = (ROOT / "requirements.txt").read_text()
    pinned = {Requirement(line).name.lower() for line in text.splitlines()}
    assert {Requirement(line).name.lower() for line in all_requirements()} - pinned == set()
    assert all(re.search(r"==", line) for line in text.splitlines())
    assert "://" not in text and "--" not in text


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    readme = Path(ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert set(re.findall(r"\bmake ([a-z][a-z-]+)", readme)) - targets == set()
