"""The two catalogues: names of data sets -> what reads them, and what is known of them."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class _DatasetCatalog(UserDict):
    def register(self, name: str, func: Callable[[], list[dict[str, Any]]]) -> None:
        assert callable(func)
        assert name not in self, f"Dataset '{name}' is already registered!"
        self[name] = func

    def get(self, name: str) -> list[dict[str, Any]]:
        return self[name]()

    def list(self) -> list[str]:
        return [*self.keys()]

    def remove(self, name: str) -> None:
        self.pop(name)


class Metadata(SimpleNamespace):
    def set(self, **kwargs: Any) -> Metadata:
        for key, value in kwargs.items():
            assert getattr(self, key, value) == value, f"'{key}' cannot be set to a different value"
            setattr(self, key, value)
        return self


class _MetadataCatalog(UserDict):
    def get(self, name: str) -> Metadata:
        return self.setdefault(name, Metadata(name=name))

    def list(self) -> list[str]:
        return [*self.keys()]

    def remove(self, name: str) -> None:
        self.pop(name)


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()
