"""Partitions by name, as environments and the command line take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedenv.data import Stamp, stamp
from fedenv.errors import ConfigError, DataError, unknown_name
from fedenv.partitions.assignment import Assignment
from fedenv.partitions.composite import KNOBS as COMPOSITE_KNOBS
from fedenv.partitions.composite import composite
from fedenv.partitions.coverage import KNOBS as COVERAGE_KNOBS
from fedenv.partitions.coverage import coverage
from fedenv.partitions.hardness import KNOBS as HARDNESS_KNOBS
from fedenv.partitions.hardness import hardness
from fedenv.partitions.knobs import Knob
from fedenv.partitions.labels import Labels
from fedenv.partitions.preference import KNOBS as PREFERENCE_KNOBS
from fedenv.partitions.preference import preference
from fedenv.partitions.uniform import KNOBS as UNIFORM_KNOBS
from fedenv.partitions.uniform import uniform
from fedenv.tasks import TaskPool


@dataclass(frozen=True)
class Partition:
    """One algorithm.

    Attributes:
        make: The algorithm: (pool, number of clients, seed, knobs) to an assignment.
        summary: What clients differ in.
        knobs: Its knobs; the defaults are those of ``make``.
    """

    make: Callable[..., Assignment]
    summary: str
    knobs: Mapping[str, Knob]

    @property
    def defaults(self) -> dict[str, Any]:
        """Default values, JSON only; a knob that is not here must be given."""
        parameters = inspect.signature(self.make).parameters
        found: dict[str, Any] = {"labels": None} if self.needs_labels else {}
        for name, knob in self.knobs.items():
            default = parameters[name].default
            if default is not inspect.Parameter.empty:
                found[name] = None if default is None else knob.normal(default)
        return found

    @property
    def needs_labels(self) -> bool:
        """Whether it needs to know which tasks are successes."""
        return "labels" in self.knobs


PARTITIONS: Mapping[str, Partition] = {
    "uniform": Partition(uniform, "nothing but the tasks themselves", UNIFORM_KNOBS),
    "preference": Partition(preference, "categories of tasks", PREFERENCE_KNOBS),
    "coverage": Partition(coverage, "number of tasks", COVERAGE_KNOBS),
    "hardness": Partition(hardness, "share of tasks that get solved", HARDNESS_KNOBS),
    "composite": Partition(composite, "all three, each set on its own", COMPOSITE_KNOBS),
}


def parse(partition: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a partition's name and knobs, with defaults filled in and numbers in one form.

    Args:
        partition: A name, or a mapping with ``"name"`` and knobs.

    Raises:
        ConfigError: Unknown name, unknown or missing knob, or a knob out of range; the message
            lists what is legal.
    """
    if not isinstance(partition, str | Mapping):
        raise ConfigError(
            f'partition must be a name or {{"name": …}} with knobs, got {partition!r}; '
            f"names: {', '.join(PARTITIONS)}"
        )
    given = {"name": partition} if isinstance(partition, str) else dict(partition)
    name = given.pop("name", None)
    if not isinstance(name, str) or name not in PARTITIONS:
        raise unknown_name("partition", name, PARTITIONS)
    knobs, defaults = PARTITIONS[name].knobs, PARTITIONS[name].defaults
    for knob in given:
        if knob not in knobs:
            raise unknown_name(f"argument of partition {name!r}", knob, knobs)
    parsed = {"name": name}
    for knob, about in knobs.items():
        if knob not in given and knob not in defaults:
            raise ConfigError(
                f"partition {name!r} needs {knob} ({about.meaning}): {about.legal}; "
                f'e.g. {{"name": "{name}", "{knob}": …}}'
            )
        parsed[knob] = about.check(name, knob, given.get(knob, defaults.get(knob)))
    return parsed


def labels_stamp(partition: str | Mapping[str, Any]) -> Stamp:
    """Return what tells one state of the labels file that a partition names from another.

    Raises:
        ConfigError: As :func:`parse`.
        DataError: There is no such file.
    """
    path = parse(partition).get("labels")
    if path is None:
        return ()
    try:
        return stamp([Path(path)])
    except OSError as error:
        raise DataError(f"{path}: labels cannot be read ({error})") from error


def labels_of(parsed: Mapping[str, Any], bundled: Callable[[], Labels | None]) -> Labels | None:
    """Return the success labels that a partition uses; None where it uses none.

    Args:
        parsed: A partition as :func:`parse` returns it.
        bundled: Returns the labels that come with the data, or None.

    Raises:
        ConfigError: It needs labels and there are none.
        DataError: The labels cannot be read.
    """
    name = parsed["name"]
    if "labels" not in parsed:
        return None
    path = parsed["labels"]
    labels = bundled() if path is None else Labels.load(Path(path))
    if labels is None:
        raise ConfigError(
            f"partition {name!r} needs success labels, and this data comes without; make them "
            'with `fedenv label` and pass {"name": "' + name + '", "labels": "labels.json", …}'
        )
    return labels


def assign(
    partition: str | Mapping[str, Any],
    pool: TaskPool,
    num_clients: int,
    seed: int,
    labels: Labels | None = None,
) -> Assignment:
    """Run a partition by name.

    Args:
        partition: A name, or a mapping with ``"name"`` and knobs.
        pool: Training tasks.
        num_clients: Number of clients N.
        seed: Names every draw.
        labels: Success labels for a partition that needs them; None reads the file it names.

    Raises:
        ConfigError: Unknown name, unknown knob, a knob out of range, or what the pool cannot give.
        DataError: The labels cannot be read.
    """
    knobs = parse(partition)
    if "labels" in knobs:
        knobs["labels"] = labels or labels_of(knobs, lambda: None)
    return PARTITIONS[knobs.pop("name")].make(pool, num_clients, seed, **knobs)
