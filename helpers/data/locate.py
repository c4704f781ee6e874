"""The file of every picture an annotation file declares: is it there, whole, and of that size?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from helpers.data.cache import Headers
from helpers.data.errors import DataError, Findings
from helpers.data.pictures import (
    REPLACE,
    applies_orientation,
    describe_sizes,
    find_picture,
    hint_where,
    read_picture,
)
from helpers.data.records import ImageRecord

Pictures = Literal["header", "decode", "skip"]

PICTURE_WARNINGS = ("orientation", "frames", "skipped")  # kinds that tell of files, not of entries


def locate_pictures(
    records: Mapping[int, ImageRecord],
    folders: tuple[Path, ...],
    pictures: Pictures | None,
    findings: Findings,
    *,
    headers: Headers,
) -> dict[int, Path]:
    """The path of every picture that can be used, in the order of ids; unchecked, the likely one.

    pictures: read the "header" of each, "decode" it, or decode and "skip" what can not be used,
    which else is an error; None checks nothing.
    """
    paths: dict[int, Path] = {}
    entries = tqdm(
        sorted(records.items()),
        desc=f"pictures of {findings.file.name}",
        leave=False,
        disable=pictures not in ("decode", "skip"),
    )
    for number, record in entries:
        path = find_picture(record.file_name, folders)
        place = f"image {number}, field file_name: {record.file_name!r}"
        if pictures is None:
            problem = None
        elif path is None:
            hint = hint_where(record.file_name, folders[0]) if _is_early(findings) else ""
            problem = ("file-missing", f"{place}{f' ({hint})' if hint else ''}")
        else:
            problem = _check_picture(record, path, pictures, findings, headers)
        if problem is None:
            paths[number] = path or folders[0] / record.file_name
        elif pictures == "skip":
            findings.add("skipped", problem[1])
        else:
            findings.add(*problem)
    headers.save()
    return paths


def _is_early(findings: Findings) -> bool:
    """Looking for a hint costs a walk through the folder: only for places that will be shown."""
    return findings.total("file-missing") < 10


def _check_picture(
    record: ImageRecord, path: Path, pictures: Pictures, findings: Findings, headers: Headers
) -> tuple[str, str] | None:
    """(kind, place) of what is wrong with a picture file, or None."""
    size = (record.height, record.width)
    place = f"image {record.id}, {path}"
    try:
        header = headers.read(path)
        applies = applies_orientation(header, size)
        if applies is not None and pictures != "header":
            read_picture(path, size)
    except DataError as error:
        reason = str(error).removesuffix(REPLACE).rstrip(". ")  # the finding tells the remedy
        return "file-unreadable", f"image {record.id}, {reason}"
    if applies is None:
        return "size-differs", f"{place}: {describe_sizes(header.oriented_size, size)}"
    if not applies:
        findings.add("orientation", f"{place}: tag {header.orientation}")
    if header.frames > 1:
        findings.add("frames", f"{place}: {header.frames} frames")
    return None
