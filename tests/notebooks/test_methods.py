"""The methods written out in the notebooks are still what `helpers` does.

Cells tagged `method` hold a textbook form on a toy, or the assertion that it equals the package.
They are executed here in order, after the imports and the parameters, without the rest of the page.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers.scenes.config import SceneConfig
from helpers.scenes.make import make_scenes
from helpers.series.notebook import NOTEBOOKS, series

METHODS = [name for name in series() if 1 <= int(name[:2]) <= 12 or name[:2] == "22"]

# What the method cells take from cells that are left out; `data` is the folder of a tiny data set.
NEEDS = {
    "04_mask_heads": "from helpers.series.dataset import open_split; index = open_split(data)",
    "07_focal_loss": "index = open_split(data)",
    "08_multi_scale_training": "index = open_split(data); table = instance_table(index)",
    "22_your_own_data": """
from pathlib import Path
from helpers.data.coco import read_index
train = read_index(Path(data) / "coco/train.json", Path(data) / "train/image")
fitted = fit_config(train, configs.DataConfig("tiny", label_space="fine"))
""",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenes = SceneConfig(name="tiny", size=96, train=4, val=0)
    folder = tmp_path_factory.mktemp("scenes") / scenes.name
    return make_scenes(scenes, folder=folder, jobs=1, progress=False)


def code_cells(name: str) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def has_tag(cell: nbformat.NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def asserts(cell: nbformat.NotebookNode) -> bool:
    """It holds an assert statement, or calls a function like `torch.testing.assert_close`."""
    return any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Attribute) and node.attr.startswith("assert_"))
        for node in ast.walk(ast.parse(cell.source))
    )


@pytest.mark.parametrize("name", sorted(set(series()) - set(METHODS)))
def test_what_it_imports_exists(name: str):
    exec(code_cells(name)[0].source, {})


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_asserted_and_no_assertion_is_left_out(name: str):
    asserting = [cell for cell in code_cells(name) if asserts(cell)]
    assert asserting
    assert not [cell.id for cell in asserting if not has_tag(cell, "method")]


@pytest.mark.parametrize("name", METHODS)
def test_the_methods_written_out_equal_helpers(name: str, data: Path):
    def execute(source: str, place: str) -> None:
        exec(compile(source, f"{name}, {place}", "exec"), namespace)

    namespace: dict[str, Any] = {}
    imports, *others = code_cells(name)
    [parameters] = [cell for cell in others if has_tag(cell, "parameters")]
    execute(imports.source, "imports")
    execute(parameters.source, "parameters")
    namespace["data"] = str(data)
    execute(NEEDS.get(name, ""), "NEEDS")
    for cell in others:
        if has_tag(cell, "method"):
            execute(cell.source, f"cell {cell.id}")
