"""Coverage partition: clients differ in how many tasks they hold.

Pool sizes are Beta quotas between two bounds that sum to N * Lavg exactly; every task is then held
by floor(r) or ceil(r) clients, r = N * Lavg / n, so that together they cover the pool evenly. A
small xi gives few large and many small clients, a large one equal clients.
Source: FedAgent paper, Section 3.2 and Appendix I.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fedenv import seeding
from fedenv.errors import ConfigError
from fedenv.partitions.assignment import Assignment
from fedenv.partitions.knobs import Knob, ascending, between, check_knobs, check_request
from fedenv.partitions.measures import with_measures
from fedenv.partitions.placement import place
from fedenv.partitions.quota import beta_quota
from fedenv.tasks import TaskPool

BOUNDS = (100, 500, 1000)
MAX_CONCENTRATION = 1e9

KNOBS: Mapping[str, Knob] = {
    "xi": between("how equal the clients' pool sizes are", 0, MAX_CONCENTRATION),
    "bounds": ascending(
        "smallest, mean and largest pool size", ("Lmin", "Lavg", "Lmax"), 1, integers=True
    ),
}


def check_bounds(partition: str, bounds: Sequence[int], num_tasks: int) -> None:
    """Check that clients of such sizes exist.

    Raises:
        ConfigError: They do not fit the pool, or cannot have the mean that is asked for.
    """
    low, mean, high = bounds
    if high > num_tasks:
        raise ConfigError(
            f"partition {partition!r}: bounds={list(bounds)} lets a client hold {high} different "
            f"tasks, the pool has {num_tasks}; pass Lmax <= {num_tasks}"
        )
    if low < high and not low < mean < high:
        raise ConfigError(
            f"partition {partition!r}: bounds={list(bounds)}: sizes between {low} and {high} that "
            f"differ at all have a mean above {low} and below {high}, not {mean}; pass "
            "Lmin < Lavg < Lmax, or three equal numbers"
        )


def pool_sizes(num_clients: int, seed: int, xi: float, bounds: Sequence[int]) -> np.ndarray:
    """Draw the clients' pool sizes: int64 of shape (N,) with sum N * Lavg, inside the bounds."""
    low, mean, high = bounds
    rng = seeding.wide_rng("partition", "coverage", seed, "sizes")
    return beta_quota(rng, num_clients, num_clients * mean, low, high, xi)


def coverage(
    pool: TaskPool,
    num_clients: int,
    seed: int = 42,
    *,
    xi: float,
    bounds: Sequence[int] = BOUNDS,
) -> Assignment:
    """Assign pools of different sizes that cover the tasks evenly.

    Args:
        pool: Training tasks.
        num_clients: Number of clients N.
        seed: Names every draw.
        xi: Above 0; the expected squared coefficient of variation of the sizes is
            ``C_n / (xi + 1)`` (:func:`fedenv.partitions.theory.coverage`).
        bounds: Lmin, Lavg, Lmax.

    Raises:
        ConfigError: A knob is out of range, or the pool or the mean does not fit the bounds.
    """
    check_request(pool, num_clients)
    check_knobs("coverage", KNOBS, {"xi": xi, "bounds": bounds})
    check_bounds("coverage", bounds, len(pool))
    sizes = pool_sizes(num_clients, seed, xi, bounds)
    rng = seeding.wide_rng("partition", "coverage", seed, "placement")
    positions = place(rng, sizes, len(pool)).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return with_measures(Assignment(pool, positions, offsets))
