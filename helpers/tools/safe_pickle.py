"""A pickle module that makes numbers and runs nothing: for checkpoints from somewhere else.

A pickle names functions and classes that rebuild its content. Those that make arrays, tensors and
plain containers are answered; any other name becomes an `Unread`, which can be made and filled
without effect: nothing of the file is imported or called. Names that have no use but to run code
condemn the file.
"""

from __future__ import annotations

import io
import pickle
import re
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy._core import numeric

from helpers.files import UserError

ZIP_START = b"PK\x03\x04"
OLD_TORCH = 0x1950A86A20F9469CFC6C  # the number that torch files had before they were zip archives
PLAIN = "biufcSU"  # kinds of numpy's types that hold no pointers, whatever a file says of them
HOSTILE = re.compile(
    r"(os|posix|nt|sys|subprocess|pty|shutil|importlib|runpy|ctypes|socket|webbrowser)\..*"
    r"|(builtins|__builtin__)\.(eval|exec|execfile|compile|open|file|__import__|input)"
)


class _RefusedError(Exception):
    """A file would run code under another reader."""


class Unread:
    """Stands in a file's content for an object that is not made of numbers; `asked` names it."""

    asked = ""

    def __new__(cls, *_: object, **__: object) -> Unread:
        return super().__new__(cls)

    def _ignore(self, *_: object, **__: object) -> None: ...

    __init__ = __setstate__ = __setitem__ = append = extend = add = _ignore


class _Dictionary(dict):
    """In the place of an OrderedDict; attributes that a file gives it are left out."""

    def __setstate__(self, _: object) -> None: ...


def _plain(dtype: Any) -> np.dtype:
    """The type, if it holds no pointers: a file could make numpy follow any bytes as such."""
    dtype = np.dtype(dtype)
    if dtype.kind not in PLAIN:
        raise _RefusedError(f"it has numbers of numpy's type {dtype.kind!r}, which may be pointers")
    return dtype


class _Array(np.ndarray):
    """One that is told its content after it is made; where that may be pointers it stays empty."""

    def __setstate__(self, state: tuple) -> None:
        if state[2].kind in PLAIN:
            super().__setstate__(state)


def _array(shape: tuple[int, ...], dtype: object, content: bytes) -> np.ndarray:
    return np.frombuffer(content, _plain(dtype)).reshape(shape).copy()


_ALLOWED = {
    "collections.OrderedDict": _Dictionary,
    "_codecs.encode": lambda text, _: text.encode("latin1"),  # how old protocols write bytes
    "numpy.dtype": np.dtype,
    "numpy.ndarray": _array,
    "numpy.core.multiarray._reconstruct": lambda *_: np.empty(0).view(_Array),
    "numpy.core.multiarray.scalar": lambda dtype, content: _array((1,), dtype, content)[0],
    "numpy.core.numeric._frombuffer": lambda content, dtype, *place: numeric._frombuffer(
        content, _plain(dtype), *place
    ),
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": lambda call, kind, given, _: call(*given),
    "torch.storage._load_from_bytes": lambda content: load_torch(io.BytesIO(content)),
}


class Unpickler(pickle.Unpickler):
    """Makes what `_ALLOWED` has, and an `Unread` of everything else."""

    def __init__(self, file: IO[bytes], **_: object) -> None:
        super().__init__(file, encoding="latin1")  # Python 2's text is read, too

    def find_class(self, module: str, name: str) -> Any:
        asked = f"{module}.{name}"
        if HOSTILE.fullmatch(asked):
            raise _RefusedError(f"it calls {asked}, which runs code: do not use this file")
        allowed = _ALLOWED.get(asked.replace("numpy._core.", "numpy.core."))
        if allowed is None:
            return type("Unread", (Unread,), {"asked": asked})
        return lambda *given: allowed(*given)  # a file could alter the function itself


def load(file: IO[bytes], **_: object) -> Any:
    """What `torch.load` asks of a pickle module, beside its Unpickler."""
    return Unpickler(file).load()


def load_torch(file: IO[bytes]) -> Any:
    """What torch.save wrote, old or new."""
    here = sys.modules[__name__]
    return torch.load(file, map_location="cpu", weights_only=False, pickle_module=here)


def read_numbers(path: Path) -> Any:
    """The content of a pickle, or of a file by torch.save: containers, text, numbers, arrays and
    tensors on the CPU, and `Unread` for every other object.

    Raises UserError when the file is absent, damaged, or would run code elsewhere.
    """
    try:
        with path.open("rb") as file:
            archive = file.read(len(ZIP_START)) == ZIP_START
            file.seek(0)
            content = None if archive else load(file)
            if archive:  # one by TorchScript holds programs and is refused by this call
                torch.serialization.get_unsafe_globals_in_checkpoint(file)
            elif type(content) is not int or content != OLD_TORCH:
                return content
            file.seek(0)
            return load_torch(file)
    except _RefusedError as reason:
        raise UserError(f"{path} is not read: {reason}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # broken pickles raise almost anything
        raise UserError(
            f"{path} is damaged, or no checkpoint (.pth or .pkl): fetch it again"
        ) from error
