"""What every committed notebook has to be, read from the files alone; nothing is executed here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from helpers.series.notebook import NOTEBOOKS, series

LARGEST = 400_000  # bytes
ABSOLUTE = re.compile(r"(?<![\w.:/~)])/(?:home|root|work|Users|tmp|usr|opt|mnt)/|\b[A-Z]:\\\\")
# Numbered from 20 on are tools: short by nature, and not part of the walk.
WALK = [name for name in series() if int(name[:2]) < 20]


@pytest.fixture(params=series())
def path(request: pytest.FixtureRequest) -> Path:
    return NOTEBOOKS / f"{request.param}.ipynb"


@pytest.fixture
def notebook(path: Path) -> nbformat.NotebookNode:
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    return found


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameter_cells(notebook: nbformat.NotebookNode) -> list[int]:
    """Places among the code cells of those tagged `parameters`."""
    return [
        place
        for place, cell in enumerate(code_cells(notebook))
        if "parameters" in cell.metadata.get("tags", [])
    ]


def test_it_opens_with_a_title_and_what_it_needs_makes_and_takes(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "| needs | makes | takes |" in first.source


def test_the_kernel_is_the_one_every_environment_has(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def test_parameters_are_one_cell_of_plain_values(notebook):
    [place] = parameter_cells(notebook)
    statements = ast.parse(code_cells(notebook)[place].source).body
    assert statements
    for statement in statements:
        assert isinstance(statement, ast.Assign)
        assert len(statement.targets) == 1
        assert isinstance(statement.targets[0], ast.Name)
        ast.literal_eval(statement.value)


def test_only_imports_stand_before_the_parameters_and_the_check_comes_after(path, notebook):
    [place] = parameter_cells(notebook)
    cells = code_cells(notebook)
    for cell in cells[:place]:
        assert all(isinstance(s, ast.Import | ast.ImportFrom) for s in ast.parse(cell.source).body)
    assert f'start("{path.stem}", globals())' in cells[place + 1].source


def test_it_ends_by_handing_on_its_results(notebook):
    assert "work.finish(" in code_cells(notebook)[-1].source


def test_it_is_light_and_carries_no_widget_state(path, notebook):
    assert path.stat().st_size < LARGEST
    assert "widgets" not in notebook.metadata
    kinds = {key for c in code_cells(notebook) for o in c.outputs for key in o.get("data", {})}
    assert "application/vnd.jupyter.widget-view+json" not in kinds


def test_no_path_of_one_machine(path):
    assert not ABSOLUTE.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", WALK)
def test_its_outputs_are_those_of_one_clean_run(name: str):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]
    assert "not measured" not in str([cell.outputs for cell in cells])  # the ladder has every row
    assert "papermill" not in notebook.metadata
    assert not any("papermill" in cell.metadata for cell in notebook.cells)


def test_links_to_other_notebooks_lead_somewhere(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\((\d\d_\w+\.ipynb)\)", text):
        assert (NOTEBOOKS / target).exists()
