"""What is costly to read, kept under outputs/cache/, where everything may be deleted at any time.

Indexes of large annotation files are kept by the content of the file and of the code that read it;
so no change of either can be missed. Headers of pictures are kept by path, size and time of change;
whether a picture is still there is looked up every time. Damaged files are made anew, and those
that were not used for longest go when all together grow too large.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.data import rle
from helpers.data.errors import Finding
from helpers.data.index import InstanceIndex
from helpers.data.pictures import Header, read_header
from helpers.data.taxonomy import Taxonomy
from helpers.files import outputs_dir

log = logging.getLogger(__name__)

WORTH_KEEPING = (
    1_000_000  # bytes of an annotation file; a smaller one is read in a tenth of a second
)
LARGEST = 2_000_000_000  # bytes that all kept files together may have
_KEPT = re.compile(r"(index|headers)-[0-9a-f]{32}\.npz")

_COLUMNS = (
    "image_ids",
    "widths",
    "heights",
    "annotation_ids",
    "image_rows",
    "category_ids",
    "crowd",
    "areas",
    "boxes",
    "mask_bytes",
    "mask_ends",
)


def index_file(annotations: Path, mode: str, taxonomy: Taxonomy | None) -> Path | None:
    """Where the index of an annotation file, read in this way, is kept; None for a small file."""
    try:
        if annotations.stat().st_size < WORTH_KEEPING:
            return None
        with annotations.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # reading it will tell why
    demanded = None if taxonomy is None else taxonomy.in_space("fine").to_dict()
    return _folder() / f"index-{_key(content, _reader(), mode, demanded)}.npz"


def save_index(file: Path, index: InstanceIndex) -> None:
    """Keep all of an index but the paths of its pictures and the label space."""
    text = {
        "taxonomy": index.taxonomy.in_space("fine").to_dict(),
        "file_names": index.file_names,
        "declared": index.declared,
        "warnings": [asdict(warning) for warning in index.warnings],
    }
    _save(file, {name: getattr(index, name) for name in _COLUMNS}, text)


def load_index(file: Path) -> InstanceIndex | None:
    """The kept index, in the fine space and without paths; None when there is none."""
    stored = _load(file, _COLUMNS)
    if stored is None:
        return None
    columns, text = stored
    warnings = [Finding(**{**w, "places": tuple(w["places"])}) for w in text["warnings"]]
    return InstanceIndex(
        taxonomy=Taxonomy.from_dict(text["taxonomy"]),
        file_names=tuple(text["file_names"]),
        paths=(),
        declared=tuple(text["declared"]),
        warnings=tuple(warnings),
        **columns,
    )


class Headers:
    """`read_header` that remembers, in `file` if there is one, what has not changed since."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._kept: dict[str, tuple[int, ...]] = {}
        self._read: dict[str, tuple[int, ...]] = {}
        stored = _load(file, ("numbers",)) if file is not None else None
        if stored is not None:
            columns, paths = stored
            rows = map(tuple, columns["numbers"].tolist())
            self._kept = dict(zip(paths, rows, strict=True))

    def read(self, path: Path) -> Header:
        """The header of a picture file. DataError as `read_header`."""
        if self._file is None:
            return read_header(path)
        name, status = str(path), os.stat(path)
        stamp = (status.st_size, status.st_mtime_ns)
        row = self._kept.get(name, ())
        if row[:2] != stamp:
            header = read_header(path)
            row = (*stamp, *header.size, header.orientation, header.frames)
        self._read[name] = row
        _, _, height, width, orientation, frames = row
        return Header((height, width), orientation, frames)

    def save(self) -> None:
        """Keep what was read through this object, if anything is new."""
        if self._file is not None and self._read != self._kept:
            numbers = np.array(list(self._read.values()), dtype=np.int64)
            _save(self._file, {"numbers": numbers}, list(self._read))


def headers_file(index: Path, folders: tuple[Path, ...]) -> Path:
    """Where the headers of an index's pictures are kept, for pictures in these folders."""
    places = [str(folder.resolve()) for folder in folders]
    return index.with_name(f"headers-{_key(index.stem, places)}.npz")


def _folder() -> Path:
    return outputs_dir() / "cache"


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _reader() -> str:
    """Names the code an index depends on, so that a changed reader reads anew."""
    sha = hashlib.sha256()
    for file in (*sorted(Path(__file__).parent.glob("*.py")), Path(rle.__file__)):
        sha.update(file.read_bytes())
    return sha.hexdigest()


def _save(file: Path, columns: Mapping[str, NDArray[Any]], text: Any) -> None:
    """Write arrays and plain values, whole or not at all; a cache that fails is no error."""
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    encoded = np.frombuffer(json.dumps(text).encode(), dtype=np.uint8)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            np.savez(stream, text=encoded, **columns)
        os.replace(temporary, file)
        _prune(file)
    except OSError as error:
        log.warning("%s can not be written (%s): data are read anew each time", file, error)
        with suppress(OSError):
            temporary.unlink()


def _prune(newest: Path) -> None:
    """Delete the files that were not used for longest until the rest keeps to LARGEST.

    `newest` stays however large it is. Names that are not the cache's own are left alone, and who
    reads a file that is deleted reads it to its end all the same.
    """
    found: list[tuple[float, int, Path]] = []
    for file in newest.parent.iterdir():
        with suppress(FileNotFoundError):  # another process may prune, too
            if _KEPT.fullmatch(file.name) and file != newest:
                found.append((file.stat().st_mtime, file.stat().st_size, file))
    left = LARGEST - newest.stat().st_size
    for _, size, file in sorted(found, reverse=True):
        left -= size
        if left < 0:
            file.unlink(missing_ok=True)


def _load(file: Path, names: tuple[str, ...]) -> tuple[dict[str, NDArray[Any]], Any] | None:
    """The arrays of these names and the plain values; None when missing or damaged."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            found = {name: stored[name] for name in names}, json.loads(stored["text"].tobytes())
        with suppress(OSError):
            os.utime(file)  # used now: pruning begins at the other end
        return found
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s can not be used (%s): it is made anew", file, error)
        return None
