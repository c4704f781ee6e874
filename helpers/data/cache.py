"""What takes long to read, kept under outputs/cache/, which may be deleted at any time.

A file that is damaged counts as absent, and one that cannot be written is no error.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.files import StorageError, make_folder, outputs_dir, replace_file

log = logging.getLogger(__name__)

MOST = 50  # files kept; those that were not used for longest go


def cache_file(kind: str, *parts: Any) -> Path:
    """Where something that depends on `parts` (plain values) alone is kept."""
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    return outputs_dir() / "cache" / f"{kind}-{key}.npz"


def load(file: Path) -> tuple[dict[str, NDArray[Any]], Any] | None:
    """The arrays and the plain values that were saved; None when missing or damaged."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
        text = json.loads(arrays.pop("text").tobytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s cannot be used (%s): it is made anew", file, error)
        return None
    with suppress(OSError):
        os.utime(file)  # used now
    return arrays, text


def save(file: Path, arrays: Mapping[str, NDArray[Any]], text: Any) -> None:
    """Keep arrays and plain values."""
    encoded = np.frombuffer(json.dumps(text).encode(), dtype=np.uint8)
    try:
        make_folder(file.parent)
        replace_file(file, lambda stream: np.savez(stream, text=encoded, **arrays))
    except StorageError as error:
        log.warning("%s: data are read anew each time", error)
        return
    with suppress(OSError):  # another process may delete them, too
        files = sorted(file.parent.glob("*-*.npz"), key=lambda f: f.stat().st_mtime, reverse=True)
        for old in files[MOST:]:
            old.unlink()
