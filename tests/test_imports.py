"""The listing is the reading order: a room of the core imports only what stands left of it.

The rooms around the core import it, and the core never imports them. Every import statement counts,
also those inside functions. And the command line answers `--help` without the slow packages.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import helpers
from helpers.__main__ import COMMANDS

ROOT = Path(helpers.__file__).parent
CORE = (
    *("config", "structures", "files", "data", "drawing", "models", "training", "inference"),
    *("evaluation", "runs", "command line"),
)
FILES = {"__main__": "command line", "run": "runs"}
SLOW = ("torch", "numba", "matplotlib", "pandas", "scipy", "nbformat")


def room_of(module: str) -> str:
    """The room of a module, e.g. "config" of helpers.config_fields and of helpers.config."""
    name = module.split(".")[1]
    first = name if name == "__main__" else name.split("_")[0]
    return FILES.get(first, first)


def imported(file: Path) -> Iterator[str]:
    """Modules of helpers that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("helpers."))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_go_to_the_left():
    wrong = set()
    for file in ROOT.rglob("*.py"):
        module = ".".join(("helpers", *file.relative_to(ROOT).with_suffix("").parts))
        own = room_of(module)
        if own not in CORE:
            continue
        for other in map(room_of, imported(file)):
            if other not in CORE or CORE.index(other) > CORE.index(own):
                wrong.add((module, other))
    assert not wrong, sorted(wrong)


HELP = f"""
import json, os, sys
from helpers.__main__ import main

found = {{}}
for verb in sys.argv[1:]:
    read, write = os.pipe()
    if os.fork() == 0:  # each verb with nothing imported by those before it
        sys.stdout = open(os.devnull, "w")
        try:
            main([verb, "--help"])
        except SystemExit as end:
            slow = [name for name in {SLOW} if name in sys.modules]
            os.write(write, json.dumps([end.code, slow]).encode())
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        found[verb] = json.loads(answer.read())
    os.wait()
print(json.dumps(found))
"""


def test_help_of_every_verb_starts_without_what_is_slow_to_import():
    verbs = sorted(COMMANDS)
    done = subprocess.run([sys.executable, "-c", HELP, *verbs], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {verb: [0, []] for verb in verbs}
