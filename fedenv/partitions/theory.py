"""What the measures are expected to be: closed forms, inverses, sampling floors, bands.

The paper's forms hold for many clients with many tasks each. Here each has its terms for N clients
and L tasks, so that measured means can be compared without excuses; :mod:`fedenv.partitions.checks`
does so. Source: FedAgent paper, Section 3.2 and Appendix I (Theorem 11); the terms of finite size
are derived in docs/partitions.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def diversity(shares: np.ndarray) -> float:
    """Return 1 - |p|^2 of category shares: the largest possible squared spread around them."""
    return float(1.0 - (shares**2).sum())


def client_variance(omega: float, spread: float, sizes: np.ndarray) -> float:
    """Return E|p_i - p0|^2, mean over clients: ``omega * s + (1 - omega) * s * mean(1 / n_i)``.

    Args:
        omega: Knob in (0, 1).
        spread: s = 1 - |p0|^2 (:func:`diversity`).
        sizes: Number of tasks of each client: shape (N,).
    """
    one_sample = float((1.0 / sizes).mean())
    return spread * (omega + (1.0 - omega) * one_sample)


def preference(omega: float, spread: float, sizes: np.ndarray) -> float:
    """Return the expected Delta2_pref of a preference or composite partition.

    :func:`client_variance` times ``1 - 1/N``: the mean over clients takes the rest. Holds while no
    category has fewer tasks than a client may want of it.

    Args:
        omega: Knob in (0, 1).
        spread: s = 1 - |p0|^2 (:func:`diversity`).
        sizes: Number of tasks of each client: shape (N,).
    """
    return (1.0 - 1.0 / len(sizes)) * client_variance(omega, spread, sizes)


def capacity(low: float, mean: float, high: float) -> float:
    """Return the variance of a quantity with this mean that is always at one of its bounds.

    Divided by the squared mean it is the paper's C_n; for success rates it is C_h.
    """
    return (mean - low) * (high - mean)


def share_variance(mean: float, xi: float, num_clients: int) -> float:
    """Return the expected variance of :func:`fedenv.partitions.quota.spread_shares`.

    ``mu (1 - mu) / (xi + 1)``, the variance of the Beta law, and the term of order 1/N of moving
    all logits until the mean is mu. What is left out is below 0.3 % for N * xi >= 10.

    Args:
        mean: mu in [0, 1].
        xi: Concentration.
        num_clients: N.
    """
    if not 0.0 < mean < 1.0:
        return 0.0

    def moment(i: int, j: int) -> float:
        """Return E[x^i (1-x)^j]."""
        ups = [mean * xi + k for k in range(i)] + [(1.0 - mean) * xi + k for k in range(j)]
        return math.prod(up / (xi + k) for k, up in enumerate(ups))

    variance = mean * (1.0 - mean) / (xi + 1.0)
    # g = x(1-x) is the slope of the shift, h = g(1-2x) its curvature.
    g, xg, h = moment(1, 1), moment(2, 1), moment(1, 2) - moment(2, 1)
    cov_x_g, cov_x_xg = xg - mean * g, moment(3, 1) - mean * xg
    square = 2.0 * moment(2, 2) - moment(3, 1)  # E[g^2 + x h]
    shift = -2.0 * (cov_x_xg / g - xg * cov_x_g / g**2)
    bend = variance * (square / g**2 - h * xg / g**3)
    return variance + (shift + bend) / num_clients


def rounding_variance(num_clients: int, steps: np.ndarray | float) -> float:
    """Return what rounding to integers adds to a variance: (1 - 1/N) * mean(step^2) / 12.

    Holds where the spread is wide against one step, as it is but for huge xi.

    Args:
        num_clients: N.
        steps: What one unit is worth, per client or for all.
    """
    return (1.0 - 1.0 / num_clients) * float(np.mean(np.square(steps))) / 12.0


def coverage(xi: float, bounds: Sequence[int], num_clients: int) -> float:
    """Return the expected Delta2_cov of a coverage or composite partition.

    ``C_n / (xi + 1)`` with the terms of N clients and of whole tasks.

    Args:
        xi: Knob above 0.
        bounds: Lmin, Lavg, Lmax.
        num_clients: N.
    """
    low, mean, high = bounds
    if low == high:
        return 0.0
    shares = share_variance((mean - low) / (high - low), xi, num_clients)
    relative = shares * ((high - low) / mean) ** 2
    return relative + rounding_variance(num_clients, 1.0 / mean)


def hardness(
    xi: float, low: float, mean: float, high: float, steps: np.ndarray | float, num_clients: int
) -> float:
    """Return the expected Delta2_hard of a hardness or composite partition.

    ``C_h / (xi + 1)`` with the terms of N clients and of whole tasks.

    Args:
        xi: Knob above 0.
        low: Smallest success rate of a client (kappa_min / L).
        mean: Mean success rate (kappa_avg / L).
        high: Largest success rate (kappa_max / L).
        steps: What one task is worth, 1 / L or 1 / n_i per client.
        num_clients: N.
    """
    if low == high:
        return 0.0
    shares = share_variance((mean - low) / (high - low), xi, num_clients)
    return shares * (high - low) ** 2 + rounding_variance(num_clients, steps)


def omega_for(delta2: float, spread: float) -> float:
    """Return omega* = delta2 / (1 - |p0|^2)."""
    return delta2 / spread


def xi_for(delta2: float, capacity: float) -> float:
    """Return xi* = C / delta2 - 1."""
    return capacity / delta2 - 1.0


@dataclass(frozen=True)
class Box:
    """Targets that a composite partition can reach: each strictly between 0 and its limit.

    Attributes:
        delta2_pref: 1 - |p0|^2.
        delta2_cov: C_n.
        delta2_hard: C_h.
    """

    delta2_pref: float
    delta2_cov: float
    delta2_hard: float

    def __str__(self) -> str:
        limits = (self.delta2_pref, self.delta2_cov, self.delta2_hard)
        return " x ".join(f"(0, {limit:.6g})" for limit in limits)


def reachable_box(
    shares: np.ndarray, bounds: Sequence[int], rho: Sequence[float], success_share: float
) -> Box:
    """Return the targets within reach (Theorem 11).

    Args:
        shares: Category shares p0 of the pool: shape (C,).
        bounds: Lmin, Lavg, Lmax.
        rho: Smallest and largest success rate of a client.
        success_share: Share of successes in the pool.
    """
    low, mean, high = bounds
    return Box(
        delta2_pref=diversity(shares),
        delta2_cov=capacity(low, mean, high) / mean**2,
        delta2_hard=capacity(rho[0], success_share, rho[1]),
    )


@dataclass(frozen=True)
class Band:
    """Where the mean of repeated measurements must lie.

    Attributes:
        expected: Centre.
        half_width: Half of the width.
    """

    expected: float
    half_width: float

    def holds(self, value: float) -> bool:
        """Return whether a value lies inside, up to rounding of floats."""
        return abs(value - self.expected) <= self.half_width + 1e-12

    @property
    def low(self) -> float:
        """Lower end."""
        return self.expected - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.expected + self.half_width


def confidence_band(
    expected: float, deviation: float, runs: int, level: float = 0.95, comparisons: int = 1
) -> Band:
    """Return the band that holds the mean of independent runs with a given probability.

    Student's t, as the deviation is that of the runs themselves. For several comparisons the
    level is that of *all* of them holding at once (Sidak): with 27 cells at 95 % each, at least one
    would fail in three of four correct programs.

    Args:
        expected: Expected value of one run.
        deviation: Standard deviation of one run, estimated from the runs.
        runs: Number of runs, at least 2.
        level: Probability in (0, 1).
        comparisons: Number of bands that must hold together.
    """
    from scipy.stats import t

    each = level ** (1.0 / comparisons)
    quantile = float(t.ppf((1.0 + each) / 2.0, runs - 1))
    return Band(expected, quantile * deviation / math.sqrt(runs))
