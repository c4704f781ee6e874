"""Where things lie, files that are whole or absent, one lock a folder, and the error for users.

A file is written under a temporary name, flushed to the disk and renamed, so that a kill at any
moment leaves either the former file or the new one. The lock belongs to the process: the system
frees it when the process ends, however it ends. Folders are found from this file, so the caller's
working directory does not matter.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from numbers import Real
from pathlib import Path
from typing import IO, Any, BinaryIO

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
    return _folder("HELPERS_DATA", "data")


def outputs_dir() -> Path:
    """Folder of all that is made: `$HELPERS_OUTPUTS`, else `outputs/` of the project."""
    return _folder("HELPERS_OUTPUTS", "outputs")


def _folder(variable: str, usual: str) -> Path:
    return (ROOT / Path(os.environ.get(variable) or usual).expanduser()).resolve()


def resolve(path: str | Path) -> Path:
    """An absolute path stays; `outputs/...` and `data/...` follow the folders above; the rest is
    relative to the project root."""
    path = Path(path).expanduser()
    if path.is_absolute():
        return path
    first, *rest = path.parts or ("",)
    bases = {"outputs": outputs_dir, "data": data_dir}
    return bases[first]().joinpath(*rest) if first in bases else ROOT / path


def existing(path: str | Path) -> Path:
    """The path in the caller's folder, or, where only there is something, as `resolve` has it."""
    path = Path(path).expanduser()
    return resolve(path) if not path.exists() and resolve(path).exists() else path


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Make `path` what `write` writes, or leave it as it was.

    Raises StorageError when the folder is full or cannot be written.
    """
    own = secrets.token_hex(8)  # others may write it, too, on other machines with equal pids
    temporary = path.with_name(f"{path.name}.{own}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)  # the name lasts, too
        os.close(folder)
    except (OSError, RuntimeError) as error:  # torch.save turns a full disk into a RuntimeError
        raise _storage_error(path, error) from error
    finally:
        with suppress(OSError):  # a folder that cannot be written: the error under way says so
            temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, whole or not at all; the same errors as `replace_file`."""
    text = json.dumps(content, indent=1, allow_nan=True)
    replace_file(path, lambda file: file.write(text.encode()))


def sha256(path: Path) -> str:
    """Of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises StorageError when it is no JSON."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:  # no JSON, or no text at all
        raise StorageError(f"{path} is damaged ({error}): delete it and run again") from error


def whole_number(value: Any) -> int | None:
    """The whole number that a value of a JSON file stands for (96.0 is 96), or None."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return int(value) if abs(value) < 2**62 and value == int(value) else None


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
        patience = time.monotonic() + ORPHAN_SECONDS
        while not _locks(file, fcntl.LOCK_EX):
            file.seek(0)
            holder = file.read()
            if _is_alive(holder) or time.monotonic() > patience:
                raise RunBusyError(
                    f"{folder} is being worked on by {holder or 'somebody'}: wait until it has "
                    "finished, or stop it; the same call then goes on from what is stored"
                )
            time.sleep(0.2)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            # Loader workers inherit the open file; closing ours alone would leave the lock to them.
            fcntl.flock(file, fcntl.LOCK_UN)


def is_locked(folder: Path) -> bool:
    """Whether a process is at work in `folder` now. Any number may ask at once."""
    try:
        with (folder / "lock").open("rb") as file:
            return not _locks(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _locks(file: IO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # of a network, perhaps
        raise StorageError(
            f"{file.name} cannot be locked ({error.strerror}): let HELPERS_OUTPUTS name a "
            "folder on a file system with locks"
        ) from error
    return True


def _is_alive(holder: str) -> bool:
    """Whether a lock's holder may still be at work: not one of this machine that is no more."""
    named = re.fullmatch(r"process (\d+) on (.*)", holder)
    if named is None or named[2] != socket.gethostname():
        return bool(holder)
    try:
        os.kill(int(named[1]), 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def _storage_error(path: Path, error: BaseException) -> StorageError:
    reason, cause = str(error).partition("\n")[0], error
    while cause is not None:  # torch.save raises its own error over that of the file it writes to
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
            break
        cause = cause.__cause__ or cause.__context__
    return StorageError(
        f"cannot write {path}: {reason}. Free some space or fix the permissions and run again; "
        "what was stored before is intact"
    )
