"""Partitions by name, as environments and the command line take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fedenv.errors import ConfigError, unknown_name
from fedenv.partitions.assignment import Assignment
from fedenv.partitions.uniform import uniform
from fedenv.tasks import TaskPool

PARTITIONS: Mapping[str, Callable[..., Assignment]] = {"uniform": uniform}


def parse(partition: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a partition's name and knobs, with defaults filled in.

    Args:
        partition: A name, or a mapping with ``"name"`` and knobs.

    Raises:
        ConfigError: Unknown name or knob; the message lists the legal ones.
    """
    given = {"name": partition} if isinstance(partition, str) else dict(partition)
    name = given.pop("name", None)
    if not isinstance(name, str) or name not in PARTITIONS:
        raise unknown_name("partition", name, PARTITIONS)
    parameters = inspect.signature(PARTITIONS[name]).parameters.values()
    legal = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for knob, value in given.items():
        if knob not in legal:
            raise unknown_name(f"argument of partition {name!r}", knob, legal)
        if type(value) is not type(legal[knob]) and not (
            isinstance(legal[knob], float) and type(value) is int
        ):
            expected = type(legal[knob]).__name__
            raise ConfigError(f"partition {name!r}: {knob} must be {expected}, got {value!r}")
    return {"name": name, **legal, **given}


def assign(
    partition: str | Mapping[str, Any], pool: TaskPool, num_clients: int, seed: int
) -> Assignment:
    """Run a partition by name.

    Raises:
        ConfigError: Unknown name, unknown knob, or a knob out of range.
    """
    knobs = parse(partition)
    return PARTITIONS[knobs.pop("name")](pool, num_clients, seed, **knobs)
