"""Dispersion measures of an assignment (paper, Section 3.2), and what they are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fedenv.partitions.assignment import Assignment
from fedenv.tasks import TaskPool


@dataclass(frozen=True)
class Profile:
    """What an assignment looks like.

    Attributes:
        delta2_pref: Mean over clients of the squared Euclidean distance between the client's
            category shares and the mean shares.
        delta2_cov: Squared coefficient of variation of the number of tasks per client.
        delta2_hard: Population variance of the clients' success rates; None without labels.
        mean_shares: Mean category shares, by category: p-bar.
        mean_size: Mean number of tasks per client: n-bar.
        mean_success: Mean success rate of the clients: rho-bar; None without labels.
        union: Number of tasks that some client holds.
        overlap: Mean over pairs of clients of the number of tasks that both hold; 0 for one client.
    """

    delta2_pref: float
    delta2_cov: float
    delta2_hard: float | None
    mean_shares: Mapping[str, float]
    mean_size: float
    mean_success: float | None
    union: int
    overlap: float

    def to_json(self) -> dict[str, float]:
        """Return the numbers that a manifest shows."""
        numbers = {
            "delta2_pref": self.delta2_pref,
            "delta2_cov": self.delta2_cov,
            "delta2_hard": self.delta2_hard,
            "mean_size": self.mean_size,
            "mean_success": self.mean_success,
            "union": self.union,
            "overlap": self.overlap,
        }
        return {name: value for name, value in numbers.items() if value is not None}


def measure(assignment: Assignment, success: np.ndarray | None = None) -> Profile:
    """Measure an assignment.

    Args:
        assignment: Tasks of every client; no client may be empty.
        success: Whether each task of the pool counts as a success: bool of shape (n,).
    """
    names, codes = assignment.pool.categories, assignment.pool.codes
    sizes, owners = assignment.sizes, assignment.owners
    pairs, counts = _count(owners * len(names) + codes[assignment.positions])
    shares = counts / sizes[pairs // len(names)]
    mean = np.bincount(pairs % len(names), weights=shares, minlength=len(names)) / len(sizes)
    # |p_i - p|^2 summed over i, with |p|^2 for each pair that does not occur.
    column = mean[pairs % len(names)]
    spread = ((shares - column) ** 2 - column**2).sum() / len(sizes) + (mean**2).sum()
    holders = np.bincount(assignment.positions, minlength=len(assignment.pool))
    num_pairs = len(sizes) * (len(sizes) - 1) // 2
    rates = None if success is None else success_counts(assignment, success) / sizes
    return Profile(
        delta2_pref=max(0.0, float(spread)),
        delta2_cov=float(sizes.var() / sizes.mean() ** 2),
        delta2_hard=None if rates is None else float(rates.var()),
        mean_shares=dict(zip(names, mean.tolist(), strict=True)),
        mean_size=float(sizes.mean()),
        mean_success=None if rates is None else float(rates.mean()),
        union=int(np.count_nonzero(holders)),
        overlap=float((holders * (holders - 1) // 2).sum() / max(1, num_pairs)),
    )


def _count(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different keys in ascending order, and how often each occurs."""
    if keys.max() > 4 * len(keys):  # a table of all keys would be large and almost empty
        found, counts = np.unique(keys, return_counts=True)
        return found, counts
    table = np.bincount(keys)
    found = np.flatnonzero(table)
    return found, table[found]


def success_counts(assignment: Assignment, success: np.ndarray) -> np.ndarray:
    """Return how many successes each client holds: int64 of shape (N,)."""
    held = success[assignment.positions]
    return np.bincount(assignment.owners[held], minlength=assignment.num_clients)


def with_measures(assignment: Assignment, success: np.ndarray | None = None) -> Assignment:
    """Return an assignment with its measures filled in."""
    numbers = measure(assignment, success).to_json()
    if assignment.shortfall is not None:
        numbers["shortfall"] = int(assignment.shortfall.sum())
    return replace(assignment, measures=numbers)


@dataclass(frozen=True)
class Independence:
    """Whether categories differ in how often their tasks are solved.

    Attributes:
        success_share: Share of successes in the pool.
        by_category: Share of successes in each category.
        epsilon: Largest distance of a category's share from the pool's.
        chi2: Pearson's statistic of the table category x success.
        degrees: Its degrees of freedom.
        p_value: Chance of such a statistic under independence.
    """

    success_share: float
    by_category: Mapping[str, float]
    epsilon: float
    chi2: float
    degrees: int
    p_value: float


def independence(pool: TaskPool, success: np.ndarray) -> Independence:
    """Test whether type and success are independent in a pool (Pearson's chi-squared test).

    Where all tasks are solved, none is, or there is one category, they are: p-value 1.

    Args:
        pool: Training tasks, at least one.
        success: Whether each counts as a success: bool of shape (n,).
    """
    names, sizes = pool.categories, pool.category_sizes
    solved = np.bincount(pool.codes[success], minlength=len(names))
    shares = solved / sizes
    overall = float(success.mean())
    chi2, degrees, p_value = 0.0, 0, 1.0
    if 0.0 < overall < 1.0 and len(names) > 1:
        from scipy.stats import chi2_contingency

        result = chi2_contingency(np.stack([solved, sizes - solved]), correction=False)
        chi2, p_value, degrees = float(result[0]), float(result[1]), int(result[2])
    return Independence(
        success_share=overall,
        by_category=dict(zip(names, shares.tolist(), strict=True)),
        epsilon=float(np.abs(shares - overall).max()),
        chi2=chi2,
        degrees=degrees,
        p_value=p_value,
    )
