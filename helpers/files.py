"""Where things lie, files that are whole or absent, one lock a folder, and the error for users.

A file is written under a temporary name, flushed to the disk and renamed, so that a kill at any
moment leaves either the former file or the new one. The lock belongs to the process: the system
frees it when the process ends, however it ends. Folders are found from this file, so that of the
caller never matters.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

ROOT = Path(__file__).resolve().parent.parent
TEMPORARY = ".part"  # suffix of a file that is being written
ORPHAN_SECONDS = 15.0  # loader workers of a killed process hold its lock until they notice


class UserError(ValueError):
    """What a user can put right; the message says what is wrong, where, and how to fix it."""


class RunBusyError(UserError):
    """Another process is at work in the same folder."""


class StorageError(OSError):
    """Something could not be written or read back; what was stored before is intact."""


def data_dir() -> Path:
    """Folder of data sets brought by the user: `$HELPERS_DATA`, else `data/` of the project."""
    return Path(os.environ.get("HELPERS_DATA", ROOT / "data")).expanduser().resolve()


def outputs_dir() -> Path:
    """Folder of all that is made: `$HELPERS_OUTPUTS`, else `outputs/` of the project."""
    return Path(os.environ.get("HELPERS_OUTPUTS", ROOT / "outputs")).expanduser().resolve()


def resolve(path: str | Path) -> Path:
    """An absolute path stays; `outputs/...` and `data/...` follow the folders above; the rest is
    relative to the project root."""
    path = Path(path).expanduser()
    if path.is_absolute():
        return path
    first, *rest = path.parts or ("",)
    bases = {"outputs": outputs_dir, "data": data_dir}
    return bases[first]().joinpath(*rest) if first in bases else ROOT / path


def replace_file(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Make `path` what `write` writes, or leave it as it was.

    Raises StorageError when the folder is full or cannot be written.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch.save turns a full disk into a RuntimeError
        raise _storage_error(path, error) from error
    finally:
        _discard(temporary)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, whole or not at all; the same errors as `replace_file`."""
    text = json.dumps(content, indent=1, allow_nan=True)
    replace_file(path, lambda file: file.write(text.encode()) and None)


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises StorageError when it is no JSON."""
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise StorageError(f"{path} is damaged ({error}): delete it and run again") from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last, as fsync does for the content of a file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises StorageError when that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _storage_error(folder, error) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` alone. Raises RunBusyError naming the holder when somebody else has it."""
    try:
        file = (folder / "lock").open("a+")
    except OSError as error:
        raise _storage_error(folder / "lock", error) from error
    with file:
        _acquire(file, folder)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            # Loader workers inherit the open file; closing ours alone would leave the lock to them.
            fcntl.flock(file, fcntl.LOCK_UN)


def _acquire(file: TextIO, folder: Path) -> None:
    """Lock at once or refuse; only for the orphans of a killed process is it worth waiting."""
    patience = time.monotonic() + ORPHAN_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read()
            if time.monotonic() > patience or not _is_dead(holder):
                raise RunBusyError(
                    f"run {folder.name} is being worked on by {holder or 'somebody'}: wait until "
                    "it has finished (the same call then returns its result), or stop it (the "
                    "same call then goes on from its checkpoint)"
                ) from error
        time.sleep(0.2)


def _is_dead(holder: str) -> bool:
    """Whether `holder` was a process of this machine that is no more, or nobody at all."""
    named = re.fullmatch(r"process (\d+) on (.*)", holder)
    if named is None or named[2] != socket.gethostname():
        return not holder
    try:
        os.kill(int(named[1]), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False


def is_locked(folder: Path) -> bool:
    """Whether a process is at work in `folder` now. Any number may ask at once."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _storage_error(path: Path, error: Exception) -> StorageError:
    reason = _system_reason(error) or str(error).splitlines()[0]
    return StorageError(
        f"cannot write {path}: {reason}. Free some space or mend the permissions and run again; "
        "what was stored before is intact"
    )


def _system_reason(error: BaseException | None) -> str | None:
    """What the system said: torch.save raises its own error over that of the file it writes to."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return None


def _discard(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:  # a folder that cannot be written: the error under way says so
        return
