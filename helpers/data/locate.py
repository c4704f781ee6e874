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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from helpers.data.annotations import ImageRecord
from helpers.data.errors import SHOWN, DataError, Findings
from helpers.data.pictures import (
    EXTENSIONS,
    applies_orientation,
    describe_sizes,
    examine_pictures,
    is_picture,
    reason_of,
)

Pictures = Literal["header", "decode", "skip"]

# kinds that tell of files, not of entries: found anew whenever an index is read
PICTURE_WARNINGS = ("picture-twice", "file-name", "orientation", "frames", "skipped")


def locate_pictures(
    records: Mapping[int, ImageRecord],
    folders: tuple[Path, ...],
    pictures: Pictures | None,
    findings: Findings,
) -> dict[int, Path]:
    """The path of every picture that can be used, in the order of ids; unchecked, the likely one.

    pictures: read the "header" of each, "decode" it, or decode and "skip" what cannot be used,
    which else is an error; None checks nothing.
    """
    names = {number: records[number].file_name for number in sorted(records)}
    found, problems = _find_all(names, folders, findings)
    if pictures is None:
        return {n: found.get(n) or folders[0] / _relative_name(name) for n, name in names.items()}
    problems |= _problems_of_files(records, found, findings, decode=pictures != "header")
    for kind, place in (problems[n] for n in names if n in problems):
        if pictures == "skip":
            findings.add("skipped", place)
        else:
            findings.add(kind, place)
    return {n: path for n, path in found.items() if n not in problems}


def find_picture(file_name: str, folders: tuple[Path, ...]) -> Path | None:
    """The file that a file name means, in the first of the folders that has it."""
    spellings = [] if escapes(file_name) else [(folder, file_name) for folder in folders]
    for folder in folders:
        spellings += [(folder, name) for name in _spellings(_relative_name(file_name), folder)]
    for folder, name in dict.fromkeys(spellings):
        path = _existing(folder, name)
        if path is not None:
            return path
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


def _spellings(name: str, folder: Path) -> Iterator[str]:
    """Ways to write a clean name, also without the folder's own name at its beginning."""
    for spelling in (name, name.removeprefix(f"{folder.name}/")):
        yield spelling
        yield unicodedata.normalize("NFD", spelling)


def _existing(folder: Path, file_name: str) -> Path | None:
    for extension in ("", *EXTENSIONS):
        path = folder / f"{file_name}{extension}"
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):  # a name too long or impossible here
            return None
    return None


Problems = dict[int, tuple[str, str]]  # by image: kind and place


def _find_all(
    names: Mapping[int, str], folders: tuple[Path, ...], findings: Findings
) -> tuple[dict[int, Path], Problems]:
    """The file of each image, and what is wrong with those that have none, or might mean another's.

    Notes names that are not quite the file's, and pictures that are listed several times.
    """
    found = {n: path for n, name in names.items() if (path := find_picture(name, folders))}
    sharing: dict[str, list[int]] = defaultdict(list)
    for number, name in names.items():
        sharing[str(found.get(number, clean_name(name)))].append(number)
    problems: Problems = {}
    exact = {n for n, path in found.items() if _is_exact(names[n], path, folders)}
    for numbers in sharing.values():
        ids = ", ".join(map(str, numbers[:SHOWN]))
        if len({clean_name(names[n]) for n in numbers}) > 1 and not exact.issuperset(numbers):
            which = f"images {ids} would all be {found[numbers[0]]}"
            problems |= {n: ("file-missing", f"{_place(n, names[n])}: {which}") for n in numbers}
        elif len(numbers) > 1:
            findings.add("picture-twice", f"{names[numbers[0]]!r}: images {ids}")
    for number in sorted(names.keys() - found.keys()):
        problems[number] = _missing(number, names[number], folders, len(problems) < SHOWN)
    for number in sorted(found.keys() - problems.keys() - exact):
        findings.add("file-name", f"{_place(number, names[number])}, found {found[number]}")
    return {n: path for n, path in found.items() if n not in problems}, problems


def _is_exact(file_name: str, path: Path, folders: tuple[Path, ...]) -> bool:
    written = {path.name, path.stem}
    return not escapes(file_name) and any(
        (folder / file_name).parent == path.parent and Path(file_name).name in written
        for folder in folders
    )


def _place(number: int, file_name: str) -> str:
    return f"image {number}, field file_name: {file_name!r}"


def _missing(number: int, file_name: str, folders: tuple[Path, ...], hint: bool) -> tuple[str, str]:
    """Looking for a hint costs a walk through the folder: only for places that will be shown."""
    where = _hint(file_name, folders[0]) if hint else ""
    kind = "path-escapes" if escapes(file_name) else "file-missing"
    return kind, _place(number, file_name) + (f" ({where})" if where else "")


def _hint(file_name: str, folder: Path) -> str:
    """For a file that is not there: is it one folder deeper, or spelt a little differently?"""
    if not folder.is_dir():
        return f"the folder {folder} does not exist"
    plain = Path(_relative_name(file_name))
    for pattern in (glob.escape(plain.name), f"{glob.escape(plain.name)}.*"):
        deeper = next(folder.glob(f"*/{pattern}"), None)
        if deeper is not None:
            return f"it is in {deeper.parent}"
    parent = (folder / plain).parent
    files = sorted(parent.iterdir()) if parent.is_dir() else []
    stem = plain.stem.casefold()
    near = (path.name for path in files if is_picture(path) and path.stem.casefold() == stem)
    return next((f"{name} is there" for name in near), "")


def _problems_of_files(
    records: Mapping[int, ImageRecord],
    found: Mapping[int, Path],
    findings: Findings,
    *,
    decode: bool,
) -> Problems:
    """Files that are not pictures, broken, or of another size; notes what is merely odd."""
    problems: Problems = {}
    headers = examine_pictures(list(found.values()), decode=decode)
    for (number, path), header in zip(found.items(), headers, strict=True):
        size = (records[number].height, records[number].width)
        place = f"image {number}, {path}"
        if isinstance(header, DataError):
            problems[number] = ("file-unreadable", f"image {number}, {reason_of(header)}")
            continue
        applies = applies_orientation(header, size)
        if applies is None:
            sizes = describe_sizes(header.oriented_size, size)
            problems[number] = ("size-differs", f"{place}: {sizes}")
        elif not applies:
            findings.add("orientation", f"{place}: tag {header.orientation}")
        if header.frames > 1:
            findings.add("frames", f"{place}: {header.frames} frames")
    return problems
