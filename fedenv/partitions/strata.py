"""Tasks in cells: which positions of a pool belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedenv.tasks import TaskPool


def category_codes(pool: TaskPool) -> tuple[list[str], np.ndarray]:
    """Return the sorted categories of a pool, and the index of each task's: int64 of shape (n,)."""
    names = sorted({task.category for task in pool.tasks})
    index = {name: code for code, name in enumerate(names)}
    codes = (index[task.category] for task in pool.tasks)
    return names, np.fromiter(codes, dtype=np.int64, count=len(pool))


@dataclass(frozen=True)
class Cells:
    """Positions of a pool, sorted by cell.

    Attributes:
        order: Positions, cell after cell: shape (n,).
        sizes: Number of positions per cell: int64 of shape (number of cells,).
    """

    order: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, num_cells: int) -> Cells:
        """Group positions by their cell.

        Args:
            codes: Cell of each position: shape (n,).
            num_cells: Number of cells; some may be empty.
        """
        return cls(np.argsort(codes, kind="stable"), np.bincount(codes, minlength=num_cells))
