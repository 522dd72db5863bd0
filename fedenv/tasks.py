"""Tasks: what a client can be asked to do, known to partitions by id and category only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np

from fedenv.errors import ConfigError, unknown_name
from fedenv.fingerprint import digest_lines

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Task:
    """One task: a stable opaque id and the category that partitions see."""

    id: str
    category: str


@dataclass(frozen=True)
class TaskPool:
    """An ordered set of tasks.

    Raises:
        ConfigError: Two tasks share an id; the message names one.
    """

    tasks: tuple[Task, ...]

    def __post_init__(self) -> None:
        if len({task.id for task in self.tasks}) != len(self.tasks):
            often, times = Counter(task.id for task in self.tasks).most_common(1)[0]
            raise ConfigError(
                f"the tasks of a pool must have different ids; {often!r} is there {times} times"
            )

    def __len__(self) -> int:
        return len(self.tasks)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Task ids in pool order."""
        return tuple(task.id for task in self.tasks)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The different categories, sorted."""
        return tuple(sorted({task.category for task in self.tasks}))

    @cached_property
    def codes(self) -> np.ndarray:
        """Each task's index in ``categories``, in pool order: int64 of shape (n,), read-only."""
        index = {category: code for code, category in enumerate(self.categories)}
        found = (index[task.category] for task in self.tasks)
        codes = np.fromiter(found, dtype=np.int64, count=len(self.tasks))
        codes.setflags(write=False)
        return codes

    @property
    def category_sizes(self) -> np.ndarray:
        """Number of tasks in each category: int64 of shape (C,)."""
        return np.bincount(self.codes, minlength=len(self.categories))

    @property
    def digest(self) -> str:
        """Name of this ordered pool."""
        return digest_lines(f"{task.id}\t{task.category}" for task in self.tasks)


@dataclass(frozen=True)
class TaskSplits:
    """All tasks of a data set and their split into train, val and test.

    Attributes:
        tasks: Every task; its position is what an environment uses internally.
        positions: Split name to positions, in the order of the split.

    Raises:
        ConfigError: Two splits share a task.
    """

    tasks: tuple[Task, ...]
    positions: Mapping[str, tuple[int, ...]]
    _by_id: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        used = [position for split in self.positions.values() for position in split]
        if len(set(used)) != len(used):
            raise ConfigError("train, val and test must not share a task")
        object.__setattr__(self, "positions", MappingProxyType(dict(self.positions)))
        by_id = {task.id: position for position, task in enumerate(self.tasks)}
        if len(by_id) != len(self.tasks):
            raise ConfigError("tasks must have different ids")
        object.__setattr__(self, "_by_id", MappingProxyType(by_id))

    def pool(self, split: str) -> TaskPool:
        """Return the tasks of one split, in order.

        Raises:
            ConfigError: Unknown split.
        """
        return TaskPool(tuple(self.tasks[i] for i in self.of(split)))

    def position(self, task_id: str) -> int:
        """Return the position of a task; raises KeyError for an unknown id."""
        return self._by_id[task_id]

    def select(self, task_ids: Sequence[str]) -> tuple[int, ...]:
        """Return the positions of some tasks, in the order given."""
        return tuple(self._by_id[task_id] for task_id in task_ids)

    def of(self, split: str) -> tuple[int, ...]:
        """Return the positions of a split in order; empty where the data has no such split.

        Raises:
            ConfigError: Unknown split.
        """
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS)
        return self.positions.get(split, ())
