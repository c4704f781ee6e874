"""`python -m helpers record`: put the outputs of executed notebooks into the committed ones.

What is committed is what a reader sees on the web, so it has to come from one clean run and stay
light: runner's traces and widgets go, large photographs are compressed again.
"""

from __future__ import annotations

import argparse
import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import files
from helpers.files import UserError

if TYPE_CHECKING:
    from nbformat import NotebookNode

LARGEST = 400_000  # bytes of a committed notebook
WIDGET = "application/vnd.jupyter.widget-view+json"
RUNNER_KEYS = ("papermill", "execution")
QUALITIES = (80, 70, 60, 50)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebooks", nargs="*", help="names; default: the whole series")


def run(args: argparse.Namespace) -> int:
    from helpers.series.notebook import notebook_path, series

    for name in args.notebooks or series():
        target = notebook_path(name)
        record(files.outputs_dir() / "notebooks" / target.name, target)
        print(f"{name}: {target.stat().st_size / 1000:.0f} kB")
    return 0


def record(executed: Path, target: Path) -> None:
    """Copy the outputs of `executed` into `target`, the same notebook without its last run.

    Raises UserError when the two differ in their cells, when a cell failed or was not run,
    or when the result stays above 400 kB.
    """
    import nbformat

    if not executed.exists():
        raise UserError(f"{executed} is missing: python -m helpers run {target.stem}")
    done, ours = (nbformat.read(path, as_version=4) for path in (executed, target))
    if [cell.source for cell in done.cells] != [cell.source for cell in ours.cells]:
        raise UserError(f"{executed} was made of other cells: python -m helpers run {target.stem}")
    for cell, source in zip(ours.cells, done.cells, strict=True):
        for key in RUNNER_KEYS:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            _take(cell, source, target.stem)
    ours.metadata.pop("widgets", None)
    ours.metadata.pop("papermill", None)
    _lighten(ours, target.stem)
    nbformat.write(ours, target)


def _take(cell: NotebookNode, source: NotebookNode, name: str) -> None:
    """One code cell's outputs and number, without what belongs to the runner."""
    if source.execution_count is None or any(o.output_type == "error" for o in source.outputs):
        raise UserError(f"{name}: a cell failed or was not run, so nothing is recorded")
    cell.execution_count = source.execution_count
    cell.outputs = [o for o in source.outputs if WIDGET not in o.get("data", {})]
    for output in cell.outputs:
        for key in RUNNER_KEYS:
            output.get("metadata", {}).pop(key, None)


def _lighten(notebook: NotebookNode, name: str) -> None:
    """Compress photographs a little more until the notebook is under the limit."""
    import nbformat

    pictures = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/jpeg" in output.get("data", {})
    ]
    originals = [data["image/jpeg"] for data in pictures]
    for quality in (None, *QUALITIES):
        if quality:
            for data, original in zip(pictures, originals, strict=True):
                data["image/jpeg"] = _compressed(original, quality)
        if len(nbformat.writes(notebook).encode()) < LARGEST:
            return
    raise UserError(f"{name} stays above {LARGEST // 1000} kB: show fewer or smaller pictures")


def _compressed(encoded: str, quality: int) -> str:
    """The smaller of a base64 JPEG and the same picture at `quality` (0-100)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(encoded))).save(buffer, "JPEG", quality=quality)
    return min(encoded, base64.b64encode(buffer.getvalue()).decode(), key=len)
