"""Composite partition: category mix, pool size and success rate of clients, each set on its own.

Sizes n_i are those of the coverage partition, category shares q_i those of a Dirichlet law, success
rates Beta shares around the pool's. A client's successes and failures are two multinomial draws
with the *same* q_i, filled without replacement from the cells (category, stratum). So each measure
follows its own knob only. A cell with fewer tasks than drawn gives all it has; the rest comes from
other categories, then from the other stratum, and is counted as that client's shortfall.
Source: FedAgent paper, Appendix I, Theorem 11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedenv import seeding
from fedenv.errors import ConfigError
from fedenv.partitions.assignment import Assignment
from fedenv.partitions.cells import Cells
from fedenv.partitions.coverage import (
    BOUNDS,
    MAX_CONCENTRATION,
    check_bounds,
    pool_sizes,
)
from fedenv.partitions.coverage import KNOBS as COVERAGE_KNOBS
from fedenv.partitions.draws import log_dirichlet, multinomial_with_room
from fedenv.partitions.hardness import ETA, LABELS
from fedenv.partitions.knobs import Knob, ascending, between, check_knobs, check_request, flag
from fedenv.partitions.labels import Labels
from fedenv.partitions.measures import with_measures
from fedenv.partitions.preference import KNOBS as PREFERENCE_KNOBS
from fedenv.partitions.quota import spread_shares
from fedenv.partitions.theory import omega_for, reachable_box, xi_for
from fedenv.tasks import TaskPool

KNOBS: Mapping[str, Knob] = {
    "delta2_pref": between("target of the category spread", 0, 1).or_null(),
    "delta2_cov": between("target of the size spread", 0, 1e9).or_null(),
    "delta2_hard": between("target of the success spread", 0, 0.25).or_null(),
    "omega": PREFERENCE_KNOBS["omega"].or_null(),
    "xi": COVERAGE_KNOBS["xi"].or_null(),
    "xi_hard": between("how equal the success rates are", 0, MAX_CONCENTRATION).or_null(),
    "bounds": COVERAGE_KNOBS["bounds"],
    "rho": ascending("smallest and largest success rate", ("min", "max"), 0, integers=False),
    "eta": ETA,
    "labels": LABELS.or_null(),
    "strict": flag("whether a shortfall is an error"),
}
ROUNDING = 1e-9
TARGETS, DIALS = ("delta2_pref", "delta2_cov", "delta2_hard"), ("omega", "xi", "xi_hard")


@dataclass(frozen=True)
class Dials:
    """The three knobs that a composite partition turns."""

    omega: float
    xi: float
    xi_hard: float


def dials_for(
    targets: Sequence[float],
    shares: np.ndarray,
    bounds: Sequence[int],
    rho: Sequence[float],
    success_share: float,
) -> Dials:
    """Return the knobs that reach three targets (Theorem 11).

    Args:
        targets: Delta2_pref, Delta2_cov, Delta2_hard.
        shares: Category shares p0 of the pool.
        bounds: Lmin, Lavg, Lmax.
        rho: Smallest and largest success rate of a client.
        success_share: Share of successes in the pool.

    Raises:
        ConfigError: A target is outside the reachable box; the message names the box.
    """
    box = reachable_box(shares, bounds, rho, success_share)
    limits = (box.delta2_pref, box.delta2_cov, box.delta2_hard)
    for name, target, limit in zip(TARGETS, targets, limits, strict=True):
        if not 0.0 < target < limit:
            raise ConfigError(
                f"partition 'composite': {name}={target:g} is out of reach; with this pool, "
                f"bounds={list(bounds)} and rho={list(rho)} the targets ({', '.join(TARGETS)}) "
                f"must lie in {box}"
            )
    pref, cov, hard = targets
    return Dials(
        omega_for(pref, box.delta2_pref),
        xi_for(cov, box.delta2_cov),
        xi_for(hard, box.delta2_hard),
    )


def composite(
    pool: TaskPool,
    num_clients: int,
    seed: int = 42,
    *,
    labels: Labels,
    delta2_pref: float | None = None,
    delta2_cov: float | None = None,
    delta2_hard: float | None = None,
    omega: float | None = None,
    xi: float | None = None,
    xi_hard: float | None = None,
    bounds: Sequence[int] = BOUNDS,
    rho: Sequence[float] = (0.0, 1.0),
    eta: float = 0.5,
    strict: bool = False,
) -> Assignment:
    """Assign tasks so that three measures are set at once, by targets or by knobs.

    Args:
        pool: Training tasks.
        num_clients: Number of clients N.
        seed: Names every draw.
        labels: Success rate of every task.
        delta2_pref: Target of the category spread.
        delta2_cov: Target of the size spread.
        delta2_hard: Target of the success spread.
        omega: Knob of the category spread; either all three targets or all three knobs.
        xi: Knob of the size spread.
        xi_hard: Knob of the success spread.
        bounds: Lmin, Lavg, Lmax.
        rho: Smallest and largest success rate of a client.
        eta: Success rate from which on a task counts as a success.
        strict: Whether a shortfall is an error.

    Raises:
        ConfigError: A knob is out of range, a target out of reach, tasks have no label; with
            ``strict`` also where a cell of the pool has fewer tasks than drawn from it.
    """
    check_request(pool, num_clients)
    targets, dials = (delta2_pref, delta2_cov, delta2_hard), (omega, xi, xi_hard)
    given = dict(zip((*TARGETS, *DIALS), (*targets, *dials), strict=True))
    rest = {"bounds": bounds, "rho": rho, "eta": eta, "strict": strict}
    check_knobs("composite", KNOBS, {**given, **rest})
    chosen = [name for name, value in given.items() if value is not None]
    if chosen not in (list(TARGETS), list(DIALS)):
        raise ConfigError(
            f"partition 'composite' takes either the three targets {', '.join(TARGETS)} or the "
            f"three knobs {', '.join(DIALS)}; got {', '.join(chosen) or 'none of them'}"
        )
    check_bounds("composite", bounds, len(pool))
    success = labels.of(pool) >= eta
    success_share = float(success.mean())
    if not 0.0 <= rho[0] < success_share < rho[1] <= 1.0:
        raise ConfigError(
            f"partition 'composite': rho={list(rho)} must be in [0, 1] and hold the pool's share "
            f"of successes, {success_share:g} (rate >= eta={eta:g}), strictly inside"
        )
    mean = pool.category_sizes / len(pool)
    numbers = [float(value) for value in given.values() if value is not None]
    turned = (
        Dials(*numbers)
        if chosen == list(DIALS)
        else dials_for(numbers, mean, bounds, rho, success_share)
    )
    sizes = pool_sizes(num_clients, seed, turned.xi, bounds)
    quotas = _success_quotas(num_clients, seed, turned.xi_hard, rho, success_share, sizes)
    cells = Cells.of(pool.codes + len(mean) * success, 2 * len(mean))
    members, shortfall = [], np.zeros(num_clients, dtype=np.int64)
    rngs = seeding.wide_rngs(num_clients, "partition", "composite", seed)
    for client, rng in enumerate(rngs):
        log_shares = log_dirichlet(rng, mean, turned.omega)
        solved, size = int(quotas[client]), int(sizes[client])
        counts, shortfall[client] = _fill(rng, log_shares, cells.sizes, size - solved, solved)
        members.append(cells.draw(rng, counts))
    if strict and shortfall.any():
        worst = int(shortfall.argmax())
        raise ConfigError(
            f"partition 'composite': {int((shortfall > 0).sum())} of {num_clients} clients fall "
            f"short, client {worst} by {int(shortfall[worst])} tasks: cells (category, stratum) "
            f"hold {cells.sizes.min()} to {cells.sizes.max()} tasks, a client may need "
            f"{int(sizes.max())} from one; pass smaller bounds, or strict=False"
        )
    assignment = Assignment.of(pool, members, shortfall)
    return with_measures(assignment, success)


def _success_quotas(
    num_clients: int,
    seed: int,
    xi: float,
    rho: Sequence[float],
    success_share: float,
    sizes: np.ndarray,
) -> np.ndarray:
    """Draw how many successes each client should hold: int64 of shape (N,)."""
    low, high = rho
    rng = seeding.wide_rng("partition", "composite", seed, "successes")
    shares = spread_shares(rng, num_clients, (success_share - low) / (high - low), xi)
    quotas = np.rint((low + shares * (high - low)) * sizes)
    least, most = np.ceil(low * sizes - ROUNDING), np.floor(high * sizes + ROUNDING)
    inside: np.ndarray = np.clip(quotas, least, most).astype(np.int64)
    return inside


def _fill(
    rng: np.random.RandomState,
    log_shares: np.ndarray,
    room: np.ndarray,
    failures: int,
    successes: int,
) -> tuple[np.ndarray, int]:
    """Draw a client's counts per cell, and how many were not drawn where they should have been.

    Args:
        rng: The client's stream.
        log_shares: log q of shape (C,).
        room: Sizes of the failure cells, then of the success cells: shape (2C,).
        failures: Number of failures wanted.
        successes: Number of successes wanted.
    """
    width = len(log_shares)
    counts, shortfall = np.zeros_like(room), 0
    missing = 0
    for cells, wanted in ((slice(0, width), failures), (slice(width, None), successes)):
        possible = min(wanted, int(room[cells].sum()))
        counts[cells], moved = multinomial_with_room(rng, possible, log_shares, room[cells])
        shortfall += moved
        missing += wanted - possible
    if missing:  # a whole stratum is used up: the other one has room
        both = np.concatenate([log_shares, log_shares])
        more, _ = multinomial_with_room(rng, missing, both, room - counts)
        counts += more
    return counts, shortfall + missing
