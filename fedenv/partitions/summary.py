"""What each client of an assignment holds, counted: the tables and figures start here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fedenv.partitions.assignment import Assignment

OTHER = "other"


@dataclass(frozen=True)
class Summary:
    """Tasks of every client by category, and how many of them count as successes.

    Attributes:
        categories: C names, the most frequent of the pool first (equal ones by name).
        tasks: Number of tasks, int64 of shape (N, C).
        successes: Number of tasks with success label 1, of the same shape; None without labels.
    """

    categories: tuple[str, ...]
    tasks: np.ndarray
    successes: np.ndarray | None = None

    @classmethod
    def of(cls, assignment: Assignment, success: np.ndarray | None = None) -> Summary:
        """Count an assignment.

        Args:
            assignment: Tasks of every client.
            success: Success label of each task in pool order, bool of shape (n,); None where there
                are none.
        """
        pool = assignment.pool
        names = pool.categories
        order = np.argsort(-pool.category_sizes, kind="stable")
        cells = assignment.owners * len(names) + pool.codes[assignment.positions]
        shape = (assignment.num_clients, len(names))

        def table(chosen: np.ndarray) -> np.ndarray:
            counts = np.bincount(chosen, minlength=shape[0] * shape[1])
            return np.asarray(counts.reshape(shape)[:, order])

        successes = None if success is None else table(cells[success[assignment.positions]])
        return cls(tuple(names[i] for i in order), table(cells), successes)

    @property
    def sizes(self) -> np.ndarray:
        """Number of tasks of each client, int64 of shape (N,)."""
        return np.asarray(self.tasks.sum(axis=1))

    @property
    def rates(self) -> np.ndarray | None:
        """Share of each client's tasks with success label 1, shape (N,); None without labels."""
        if self.successes is None:
            return None
        return np.asarray(self.successes.sum(axis=1) / self.sizes)

    def folded(self, limit: int) -> Summary:
        """Return a summary with at most so many categories; the rarest become ``"other"``.

        Args:
            limit: At least 2.
        """
        if len(self.categories) <= limit:
            return self
        kept = limit - 1

        def fold(counts: np.ndarray) -> np.ndarray:
            rest = counts[:, kept:].sum(axis=1, keepdims=True)
            return np.concatenate([counts[:, :kept], rest], axis=1)

        successes = None if self.successes is None else fold(self.successes)
        return Summary((*self.categories[:kept], OTHER), fold(self.tasks), successes)

    def rows(self) -> Iterator[dict[str, int | str]]:
        """Yield a row per client and category, those without tasks too."""
        for client in range(len(self.tasks)):
            for column, category in enumerate(self.categories):
                row: dict[str, int | str] = {"client_id": client, "category": category}
                row["tasks"] = int(self.tasks[client, column])
                if self.successes is not None:
                    row["successes"] = int(self.successes[client, column])
                yield row
