"""Tasks: what a client can be asked to do, known to partitions by id and category only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

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
        ConfigError: Two tasks share an id.
    """

    tasks: tuple[Task, ...]

    def __post_init__(self) -> None:
        if len({task.id for task in self.tasks}) != len(self.tasks):
            raise ConfigError("the tasks of a pool must have different ids")

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def ids(self) -> tuple[str, ...]:
        """Task ids in pool order."""
        return tuple(task.id for task in self.tasks)

    @property
    def categories(self) -> tuple[str, ...]:
        """Category of each task, in pool order."""
        return tuple(task.category for task in self.tasks)

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
