"""What the scoring views of all engines share: rows of terms, their cache, the best n of a score.

A *row* is what one query token adds to the scores. Rows are computed when asked for and kept in a
bounded cache that the views of a process share.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fedenv.errors import ConfigError


class Row(NamedTuple):
    """What one query token adds to the scores.

    Attributes:
        docs: Documents that contain the term (intp, ascending), or None for a dense row.
        weights: float64, one per entry of ``docs``, or one per document.
        positive: Whether the weights of the kept documents are positive.
    """

    docs: np.ndarray | None
    weights: np.ndarray
    positive: bool


class RowCache:
    """Rows by (view, term): the recently used ones, up to a number of bytes.

    Two generations: a full young one becomes the old one, whose rows come back when used. No
    lock: threads that meet here may compute a row twice or lose one, never get a wrong one.
    """

    __slots__ = ("_limit", "_old", "_size", "_young")

    def __init__(self, limit: int) -> None:
        self._limit = limit // 2
        self._young: dict[tuple[int, int], Row] = {}
        self._old: dict[tuple[int, int], Row] = {}
        self._size = 0

    def grow(self, limit: int) -> None:
        """Raise the limit to this number of bytes, if it is lower."""
        self._limit = max(self._limit, limit // 2)

    def get(self, key: tuple[int, int]) -> Row | None:
        """Return the row, or None."""
        row = self._young.get(key)
        if row is None:
            row = self._old.get(key)
            if row is not None:
                self.put(key, row)
        return row

    def put(self, key: tuple[int, int], row: Row) -> None:
        """Store the row, unless it alone is above half of the limit."""
        size = row.weights.nbytes + 400  # with what Python adds for the objects
        if size > self._limit:
            return
        if self._size + size > self._limit:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[key] = row
        self._size += size


def best(scores: np.ndarray, n: int, above: float) -> np.ndarray:
    """Return the indices of the n largest scores that exceed ``above``, stably sorted.

    Only scores that reach a lower bound of the n-th largest are sorted. For long arrays the bound
    is the n-th largest among the maxima of 2n blocks (the columns of a table). Float32 scores, of
    which those above may not be negative, are sorted as integers, score before index: the bits of
    such floats are in their order.
    """
    size, columns = len(scores), 2 * n
    bound = above
    if size >= 2 * columns:
        maxima = scores[: size // columns * columns].reshape(-1, columns).max(axis=0)
        maxima.sort()  # faster than to partition so few
        bound = maxima[n]
    elif size > n:
        bound = np.partition(scores, size - n)[size - n]
    chosen = (scores >= bound if bound > above else scores > above).nonzero()[0]
    if scores.dtype == np.float32:
        keys = scores[chosen].view(np.int32).astype(np.int64)
        keys *= -(2**32)
        keys += chosen
        keys.sort()
        return keys[:n] & (2**32 - 1)
    return chosen[(-scores[chosen]).argsort(kind="stable")[:n]]


def checked_number(name: str, value: float, largest: float) -> float:
    """Return a parameter as a float.

    Raises:
        ConfigError: It does not lie in [0, largest].
    """
    if not 0 <= value <= largest:
        raise ConfigError(f"{name} must be a number in [0, {largest:g}], got {value!r}")
    return float(value)


def checked_mask(mask: np.ndarray, num_documents: int) -> np.ndarray:
    """Return a copy of a document mask.

    Raises:
        ConfigError: It is not boolean of shape (num_documents,).
    """
    if mask.dtype != np.bool_ or mask.shape != (num_documents,):
        raise ConfigError(
            f"mask must be boolean with shape ({num_documents},), "
            f"got {mask.dtype} with shape {mask.shape}"
        )
    return mask.copy()
