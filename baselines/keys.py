"""Keys of a configuration: typed, with help and limits, in frozen dataclasses.

A section is a frozen dataclass whose fields are made by :func:`key`. Reading one checks names,
types, ranges and choices, and says what is legal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from fedenv.errors import ConfigError, unknown_name

_Section = TypeVar("_Section")


@dataclass(frozen=True)
class KeyInfo:
    """What is known about a key besides its type and default.

    Attributes:
        help: What it does, in one sentence.
        low: Smallest legal number.
        high: Largest legal number.
        above: Legal numbers are larger than this.
        choices: Legal values, if they are a closed set.
        resumable: Whether a run may be resumed with another value: it changes no result.
    """

    help: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    resumable: bool = False


def key(default: Any, help: str, **limits: Any) -> Any:
    """Return a dataclass field for a key.

    Args:
        default: The default; ``...`` for a key that must be given. A mapping or tuple is shared.
        help: What the key does.
        **limits: As :class:`KeyInfo`.
    """
    metadata = {"key": KeyInfo(help, **limits)}
    if default is ...:
        return field(metadata=metadata)
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def info_of(item: Field[Any]) -> KeyInfo:
    """Return what is known about a field made by :func:`key`."""
    info: KeyInfo = item.metadata["key"]
    return info


def check_section(section: Any, name: str) -> None:
    """Check the values of a section.

    Args:
        section: The dataclass.
        name: Its name in the file.

    Raises:
        ConfigError: A value has the wrong type or is out of range.
    """
    hints = get_type_hints(type(section))
    for item in fields(section):
        value = getattr(section, item.name)
        info, place = info_of(item), f"{name}.{item.name}"
        if not _fits(value, hints[item.name]):
            raise ConfigError(f"{place} must be {describe(hints[item.name])}, got {value!r}")
        if info.choices and value not in info.choices:
            raise unknown_name(place, value, info.choices)
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, int | float) and not isinstance(number, bool):
                _check_range(number, info, place)


def read_section(kind: type[_Section], name: str, table: Any) -> _Section:
    """Make a section from a table of the file.

    Raises:
        ConfigError: It is no table, or has an unknown, missing or illegal key.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"[{name}] must be a table of keys, got {table!r}")
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for given in table:
        if given not in known:
            raise unknown_name(f"key in [{name}]", given, known)
    for item in known.values():
        required = item.default is MISSING and item.default_factory is MISSING
        if required and item.name not in table:
            raise ConfigError(f"[{name}] needs the key {item.name!r}: {info_of(item).help}")
    hints = get_type_hints(kind)
    values = {given: _adapt(value, hints[given]) for given, value in table.items()}
    return kind(**values)


def describe(hint: Any) -> str:
    """Return a readable name of a key's type."""
    if get_origin(hint) is UnionType:
        return " or ".join(describe(part) for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is tuple:
        return f"a list of {describe(get_args(hint)[0])}"
    names = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}
    return names.get(hint, "a table")


def plain(value: Any) -> Any:
    """Return a value as JSON has it: tuples as lists, mappings sorted by key."""
    if isinstance(value, Mapping):
        return {name: plain(value[name]) for name in sorted(value)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def rows_of(section: type[Any]) -> Iterator[tuple[str, str, str, KeyInfo]]:
    """Yield name, type, default and information of each key of a section."""
    hints = get_type_hints(section)
    for item in fields(section):
        if item.default_factory is not MISSING:
            default: Any = item.default_factory()
        else:
            default = "(must be given)" if item.default is MISSING else item.default
        yield item.name, describe(hints[item.name]), _shown(default), info_of(item)


def _shown(default: Any) -> str:
    if default is None:
        return "(none)"
    return str(default).lower() if isinstance(default, bool) else str(plain(default))


def _check_range(number: float, info: KeyInfo, place: str) -> None:
    limits = []
    if info.low is not None:
        limits.append((number >= info.low, f"at least {info.low}"))
    if info.above is not None:
        limits.append((number > info.above, f"above {info.above}"))
    if info.high is not None:
        limits.append((number <= info.high, f"at most {info.high}"))
    if not math.isfinite(number) or not all(fits for fits, _ in limits):
        wanted = " and ".join(text for _, text in limits) or "finite"
        raise ConfigError(f"{place} must be {wanted}, got {number!r}")


def _adapt(value: Any, hint: Any) -> Any:
    # TOML has lists where a dataclass has tuples, and writes 1 where 1.0 is meant.
    if isinstance(value, list):
        return tuple(_adapt(item, get_args(hint)[0] if get_args(hint) else hint) for item in value)
    if type(value) is int and (hint is float or float in get_args(hint)):
        return float(value)
    return value


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is UnionType:
        return any(_fits(value, part) for part in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(hint)[0]) for item in value)
    if origin is not None:
        return isinstance(value, Mapping)
    return value is None if hint is NoneType else type(value) is hint
