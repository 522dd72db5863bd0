"""One partition over many seeds: what comes out, and what was to be expected of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedenv.partitions import theory
from fedenv.partitions.assignment import Assignment
from fedenv.partitions.composite import dials_for
from fedenv.partitions.floors import sampling_floor
from fedenv.partitions.hardness import total_successes
from fedenv.partitions.labels import Labels
from fedenv.partitions.measures import Profile, measure
from fedenv.partitions.registry import assign
from fedenv.tasks import TaskPool

MEASURES = ("delta2_pref", "delta2_cov", "delta2_hard")
MEANS = ("mean_shares", "mean_size", "mean_success")


@dataclass(frozen=True)
class Setting:
    """A partition to be run with several seeds.

    Attributes:
        partition: Name and knobs.
        seeds: The seeds.
        targets: What a composite partition aims at, in the order of ``MEASURES``.
    """

    partition: Mapping[str, Any]
    seeds: range
    targets: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Outcome:
    """One run.

    Attributes:
        measured: The three measures by name, and the squared distance of each mean from the
            pool's (of the mean size: from what was asked for).
        expected: What each is expected to be, given the sizes of the clients.
        leak: The part of an expectation that dependence of type and success causes.
        short_clients: Share of the clients that fell short.
        shortfall: Share of the tasks that came from another cell than drawn.
    """

    measured: Mapping[str, float]
    expected: Mapping[str, float]
    leak: Mapping[str, float]
    short_clients: float = 0.0
    shortfall: float = 0.0


@dataclass(frozen=True)
class _Pool:
    """A pool as the expectations need it."""

    codes: np.ndarray
    shares: np.ndarray
    success: np.ndarray

    @property
    def success_share(self) -> float:
        return float(self.success.mean())

    @property
    def spread(self) -> float:
        return theory.diversity(self.shares)


def run(pool: TaskPool, labels: Labels, num_clients: int, setting: Setting) -> list[Outcome]:
    """Run a partition with each seed.

    Args:
        pool: Training tasks.
        labels: Success rate of every task.
        num_clients: N.
        setting: What to run.
    """
    shares = pool.category_sizes / len(pool)
    known = _Pool(pool.codes, shares, labels.of(pool) >= setting.partition.get("eta", 0.5))
    return [
        _outcome(known, setting, assign(setting.partition, pool, num_clients, seed, labels))
        for seed in setting.seeds
    ]


def _outcome(pool: _Pool, setting: Setting, assignment: Assignment) -> Outcome:
    profile = measure(assignment, pool.success)
    measured = _measured(pool, setting.partition, profile)
    if setting.targets is not None:
        sizes, short = assignment.sizes, assignment.shortfall
        assert short is not None
        return Outcome(
            measured,
            _expect_composite(pool, setting, sizes),
            {},
            float((short > 0).mean()),
            float(short.sum() / sizes.sum()),
        )
    expected, leak = _expect(pool, setting.partition, assignment)
    return Outcome(measured, expected, leak)


def _measured(pool: _Pool, partition: Mapping[str, Any], profile: Profile) -> dict[str, float]:
    assert profile.delta2_hard is not None
    assert profile.mean_success is not None
    shares = np.array(list(profile.mean_shares.values()))
    return {
        "delta2_pref": profile.delta2_pref,
        "delta2_cov": profile.delta2_cov,
        "delta2_hard": profile.delta2_hard,
        "mean_shares": float(((shares - pool.shares) ** 2).sum()),
        "mean_size": (profile.mean_size - _mean_size(partition)) ** 2,
        "mean_success": (profile.mean_success - pool.success_share) ** 2,
    }


def _mean_size(partition: Mapping[str, Any]) -> float:
    bounds = partition.get("bounds")
    return float(partition["tasks_per_client"] if bounds is None else bounds[1])


def _expect(
    pool: _Pool, partition: Mapping[str, Any], assignment: Assignment
) -> tuple[dict[str, float], dict[str, float]]:
    """Return what to expect of a partition with one knob, and what of it is leaked."""
    name, sizes = partition["name"], assignment.sizes
    whole = np.zeros_like(pool.codes)
    strata = {"preference": pool.codes, "coverage": whole, "hardness": pool.success.astype(int)}
    type_floor = sampling_floor(assignment, strata[name], pool.codes)
    success_floor = sampling_floor(assignment, strata[name], pool.success)
    expected = {
        "delta2_pref": type_floor.spread,
        "delta2_cov": 0.0,
        "delta2_hard": success_floor.spread,
        "mean_shares": type_floor.shift,
        "mean_size": 0.0,
        "mean_success": success_floor.shift,
    }
    if name == "preference":
        one = theory.client_variance(partition["omega"], pool.spread, sizes)
        expected["mean_shares"] = one / len(sizes)
        expected["delta2_pref"] = theory.preference(partition["omega"], pool.spread, sizes)
    elif name == "coverage":
        expected["delta2_cov"] = theory.coverage(partition["xi"], partition["bounds"], len(sizes))
    else:
        each = partition["tasks_per_client"]
        low, high = partition["kappa"] or (0, each)
        total = total_successes(len(sizes), each, int(pool.success.sum()), len(pool.success))
        mean = total / (len(sizes) * each)
        expected["delta2_hard"] = theory.hardness(
            partition["xi"], low / each, mean, high / each, 1.0 / each, len(sizes)
        )
        expected["mean_success"] = (mean - pool.success_share) ** 2
    return expected, {"delta2_pref": type_floor.leak, "delta2_hard": success_floor.leak}


def _expect_composite(pool: _Pool, setting: Setting, sizes: np.ndarray) -> dict[str, float]:
    assert setting.targets is not None
    bounds, rho = setting.partition["bounds"], (0.0, 1.0)
    dials = dials_for(setting.targets, pool.shares, bounds, rho, pool.success_share)
    success = theory.hardness(
        dials.xi_hard, rho[0], pool.success_share, rho[1], 1.0 / sizes, len(sizes)
    )
    return {
        "delta2_pref": theory.preference(dials.omega, pool.spread, sizes),
        "delta2_cov": theory.coverage(dials.xi, bounds, len(sizes)),
        "delta2_hard": success,
    }
