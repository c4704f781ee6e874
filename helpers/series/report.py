"""The report: one HTML page over all executed notebooks, with their tables and pictures.

Everything on it is read from the notebooks' manifests; nothing is computed here.
"""

from __future__ import annotations

import html
import os
import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbconvert import HTMLExporter

from helpers import files
from helpers.series.execute import Executed
from helpers.series.notebook import NOTEBOOKS

LINK = re.compile(r'href="((?:\.\./)*[\w./-]+\.(?:ipynb|md))')  # to a file of the project
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff }
h1, h2 { line-height: 1.2 } a { color: #0b5fa5 } .note { color: #555 }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .25rem .8rem; text-align: left }
th { border-bottom: 2px solid #1b1b1b } td { border-bottom: 1px solid #ddd }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; max-width: 46% }
figure.wide { max-width: 100% } img { max-width: 100%; border: 1px solid #ddd }
figcaption { color: #555; font-size: .9rem }
"""


def write_report(executed: Sequence[Executed]) -> Path:
    """Write index.html and one page per notebook into outputs/report; returns the path of
    index.html."""
    folder = files.outputs_dir() / "report"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {item.name for item in executed} | {path.stem for path in folder.glob("*.html")}
    sections = [_section(item, folder, pages) for item in executed]
    rows = pd.DataFrame(
        {
            "notebook": f'<a href="{item.name}.html">{html.escape(title(item.path))}</a>',
            "seconds": f"{item.seconds:.0f}",
            "hardware": html.escape(item.manifest["hardware"]),
        }
        for item in executed
    )
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>SPR-Net: results</title>"
        f"<style>{STYLE}</style><h1>SPR-Net, step by step: results of this run</h1>"
        "<p class=note>Made by <code>make run</code>. Numbers are of the data set each notebook "
        "names, mostly scenes that this project generates; none is of 3D-FUTURE unless a notebook "
        f"was pointed at it.</p>{_table(rows, escape=False)}{''.join(sections)}</html>"
    )
    index = folder / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def title(path: Path) -> str:
    """The notebook's first heading, or its file name."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0][2:].strip()
    return path.stem


def _section(item: Executed, folder: Path, pages: Collection[str]) -> str:
    """Heading, tables and figures of one notebook; its full page is written beside, a second's
    work, where it is older than the notebook."""
    page = folder / f"{item.name}.html"
    if not page.exists() or page.stat().st_mtime < item.path.stat().st_mtime:
        body, _ = HTMLExporter(template_name="lab", embed_images=True).from_filename(str(item.path))
        page.write_text(relinked(body, folder, pages), encoding="utf-8")
    figures = "".join(_figure(item, name, folder) for name in item.manifest["figures"])
    return (
        f'<h2><a href="{item.name}.html">{html.escape(title(item.path))}</a></h2>'
        f"{_results(item.manifest['results'])}{figures}"
    )


def relinked(body: str, folder: Path, pages: Collection[str]) -> str:
    """A notebook's HTML with links that are right from `folder`: to those notebooks that are
    `pages` there as such, to all other files where they lie in the project."""

    def link(match: re.Match[str]) -> str:
        name = Path(match[1]).stem
        if name in pages:
            return f'href="{name}.html'
        return f'href="{os.path.relpath(NOTEBOOKS / match[1], folder)}'

    return LINK.sub(link, body)


def _figure(item: Executed, name: str, folder: Path) -> str:
    source = files.outputs_dir() / "notebooks-data" / item.name / name
    target = folder / f"{item.name}-{name}"
    shutil.copyfile(source, target)
    caption = html.escape(Path(name).stem.replace("_", " "))
    return (
        f'<figure><a href="{target.name}"><img src="{target.name}" alt="{caption}"></a>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _results(results: dict[str, Any]) -> str:
    """Row lists become tables; plain values share one table of two columns."""
    tables = {key: value for key, value in results.items() if _is_rows(value)}
    plain = [(key, value) for key, value in results.items() if key not in tables]
    parts = (
        [_table(pd.DataFrame(plain, columns=["result", "value"], dtype=object))] if plain else []
    )
    for key, rows in tables.items():
        head = f"<p><b>{html.escape(key.replace('_', ' '))}</b></p>"
        parts.append(head + _table(pd.DataFrame(rows, dtype=object)))
    return "".join(parts)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _table(rows: pd.DataFrame, *, escape: bool = True) -> str:
    known = rows.where(rows.notna(), "n/a")
    return known.to_html(index=False, border=0, escape=escape, float_format="{:.4g}".format)
