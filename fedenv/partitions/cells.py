"""Tasks in cells (categories, strata): sampling without replacement inside each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cells:
    """Positions of a pool, sorted by cell.

    Attributes:
        order: Positions, cell after cell: int64 of shape (n,).
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

    def draw(self, rng: np.random.RandomState, counts: np.ndarray) -> np.ndarray:
        """Draw positions without replacement inside each cell.

        Args:
            rng: A frozen stream.
            counts: How many to draw from each cell, at most its size: int64 of shape
                (number of cells,).

        Returns:
            Positions in no particular order: int64 of shape (sum(counts),).
        """
        starts = np.cumsum(self.sizes) - self.sizes
        dense = 2 * counts > self.sizes
        drawn = [
            starts[cell] + rng.permutation(int(self.sizes[cell]))[: counts[cell]]
            for cell in np.flatnonzero(dense)
        ]
        # Elsewhere draw with replacement, keep the first of equal draws, draw the others again.
        cells = np.repeat(np.arange(len(self.sizes)), np.where(dense, 0, counts))
        kept = np.empty(0, dtype=np.int64)
        while len(cells):
            offsets = (rng.random_sample(len(cells)) * self.sizes[cells]).astype(np.int64)
            both, first = np.unique(
                np.concatenate([kept, starts[cells] + offsets]), return_index=True
            )
            again = np.ones(len(kept) + len(cells), dtype=bool)
            again[first] = False
            cells = cells[again[len(kept) :]]
            kept = both
        positions: np.ndarray = self.order[np.concatenate([*drawn, kept])]
        return positions
