"""`Boxes` and `Instances`: fields of one length, asked for by attribute or `has`."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class Boxes:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __len__(self) -> int:
        return len(self.tensor)


class Instances:
    def __init__(self, image_size: tuple[int, int], **kwargs: Any) -> None:
        self._image_size, self._fields = image_size, kwargs
        assert len({len(value) for value in kwargs.values()}) <= 1

    @property
    def image_size(self) -> tuple[int, int]:
        return self._image_size

    def has(self, name: str) -> bool:
        return name in self._fields

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._fields:
            raise AttributeError(f"Cannot find field '{name}' in the given Instances!")
        return self._fields[name]

    def __len__(self) -> int:
        return len(next(iter(self._fields.values())))
