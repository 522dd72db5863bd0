"""Knobs of partitions: what each means, what is legal, and the checks all partitions share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fedenv.errors import ConfigError
from fedenv.tasks import TaskPool


@dataclass(frozen=True)
class Knob:
    """One argument of a partition.

    Attributes:
        meaning: What it does, in a few words.
        legal: The legal values, in words.
        accepts: Whether a value is legal.
        normal: Brings equal values to one form (1 and 1.0), so that they give one digest.
    """

    meaning: str
    legal: str
    accepts: Callable[[Any], bool]
    normal: Callable[[Any], Any] = lambda value: value

    def check(self, partition: str, name: str, value: Any) -> Any:
        """Return the value in its normal form.

        Raises:
            ConfigError: The value is not legal.
        """
        if not self.accepts(value):
            raise ConfigError(
                f"partition {partition!r}: {name} ({self.meaning}) must be {self.legal}, "
                f"got {value!r}"
            )
        return self.normal(value)

    def or_null(self) -> Knob:
        """Return a knob that may be null, too."""
        return Knob(
            self.meaning,
            f"{self.legal}, or null",
            lambda value: value is None or self.accepts(value),
            lambda value: None if value is None else self.normal(value),
        )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def between(meaning: str, low: float, high: float) -> Knob:
    """Return a number in the open interval (low, high)."""
    return Knob(
        meaning,
        f"a number in ({low:g}, {high:g})",
        lambda value: _is_number(value) and low < value < high,
        float,
    )


def share(meaning: str) -> Knob:
    """Return a number in (0, 1]."""
    return Knob(
        meaning, "a number in (0, 1]", lambda value: _is_number(value) and 0 < value <= 1, float
    )


def count(meaning: str) -> Knob:
    """Return an integer of at least 1."""
    return Knob(meaning, "an int of at least 1", lambda value: type(value) is int and value >= 1)


def flag(meaning: str) -> Knob:
    """Return a truth value."""
    return Knob(meaning, "true or false", lambda value: type(value) is bool)


def text(meaning: str) -> Knob:
    """Return a text."""
    return Knob(meaning, "a text", lambda value: isinstance(value, str))


def ascending(meaning: str, names: tuple[str, ...], low: float, integers: bool) -> Knob:
    """Return a list of numbers of at least ``low``, none smaller than the one before."""

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, list | tuple)
            and len(value) == len(names)
            and all(type(item) is int if integers else _is_number(item) for item in value)
            and low <= value[0]
            and all(value[i] <= value[i + 1] for i in range(len(value) - 1))
        )

    kind = "ints" if integers else "numbers"
    shown = ", ".join(names)
    return Knob(
        meaning,
        f"{kind} [{shown}] with {low:g} <= {' <= '.join(names)}",
        accepts,
        lambda value: [item if integers else float(item) for item in value],
    )


def check_knobs(partition: str, legal: Mapping[str, Knob], given: Mapping[str, Any]) -> None:
    """Check the knobs of a call.

    Raises:
        ConfigError: One is out of range; the message lists what is legal.
    """
    for name, value in given.items():
        legal[name].check(partition, name, value)


def check_request(pool: TaskPool, num_clients: int) -> None:
    """Check what no partition can do without.

    Raises:
        ConfigError: There is no client or no task.
    """
    if type(num_clients) is not int or num_clients < 1:
        raise ConfigError(f"num_clients must be an int of at least 1, got {num_clients!r}")
    if not len(pool):
        raise ConfigError("the training pool is empty; use data with more goals")
