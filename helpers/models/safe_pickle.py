"""Read numbers out of .pth and .pkl files without running anything in them.

A pickle names functions and classes that rebuild its content. Only those that make arrays, tensors
and plain containers are answered, by functions of this module. Any other name becomes an `Unread`,
which can be made and filled without effect: nothing of the file is imported or called. Names that
have no use but to run code condemn the file.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy._core import multiarray, numeric
from torch import Tensor

from helpers.files import UserError

ZIP_START = b"PK\x03\x04"
OLD_TORCH = 0x1950A86A20F9469CFC6C  # the number that torch files had before they were zip archives
_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
_HOSTILE_MODULES = (
    *("os", "posix", "nt", "sys", "subprocess", "pty", "shutil", "importlib", "runpy", "ctypes"),
    *("socket", "webbrowser"),
)
_HOSTILE_BUILTINS = ("eval", "exec", "execfile", "compile", "open", "file", "__import__", "input")
_NUMPY_ROOMS = ("numpy.core.", "numpy._core.")


class _RefusedError(Exception):
    """What is wrong with a file, in words for its user."""


class Unread:
    """Stands in a file's content for an object that is not made of numbers; `asked` names it."""

    asked = ""

    def __new__(cls, *_: object, **__: object) -> Unread:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None: ...

    add = extend = append


def read_numbers(path: Path) -> Any:
    """The content of a pickle, or of a file by torch.save: containers, text, numbers, arrays and
    tensors on the CPU, and `Unread` for every other object.

    Raises UserError when the file is absent, damaged, or would run code elsewhere.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(ZIP_START))
            file.seek(0)
            return _torch_archive(file) if start == ZIP_START else _plain_or_old_torch(file)
    except _RefusedError as reason:
        raise UserError(f"{path} is not read: {reason}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # broken pickles raise almost anything
        raise UserError(
            f"{path} is damaged, or no checkpoint (.pth or .pkl): fetch it again"
        ) from error


class _Unpickler(pickle._Unpickler):  # C's makes a list as long as any memo index in the file
    def __init__(self, file: IO[bytes], storage: Callable[..., Tensor] | None = None) -> None:
        super().__init__(file, encoding="latin1")  # Python 2's text is read, too
        self._storage = storage

    def persistent_load(self, pid: tuple[Any, ...]) -> Tensor:
        return self._storage(*pid)

    def find_class(self, module: str, name: str) -> Any:
        room = next((module.removeprefix(r) for r in _NUMPY_ROOMS if module.startswith(r)), module)
        if (room, name) in _ALLOWED:
            return _ALLOWED[room, name]
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        builtin = module in ("builtins", "__builtin__")
        if module.split(".")[0] in _HOSTILE_MODULES or (builtin and name in _HOSTILE_BUILTINS):
            raise _RefusedError(f"it calls {module}.{name}, which runs code: do not use this file")
        return type("Unread", (Unread,), {"asked": f"{module}.{name}"})


def _torch_archive(file: IO[bytes]) -> Any:
    with zipfile.ZipFile(file) as archive:
        (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = index.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order).decode() != sys.byteorder:
            raise _RefusedError("it was written on a machine with another order of bytes")

        @cache
        def storage(kind: str, dtype: torch.dtype, key: str, location: str, count: int) -> Tensor:
            if not isinstance(dtype, torch.dtype):
                return dtype()  # numbers of an unknown kind: unread
            content = bytearray(archive.read(f"{folder}data/{key}"))
            return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0).to(dtype)

        return _Unpickler(io.BytesIO(archive.read(index)), storage).load()


def _plain_or_old_torch(file: IO[bytes]) -> Any:
    content = _Unpickler(file).load()
    if type(content) is not int or content != OLD_TORCH:
        return content
    _, machine = _Unpickler(file).load(), _Unpickler(file).load()
    if machine["little_endian"] != (sys.byteorder == "little"):
        raise _RefusedError("it was written on a machine with another order of bytes")
    here = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(here)
    storages: dict[str, Tensor] = {}

    def storage(
        kind: str, dtype: torch.dtype, key: str, location: str, count: int, view: None
    ) -> Tensor:
        if key not in storages:
            if view is not None or count * dtype.itemsize > size:  # more than the file can hold
                raise ValueError(key)
            storages[key] = torch.empty(count, dtype=dtype)
        return storages[key]

    content = _Unpickler(file, storage).load()
    for key in _Unpickler(file).load():
        (count,) = struct.unpack("<q", file.read(8))
        if count != len(storages[key]):
            raise EOFError
        place = storages[key].view(torch.uint8).numpy()
        if file.readinto(place) != place.size:
            raise EOFError
    return content


class _Only:
    """A callable that a pickle can call but not alter (it has no attributes to set)."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __setattr__(self, name: str, value: object) -> None:
        raise _RefusedError("it tries to change a function")

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


class _Dictionary(dict):
    """In the place of an OrderedDict; attributes that a file gives it are left out."""

    def __setstate__(self, _: object) -> None: ...


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError(encoding)
    return text.encode("latin1")


def _dtype(name: object, *flags: object) -> np.dtype | Unread:
    result = np.dtype(name, *flags)
    return Unread() if result.hasobject else result


def _array(shape: tuple[int, ...], dtype: object, content: bytes) -> np.ndarray:
    """numpy's own constructor would take any bytes for pointers to objects."""
    return np.frombuffer(content, _dtype(dtype)).reshape(shape).copy()


class _Array(np.ndarray):
    """One of Python objects stays as it was made: empty, and of no numbers."""

    def __setstate__(self, state: tuple) -> None:
        if not isinstance(state[2], Unread):
            super().__setstate__(state)


def _reconstruct(kind: object, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    if shape != (0,):  # what numpy writes, before the content; others take memory from nothing
        raise ValueError(shape)
    return multiarray._reconstruct(_Array, shape, b"V")


def _scalar(dtype: object, content: bytes) -> np.generic:
    return multiarray.scalar(dtype, content)  # without content: zeros of any size


def _tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: object) -> Tensor:
    if isinstance(storage, Unread):
        return storage
    return torch.as_strided(storage, size, stride, offset)  # stays inside, or raises


_ALLOWED = {
    ("collections", "OrderedDict"): _Dictionary,
    ("_codecs", "encode"): _Only(_latin1),
    ("numpy", "ndarray"): _Only(_array),
    ("numpy", "dtype"): _Only(_dtype),
    ("multiarray", "_reconstruct"): _Only(_reconstruct),
    ("multiarray", "scalar"): _Only(_scalar),
    ("numeric", "_frombuffer"): _Only(numeric._frombuffer),
    ("torch._utils", "_rebuild_tensor_v2"): _Only(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Only(lambda data, *_: data),
    ("torch._utils", "_rebuild_parameter_with_state"): _Only(lambda data, *_: data),
    ("torch._tensor", "_rebuild_from_type_v2"): _Only(lambda call, kind, given, _: call(*given)),
    ("torch.storage", "_load_from_bytes"): _Only(
        lambda data: _plain_or_old_torch(io.BytesIO(data))
    ),
}
