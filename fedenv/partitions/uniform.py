"""Uniform partition: consecutive slices of the pool, widened where they are too small.

Source: paper, Section 3.2 (the control of every task-level experiment). There is no draw in it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedenv.partitions.assignment import Assignment
from fedenv.partitions.knobs import Knob, check_knobs, check_request, count
from fedenv.partitions.measures import with_measures
from fedenv.tasks import TaskPool

KNOBS: Mapping[str, Knob] = {"min_tasks": count("how many tasks every client holds at least")}


def uniform_slice(num_tasks: int, num_clients: int, client_id: int, min_tasks: int) -> range:
    """Return the positions of the pool that one client holds.

    The slice ``[client_id * base, (client_id + 1) * base)`` with ``base = num_tasks //
    num_clients`` is widened to ``min_tasks`` by as many positions on the left (rounded down) as on
    the right; what one side cannot give at the edge of the pool the other side gives.

    Args:
        num_tasks: Size of the pool.
        num_clients: Number of clients.
        client_id: 0-based client index.
        min_tasks: How many tasks a client holds at least (the whole pool where it is smaller).
    """
    base = num_tasks // num_clients
    start, stop = client_id * base, (client_id + 1) * base
    missing = min(min_tasks, num_tasks) - base
    if missing <= 0:
        return range(start, stop)
    start -= missing // 2
    stop += missing - missing // 2
    if start < 0:
        start, stop = 0, stop - start
    if stop > num_tasks:
        start, stop = start - (stop - num_tasks), num_tasks
    return range(start, stop)


def uniform(
    pool: TaskPool, num_clients: int, seed: int = 42, *, min_tasks: int = 100
) -> Assignment:
    """Assign slices of the pool to clients.

    Args:
        pool: Training tasks in their fixed order.
        num_clients: Number of clients N.
        seed: Not used; every partition takes one.
        min_tasks: How many tasks a client holds at least.

    Raises:
        ConfigError: The pool is empty or a number is below 1.
    """
    check_request(pool, num_clients)
    check_knobs("uniform", KNOBS, {"min_tasks": min_tasks})
    slices = (
        uniform_slice(len(pool), num_clients, client_id, min_tasks)
        for client_id in range(num_clients)
    )
    return with_measures(Assignment.of(pool, map(np.array, slices)))
