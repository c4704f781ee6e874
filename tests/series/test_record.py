"""Recording: executed outputs go into the committed notebook, light and without the runner."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
from nbformat import v4
from PIL import Image

from helpers.series.record import WIDGET, record


def photograph() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_outputs_come_without_widgets_and_traces(tmp_path: Path):
    cell = v4.new_code_cell("picture", metadata={"tags": ["keep"]})
    ours = v4.new_notebook(cells=[v4.new_markdown_cell("# A"), cell])
    nbformat.write(ours, tmp_path / "ours.ipynb")
    done = nbformat.from_dict(ours)
    done.metadata["papermill"] = {"duration": 1}
    done.cells[1].metadata["papermill"] = {"duration": 1}
    done.cells[1].execution_count = 1
    done.cells[1].outputs = [
        v4.new_output("display_data", {WIDGET: {"model_id": "x"}, "text/plain": "bar"}),
        v4.new_output("display_data", {"image/jpeg": photograph()}),
    ]
    nbformat.write(done, tmp_path / "done.ipynb")
    record(tmp_path / "done.ipynb", tmp_path / "ours.ipynb")
    cell = nbformat.read(tmp_path / "ours.ipynb", as_version=4).cells[1]
    assert cell.execution_count == 1
    assert [list(o.data) for o in cell.outputs] == [["image/jpeg"]]
    assert dict(cell.metadata) == {"tags": ["keep"]}
