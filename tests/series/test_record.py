"""Recording: executed outputs go into the committed notebook, light and without the runner."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat import v4
from PIL import Image

from helpers.files import UserError
from helpers.series.record import WIDGET, record


def photograph(side: int) -> str:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG", quality=95)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    cell = v4.new_code_cell("picture", metadata={"tags": ["keep"]})
    ours = v4.new_notebook(cells=[v4.new_markdown_cell("# A"), cell])
    nbformat.write(ours, tmp_path / "ours.ipynb")
    done = nbformat.from_dict(ours)
    done.metadata["papermill"] = {"duration": 1}
    done.cells[1].metadata["papermill"] = {"duration": 1}
    done.cells[1].execution_count = 1
    done.cells[1].outputs = [
        v4.new_output("display_data", {WIDGET: {"model_id": "x"}, "text/plain": "bar"}),
        v4.new_output("display_data", {"image/jpeg": photograph(300)}),
    ]
    nbformat.write(done, tmp_path / "done.ipynb")
    return tmp_path / "done.ipynb", tmp_path / "ours.ipynb"


def change(path: Path, edit) -> None:
    notebook = nbformat.read(path, as_version=4)
    edit(notebook.cells[1])
    nbformat.write(notebook, path)


def test_outputs_come_without_widgets_and_traces(files):
    record(*files)
    cell = nbformat.read(files[1], as_version=4).cells[1]
    assert cell.execution_count == 1
    assert [list(o.data) for o in cell.outputs] == [["image/jpeg"]]
    assert dict(cell.metadata) == {"tags": ["keep"]}


def test_one_that_cannot_be_light_is_refused_and_the_old_one_kept(files):
    before = files[1].read_bytes()
    change(files[0], lambda c: c.outputs[1].data.update({"image/jpeg": photograph(1200)}))
    with pytest.raises(UserError, match="stays above 400 kB"):
        record(*files)
    assert files[1].read_bytes() == before


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(source="other"), "made of other cells"),
        (lambda c: c.update(execution_count=None), "failed or was not run"),
        (
            lambda c: c.outputs.append(v4.new_output("error", ename="E", evalue="", traceback=[])),
            "failed or was not run",
        ),
    ],
)
def test_what_is_not_one_clean_run_is_refused(files, edit, message):
    change(files[0], edit)
    with pytest.raises(UserError, match=message):
        record(*files)
