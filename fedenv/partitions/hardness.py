"""Hardness partition: clients differ in how many of their tasks a reference policy solves.

A task counts as a success where the policy's rate reaches eta. Successes are spread over clients
by Beta quotas with the even placement of the coverage partition; each client's other tasks are
drawn from the failures. A small xi gives easy and hard clients, a large one equal clients.
Source: FedAgent paper, Section 3.2 and Appendix I.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from fedenv import seeding
from fedenv.errors import ConfigError
from fedenv.partitions.assignment import Assignment
from fedenv.partitions.cells import Cells
from fedenv.partitions.coverage import MAX_CONCENTRATION
from fedenv.partitions.knobs import (
    Knob,
    ascending,
    between,
    check_knobs,
    check_request,
    count,
    share,
    text,
)
from fedenv.partitions.labels import Labels
from fedenv.partitions.measures import with_measures
from fedenv.partitions.placement import place
from fedenv.partitions.quota import beta_quota
from fedenv.tasks import TaskPool

ETA = share("success rate from which on a task counts as a success")
LABELS = text("path of a labels file (fedenv label); null: the labels that come with the data")

KNOBS: Mapping[str, Knob] = {
    "xi": between("how equal the clients' success rates are", 0, MAX_CONCENTRATION),
    "kappa": ascending(
        "smallest and largest number of successes a client holds; null: [0, tasks_per_client]",
        ("min", "max"),
        0,
        integers=True,
    ).or_null(),
    "tasks_per_client": count("L, number of tasks of every client"),
    "eta": ETA,
    "labels": LABELS.or_null(),
}


def total_successes(num_clients: int, tasks_per_client: int, successes: int, tasks: int) -> int:
    """Return how many successes all clients hold together: N * L * mean(S), rounded half to even.

    Args:
        num_clients: Number of clients N.
        tasks_per_client: L.
        successes: Number of successes in the pool.
        tasks: Number of tasks in the pool.
    """
    return round(Fraction(num_clients * tasks_per_client * successes, tasks))


def hardness(
    pool: TaskPool,
    num_clients: int,
    seed: int = 42,
    *,
    labels: Labels,
    xi: float,
    kappa: Sequence[int] | None = None,
    tasks_per_client: int = 100,
    eta: float = 0.5,
) -> Assignment:
    """Assign tasks with a success rate of each client's own.

    Args:
        pool: Training tasks.
        num_clients: Number of clients N.
        seed: Names every draw.
        labels: Success rate of every task.
        xi: Above 0; the expected variance of the clients' success rates is ``C_h / (xi + 1)``
            (:func:`fedenv.partitions.theory.hardness`).
        kappa: Smallest and largest number of successes a client holds; None for 0 and L.
        tasks_per_client: L; every client holds exactly so many.
        eta: Success rate from which on a task counts as a success.

    Raises:
        ConfigError: A knob is out of range, tasks have no label, or a stratum is too small.
    """
    check_request(pool, num_clients)
    size = tasks_per_client
    given = {"xi": xi, "kappa": kappa, "tasks_per_client": size, "eta": eta}
    check_knobs("hardness", KNOBS, given)
    success = labels.of(pool) >= eta
    solved, failed = np.flatnonzero(success), np.flatnonzero(~success)
    low, high = kappa or (0, size)
    _check_strata(success, eta, num_clients, size, (low, high))
    total = total_successes(num_clients, size, len(solved), len(pool))
    rng = seeding.wide_rng("partition", "hardness", seed, "successes")
    quotas = beta_quota(rng, num_clients, total, low, high, xi)
    rng = seeding.wide_rng("partition", "hardness", seed, "placement")
    held = np.split(solved[place(rng, quotas, len(solved))], np.cumsum(quotas)[:-1])
    failures = Cells(failed, np.array([len(failed)]))
    members = []
    rngs = seeding.wide_rngs(num_clients, "partition", "hardness", seed, "failures")
    for rng, easy in zip(rngs, held, strict=True):
        hard = failures.draw(rng, np.array([size - len(easy)]))
        members.append(np.concatenate([easy, hard]))
    return with_measures(Assignment.of(pool, members), success)


def _check_strata(
    success: np.ndarray, eta: float, num_clients: int, size: int, kappa: tuple[int, int]
) -> None:
    """Check that clients of such success counts exist."""
    low, high = kappa
    solved = int(success.sum())
    failed = len(success) - solved
    pool = f"the pool has {solved} successes (rate >= eta={eta:g}) and {failed} failures"
    if size > solved + failed:
        raise ConfigError(
            f"partition 'hardness': every client holds tasks_per_client={size} different tasks, "
            f"the pool has {solved + failed}; pass a number in 1..{solved + failed}"
        )
    if high > size:
        raise ConfigError(
            f"partition 'hardness': kappa={list(kappa)}: a client of {size} tasks cannot hold "
            f"{high} successes; pass a maximum in 0..{size}"
        )
    if not solved or not failed:
        raise ConfigError(f"partition 'hardness': {pool}; it needs both: choose another eta")
    least, most = max(0, size - failed), min(size, solved)
    if low < least or high > most:
        raise ConfigError(
            f"partition 'hardness': {pool}, so a client of {size} tasks can hold {least} to "
            f"{most} successes, not {low} to {high}; pass kappa=[{least}, {most}] or less"
        )
    total = total_successes(num_clients, size, solved, len(success))
    if low == high and total != num_clients * low:
        raise ConfigError(
            f"partition 'hardness': kappa={list(kappa)}: all clients would hold {low} successes, "
            f"the mean must be {total / num_clients:g} (L times the pool's share); {pool}"
        )
    if low < high and not num_clients * low < total < num_clients * high:
        raise ConfigError(
            f"partition 'hardness': kappa={list(kappa)}: the mean number of successes, "
            f"{total / num_clients:g} (L times the pool's share), must lie between; {pool}"
        )
