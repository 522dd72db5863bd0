"""Preference partition: clients differ in which categories of tasks they hold.

Every client draws its category shares q ~ Dirichlet(p0 * (1 - omega) / omega) around the pool's
p0, its category counts from Multinomial(L, q), and its tasks without replacement inside each
category. omega near 0: all clients look like the pool; omega near 1: one category each.
Source: FedAgent paper, Section 3.2 and Appendix I.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedenv import seeding
from fedenv.errors import ConfigError
from fedenv.partitions.assignment import Assignment
from fedenv.partitions.cells import Cells
from fedenv.partitions.draws import log_dirichlet, multinomial_with_room
from fedenv.partitions.knobs import Knob, between, check_knobs, check_request, count
from fedenv.partitions.measures import with_measures
from fedenv.tasks import TaskPool

KNOBS: Mapping[str, Knob] = {
    "omega": between("how far clients are from the pool's category mix", 0, 1),
    "tasks_per_client": count("L, number of tasks of every client"),
}


def preference(
    pool: TaskPool, num_clients: int, seed: int = 42, *, omega: float, tasks_per_client: int = 100
) -> Assignment:
    """Assign tasks with a category mix of each client's own.

    A client's draws depend on the pool, the seed and its number alone, not on how many others
    there are.

    Args:
        pool: Training tasks.
        num_clients: Number of clients N.
        seed: Names every draw.
        omega: In (0, 1); the expected squared distance of a client's mix from the mean mix is
            ``omega * (1 - |p0|^2)`` (finite sizes: :func:`fedenv.partitions.theory.preference`).
        tasks_per_client: L; every client holds exactly so many.

    Raises:
        ConfigError: A knob is out of range, or the pool has fewer than L tasks.
    """
    check_request(pool, num_clients)
    check_knobs("preference", KNOBS, {"omega": omega, "tasks_per_client": tasks_per_client})
    if tasks_per_client > len(pool):
        raise ConfigError(
            f"partition 'preference': every client holds tasks_per_client={tasks_per_client} "
            f"different tasks, the pool has {len(pool)}; pass a number in 1..{len(pool)}"
        )
    cells = Cells.of(pool.codes, len(pool.categories))
    mean = cells.sizes / len(pool)
    members: list[np.ndarray] = []
    for rng in seeding.wide_rngs(num_clients, "partition", "preference", seed):
        log_shares = log_dirichlet(rng, mean, omega)
        counts, _ = multinomial_with_room(rng, tasks_per_client, log_shares, cells.sizes)
        members.append(cells.draw(rng, counts))
    return with_measures(Assignment.of(pool, members))
