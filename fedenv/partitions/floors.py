"""Sampling floors: what a measure is when nothing but chance moves it.

A client with few tasks has category shares that differ from the pool's, even if its tasks were
drawn without looking at categories. How much follows from *how many* tasks clients hold and share,
not from which: if a partition treats all tasks of a stratum alike (preference: of a category;
coverage: of the pool; hardness: of the successes, of the failures), permuting the tasks inside
strata changes nothing in its law, and the expectation over such permutations is a closed form of
the assignment's counts. For clients of equal sizes and few shared tasks it is the familiar
``(1 - |p0|^2) / n``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedenv.partitions.assignment import Assignment


@dataclass(frozen=True)
class Floor:
    """Expectations over permutations of tasks inside strata.

    Attributes:
        spread: Of the mean squared distance of the clients' shares from their mean.
        leak: The part of it that comes from strata with different mean shares; 0 where what is
            measured is independent of the strata.
        shift: Of the squared distance of the clients' mean shares from the pool's.
    """

    spread: float
    leak: float
    shift: float


def sampling_floor(assignment: Assignment, strata: np.ndarray, values: np.ndarray) -> Floor:
    """Return what to expect of a measure that a partition does not look at.

    Args:
        assignment: Tasks of every client; none is empty.
        strata: Stratum of each task of the pool, 0-based: shape (n,).
        values: What is measured: bool of shape (n,), such as whether a task is a success, or codes
            of shape (n,) of which the shares are measured, such as categories.
    """
    sizes, owners = assignment.sizes, assignment.owners
    num_clients, num_strata = len(sizes), int(strata.max()) + 1
    held = np.bincount(
        owners * num_strata + strata[assignment.positions], minlength=num_clients * num_strata
    ).reshape(num_clients, num_strata)
    shares = held / sizes[:, None]
    # What a task counts in the mean of the clients' shares.
    counted = np.bincount(assignment.positions, weights=1.0 / sizes[owners], minlength=len(strata))
    weights = counted / num_clients
    squares = np.bincount(strata, weights=weights**2, minlength=num_strata)
    totals = shares.mean(axis=0)
    means, within = _of_strata(strata, num_strata, values)
    spread = (shares / sizes[:, None]).mean(axis=0) - squares
    counts = np.bincount(strata, minlength=num_strata)
    spread -= shares.var(axis=0) / counts
    shift = squares - totals**2 / counts
    leak = float((((shares - totals) @ means) ** 2).sum(axis=1).mean())
    moved = float(((totals @ means - counts @ means / counts.sum()) ** 2).sum())
    return Floor(
        spread=leak + float(within @ spread),
        leak=leak,
        shift=moved + float(within @ shift),
    )


def _of_strata(
    strata: np.ndarray, num_strata: int, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance (n - 1 in the denominator) of what is measured in each stratum."""
    counts = np.bincount(strata, minlength=num_strata)
    if values.dtype == bool:
        columns = np.bincount(strata, weights=values, minlength=num_strata)[:, None]
    else:
        width = int(values.max()) + 1
        table = np.bincount(strata * width + values, minlength=num_strata * width)
        columns = table.reshape(num_strata, width)
    means = columns / counts[:, None]
    variance = means.sum(axis=1) - (means**2).sum(axis=1)
    return means, variance * counts / np.maximum(counts - 1, 1)
