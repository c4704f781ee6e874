"""Values of config fields, checked against their annotations when a config is made.

What comes from a command line or a JSON file then equals what was written in Python: lists become
tuples, dicts become sections, and whole numbers become floats or the other way round, as the field
says. Bounds stand in the annotation: `flip: Share = 0.5`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


class Section:
    """Base of the config dataclasses: every field is checked, whoever makes the object."""

    def __post_init__(self) -> None:
        for name, hint in _hints(type(self)).items():
            where = f"{section_name(type(self))}.{name}"
            object.__setattr__(self, name, coerce(getattr(self, name), hint, where))

    def require(self, fits: bool, name: str, wanted: str) -> None:
        """Raises ValueError that names the field `name`, its value and what is wanted of it."""
        if not fits:
            raise ValueError(
                f"{section_name(type(self))}.{name} is {getattr(self, name)}: {wanted}"
            )


@dataclass(frozen=True)
class Bounds:
    """Numbers from `low` to `high`, both included; `above`: without `low` itself."""

    low: float
    high: float = math.inf
    above: bool = False

    def check(self, value: float, where: str) -> None:
        """Raises ValueError that names `where` for a number outside."""
        if not self.low <= value <= self.high or (self.above and value == self.low):
            wanted = f"between {self.low} and {self.high}"
            if self.high == math.inf:
                wanted = f"above {self.low}" if self.above else f"{self.low} or more"
            raise ValueError(f"{where} is {value}: it has to be {wanted}")


Count = Annotated[int, Bounds(1)]
WholeNumber = Annotated[int, Bounds(0)]
Positive = Annotated[float, Bounds(0, above=True)]
NotNegative = Annotated[float, Bounds(0)]
Share = Annotated[float, Bounds(0, 1)]


def section_name(section: type[Section]) -> str:
    """How messages call a section: "train" for `TrainConfig`."""
    return section.__name__.removesuffix("Config").lower()


@cache  # a ladder makes thousands of sections of these few classes
def _hints(section: type[Section]) -> Mapping[str, Any]:
    return get_type_hints(section, include_extras=True)


def coerce(value: Any, hint: Any, where: str) -> Any:
    """`value` as the type `hint`: a plain type, a Literal, a tuple, a section, or one of them or
    None, each perhaps with bounds.

    Raises ValueError that names `where` and what it has to be.
    """
    kind, inner = get_origin(hint), get_args(hint)
    if kind is Annotated:
        value = coerce(value, inner[0], where)
        for bounds in inner[1:]:
            bounds.check(value, where)
        return value
    if kind in (Union, UnionType):
        wanted = next(arg for arg in inner if arg is not NoneType)
        return None if value is None else coerce(value, wanted, where)
    if kind is tuple and isinstance(value, list | tuple):
        items = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(items) == len(value):
            return tuple(coerce(v, item, where) for v, item in zip(value, items, strict=True))
    if hint in (int, float) and isinstance(value, Real) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}: it has to be a finite number")
        if hint is float or value == int(value):
            return hint(value)
    if isinstance(hint, type) and issubclass(hint, Section) and isinstance(value, Mapping):
        check_known(value, hint, where)
        return hint(**value)
    if (kind is Literal and value in inner) or type(value) is hint:
        return value
    raise ValueError(f"{where} is {value!r}: it has to be {_describe(hint)}")


def check_known(names: Mapping[str, Any], section: Any, where: str) -> None:
    """Raises ValueError naming the fields there are when a name is none of the section."""
    known = known_fields(section)
    for name in names:
        if name not in known:
            raise ValueError(f"{where} has no field {name!r}: choose one of {', '.join(known)}")


def known_fields(config: Any) -> list[str]:
    """Names of the fields of a config section; none for anything else."""
    return [f.name for f in dataclasses.fields(config)] if dataclasses.is_dataclass(config) else []


def differences(config: Any, base: Any) -> dict[str, Any]:
    """Fields of `config` that differ from those of `base`, of the same class; sections nested."""
    changed = {}
    for name in known_fields(config):
        ours, theirs = getattr(config, name), getattr(base, name)
        if ours != theirs:
            nested = dataclasses.is_dataclass(ours) and type(ours) is type(theirs)
            plain = dataclasses.asdict(ours) if dataclasses.is_dataclass(ours) else ours
            changed[name] = differences(ours, theirs) if nested else plain
    return changed


def dotted(changes: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Nested fields, as `differences` and `to_dict` give them, by dotted name: "train.lr"."""
    named: dict[str, Any] = {}
    for name, value in changes.items():
        nested = isinstance(value, Mapping)
        named |= dotted(value, f"{path}{name}.") if nested else {f"{path}{name}": value}
    return named


def _describe(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
