"""Values of config fields, checked against their annotations when a config is made.

What comes from a command line or a JSON file then equals what was written in Python: lists become
tuples and whole numbers become floats where the field says so.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class Section:
    """Base of the config dataclasses: every field is checked, whoever makes the object."""

    def __post_init__(self) -> None:
        hints = _hints(type(self))
        for field in dataclasses.fields(self):
            where = f"{type(self).__name__}.{field.name}"
            value = coerce(getattr(self, field.name), hints[field.name], where)
            object.__setattr__(self, field.name, value)


@cache  # a ladder makes thousands of sections of these few classes
def _hints(section: type[Section]) -> Mapping[str, Any]:
    return get_type_hints(section)


def coerce(value: Any, hint: Any, where: str) -> Any:
    """`value` as the type `hint`: a plain type, a Literal, a tuple, or one of them or None.

    Raises ValueError that names `where` and what it has to be.
    """
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = [arg for arg in get_args(hint) if arg is not type(None)]
        return None if value is None else coerce(value, inner, where)
    if get_origin(hint) is Literal and value in get_args(hint):
        return value
    if get_origin(hint) is tuple and isinstance(value, (list, tuple)):
        kinds = get_args(hint)
        if kinds[-1] is Ellipsis:
            return tuple(coerce(item, kinds[0], where) for item in value)
        if len(kinds) == len(value):
            return tuple(coerce(v, kind, where) for v, kind in zip(value, kinds, strict=True))
    if hint is float and type(value) in (int, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}: it has to be a finite number")
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"{where} is {value!r}: it has to be {_describe(hint)}")


def plain_to_section(value: Any, section: type[Section], where: str) -> Any:
    """A dict, as JSON and command lines give a section, becomes it; all else stays as it is.

    Raises ValueError that names `where` and the fields there are when the dict has another one.
    """
    if not isinstance(value, dict):
        return value
    unknown = sorted(set(value) - set(known_fields(section)))
    if unknown:
        known = ", ".join(known_fields(section))
        raise ValueError(f"{where} has no field {unknown}: choose among {known}")
    return section(**value)


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


def flat(changes: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Nested fields, as `differences` and `to_dict` give them, by dotted name: "train.lr"."""
    named: dict[str, Any] = {}
    for name, value in changes.items():
        nested = isinstance(value, Mapping)
        named |= flat(value, f"{path}{name}.") if nested else {f"{path}{name}": value}
    return named


def _describe(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
