"""What a partition returns: the tasks of every client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

import numpy as np

from fedenv.fingerprint import digest, digest_lines
from fedenv.tasks import TaskPool


@dataclass(frozen=True, eq=False)
class Assignment:
    """Tasks of every client, held as positions in the pool: a million tasks stay small.

    Attributes:
        pool: The training tasks.
        positions: Positions in the pool, client after client, ascending within a client: int32 of
            shape (A,), A the number of assigned tasks.
        offsets: Where each client's positions begin, and A: int64 of shape (N + 1,).
        measures: Dispersion measures of this assignment by name.
        shortfall: Composite partitions only: how many tasks of each client had to come from
            another category or stratum than drawn, because the pool had no more; shape (N,).
    """

    pool: TaskPool
    positions: np.ndarray
    offsets: np.ndarray
    measures: Mapping[str, float] = field(default_factory=dict)
    shortfall: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        pool: TaskPool,
        members: Iterable[np.ndarray],
        shortfall: np.ndarray | None = None,
    ) -> Assignment:
        """Build an assignment from each client's positions in the pool, in any order."""
        ordered = [np.sort(positions).astype(np.int32) for positions in members]
        offsets = np.cumsum([0, *map(len, ordered)], dtype=np.int64)
        return cls(pool, np.concatenate(ordered), offsets, shortfall=shortfall)

    @property
    def num_clients(self) -> int:
        """Number of clients N."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Number of tasks of each client: int64 of shape (N,)."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> np.ndarray:
        """Client of each entry of ``positions``: int64 of shape (A,)."""
        return np.repeat(np.arange(self.num_clients), self.sizes)

    @cached_property
    def clients(self) -> Sequence[tuple[str, ...]]:
        """Task ids per client, indexed by ``client_id``; built when asked for."""
        return _ClientTasks(self)

    @cached_property
    def digest(self) -> str:
        """Name of this assignment."""
        return digest([digest_lines(tasks) for tasks in self.clients])


class _ClientTasks(Sequence[tuple[str, ...]]):
    """The clients' task ids as a sequence of tuples over the arrays of an assignment."""

    def __init__(self, assignment: Assignment) -> None:
        self._ids = assignment.pool.ids
        self._positions = assignment.positions
        self._offsets = assignment.offsets.tolist()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> tuple[str, ...]: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[str, ...], ...]: ...

    def __getitem__(self, index: int | slice) -> tuple[str, ...] | tuple[tuple[str, ...], ...]:
        if isinstance(index, slice):
            return tuple(self[client] for client in range(len(self))[index])
        client = range(len(self))[index]
        chosen = self._positions[self._offsets[client] : self._offsets[client + 1]]
        return tuple(map(self._ids.__getitem__, chosen.tolist()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        raise TypeError("unhashable: compare digests")
