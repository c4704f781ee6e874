"""Unpickle arrays or tensors in plain containers; anything else is refused before it can run."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy._core import multiarray, numeric


class _Only:
    """A callable that a pickle can call but not alter (it has no attributes to set)."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError("a pickle tried to change a function")

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes stored with encoding {encoding!r}")
    return text.encode("latin1")


def _dtype(name: object, *flags: object) -> np.dtype:
    result = np.dtype(name, *flags)
    if result.hasobject:
        raise pickle.UnpicklingError("an array of Python objects")
    return result


def _array(shape: tuple[int, ...], dtype: object, content: bytes) -> np.ndarray:
    """numpy's own constructor would take any bytes for pointers to objects."""
    return np.frombuffer(content, _dtype(dtype)).reshape(shape).copy()


def _reconstruct(kind: object, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    if shape != (0,):  # what numpy writes, before the content; others take memory from nothing
        raise pickle.UnpicklingError(f"an array that starts with shape {shape!r}")
    return multiarray._reconstruct(np.ndarray, shape, code)


def _scalar(dtype: object, content: bytes) -> np.generic:
    return multiarray.scalar(dtype, content)  # without content: zeros of any size


_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _Only(_latin1),
    ("numpy", "ndarray"): _Only(_array),
    ("numpy", "dtype"): _Only(_dtype),
    ("multiarray", "_reconstruct"): _Only(_reconstruct),
    ("multiarray", "scalar"): _Only(_scalar),
    ("numeric", "_frombuffer"): _Only(numeric._frombuffer),
}
_NUMPY_ROOMS = ("numpy.core.", "numpy._core.")


class _ArrayUnpickler(pickle._Unpickler):  # C's makes a list as long as any memo index in the file
    def find_class(self, module: str, name: str) -> Any:
        room = next((module.removeprefix(r) for r in _NUMPY_ROOMS if module.startswith(r)), module)
        try:
            return _ALLOWED[room, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, but only numpy arrays are admitted"
            ) from None


def load_arrays(file: IO[bytes]) -> Any:
    """The pickle in `file`, made of containers, text, numbers and numpy arrays.

    Files of Python 2 are read too. Raises pickle.UnpicklingError when it holds anything else.
    """
    try:
        return _ArrayUnpickler(file, encoding="latin1").load()
    except (EOFError, IndexError, KeyError) as error:
        raise pickle.UnpicklingError("it is damaged, or no pickle: fetch it again") from error


def load_tensors(path: Path) -> Any:
    """What a .pth of torch holds: containers, numbers and tensors, on the CPU.

    Raises OSError when there is no such file, pickle.UnpicklingError when it holds anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, LookupError, EOFError, RuntimeError, ValueError):
        raise pickle.UnpicklingError(  # torch advises to trust the file
            "it is damaged, or holds Python objects beside its weights, which could run code. "
            "Fetch it again, or have whoever made it save the weights alone: "
            'torch.save({"model": model.state_dict()}, FILE)'
        ) from None
