"""The file of every picture an annotation file declares: where is it, whole, and of that size?

Tools write file names in their own ways: without extension (3D-FUTURE), with backslashes (Windows),
as URLs (%20), with accents as one character or two (macOS), with folders of the machine they ran on
(Label Studio). Where one file alone can be meant, it is taken and said so.
"""

from __future__ import annotations

import glob
import os
import unicodedata
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import numpy as np

from helpers.data.errors import SHOWN, Findings
from helpers.data.index import InstanceIndex
from helpers.data.pictures import EXTENSIONS, is_picture, picture_problems

Pictures = Literal["header", "decode", "skip"]
Problems = dict[int, tuple[str, str]]  # by row of the index: kind and place


def locate_pictures(
    index: InstanceIndex,
    folders: tuple[Path, ...],
    pictures: Pictures | None,
    findings: Findings,
) -> InstanceIndex:
    """The index with the path of every picture, or, where it is missing, the path it should have.

    pictures: read the "header" of each, "decode" it, or decode and "skip" what cannot be used,
    which else is an error; None checks nothing.
    """
    found, problems = _find_all(index, folders, findings)
    likely = (folders[0] / _relative_name(name) for name in index.file_names)
    paths = tuple(found.get(row, path) for row, path in enumerate(likely))
    index = replace(index, paths=paths)
    if pictures is None:
        return index
    decode = pictures != "header"
    problems |= picture_problems(index, sorted(found), findings, decode=decode)
    for row in sorted(problems):
        kind, place = problems[row]
        findings.add("skipped" if pictures == "skip" else kind, place)
    if pictures == "skip" and problems:
        return index.subset(np.delete(index.image_ids, list(problems)))
    return index


def find_picture(file_name: str, folders: tuple[Path, ...]) -> tuple[Path, bool] | None:
    """The file that a file name means, in the first of the folders that has it, and whether the
    name is written just so, but for its extension."""
    spellings = [] if escapes(file_name) else [(folder, file_name) for folder in folders]
    plain = _relative_name(file_name)
    for folder in folders:
        for name in (plain, plain.removeprefix(f"{folder.name}/")):
            spellings += [(folder, name), (folder, unicodedata.normalize("NFD", name))]
    for folder, name in dict.fromkeys(spellings):
        path = _existing(folder, name)
        if path is not None:
            return path, name == file_name
    return None


def escapes(file_name: str) -> bool:
    """Does a relative file name lead out of its folder (or is it an absolute one)?"""
    name = os.path.normpath(file_name.replace("\\", "/"))
    foreign = "://" in file_name or name[1:2] == ":"  # a URL; a drive of Windows
    outside = os.path.isabs(name) or name == ".." or name.startswith("../")
    return foreign or outside or "\0" in name


def clean_name(file_name: str) -> str:
    """A file name in one spelling: forward slashes, no %20, accents as one character."""
    name = file_name.replace("\0", "").replace("\\", "/").strip()
    name = name.rsplit("?d=", 1)[-1]  # Label Studio's local files
    if "://" in name:
        name = name.split("://")[1].partition("/")[2].partition("?")[0]
    return unicodedata.normalize("NFC", os.path.normpath(unquote(name)))


def _relative_name(file_name: str) -> str:
    """The same below the image folder: of another machine's path, the file's own name alone."""
    name = clean_name(file_name)
    return name.rsplit("/", 1)[-1] if escapes(file_name) else name


def _existing(folder: Path, file_name: str) -> Path | None:
    for extension in ("", *EXTENSIONS):
        path = folder / f"{file_name}{extension}"
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):  # a name too long or impossible here
            return None
    return None


def _find_all(
    index: InstanceIndex, folders: tuple[Path, ...], findings: Findings
) -> tuple[dict[int, Path], Problems]:
    """The file of each picture, and what is wrong with those that have none, or might mean
    another's. Notes names that are not quite the file's, and pictures that are listed twice."""
    places = [
        f"image {number}, field file_name: {name!r}"
        for number, name in zip(index.image_ids, index.file_names, strict=True)
    ]
    found: dict[int, tuple[Path, bool]] = {}
    problems: Problems = {}
    sharing: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(index.file_names):
        file = find_picture(name, folders)
        sharing[clean_name(name) if file is None else str(file[0])].append(row)
        if file is not None:
            found[row] = file
        else:  # looking for a hint takes long: only for places that will be shown
            hint = _hint(name, folders[0]) if len(problems) < SHOWN else ""
            problems[row] = ("file-missing", f"{places[row]}{hint}")
    for rows in sharing.values():
        ids = ", ".join(str(index.image_ids[row]) for row in rows[:SHOWN])
        names = {clean_name(index.file_names[row]) for row in rows}
        if len(names) > 1 and not all(found[row][1] for row in rows):
            which = f"images {ids} would all be {found[rows[0]][0]}"
            problems |= {row: ("file-missing", f"{places[row]}: {which}") for row in rows}
        elif len(rows) > 1:
            findings.add("picture-twice", f"{index.file_names[rows[0]]!r}: images {ids}")
    paths = {row: path for row, (path, _) in found.items() if row not in problems}
    for row in paths:
        if not found[row][1]:
            findings.add("file-name", f"{places[row]}, found {paths[row]}")
    return paths, problems


def _hint(file_name: str, folder: Path) -> str:
    """For a file that is not there: is it one folder deeper, or spelt a little differently?"""
    if not folder.is_dir():
        return f" (the folder {folder} does not exist)"
    plain = Path(_relative_name(file_name))
    for pattern in (glob.escape(plain.name), f"{glob.escape(plain.name)}.*"):
        deeper = next(folder.glob(f"*/{pattern}"), None)
        if deeper is not None:
            return f" (it is in {deeper.parent})"
    parent, stem = (folder / plain).parent, plain.stem.casefold()
    files = sorted(parent.iterdir()) if parent.is_dir() else []
    near = (path.name for path in files if is_picture(path) and path.stem.casefold() == stem)
    return next((f" ({name} is there)" for name in near), "")
