"""Beta quotas: how a total is spread over clients, inside bounds and without bias.

Each client draws a share x ~ Beta(mu * xi, (1 - mu) * xi): mean mu, variance mu(1-mu) / (xi + 1).
The shares must also *average* mu, so that the quotas sum to the total. Scaling them and clipping
what leaves the bounds changes the spread (at xi = 1 by a sixth). Instead all logits are shifted by
one constant, x -> sigma(logit x + c): nothing leaves the bounds, and what the shift does to the
spread is of order 1/N and known (:func:`fedenv.partitions.theory.share_variance`).
"""

from __future__ import annotations

import numpy as np

from fedenv.partitions.draws import log_gamma_draws

BISECTIONS = 200


def spread_shares(
    rng: np.random.RandomState, num_clients: int, mean: float, xi: float
) -> np.ndarray:
    """Draw shares in [0, 1] with exactly the given mean: float64 of shape (N,).

    Args:
        rng: A frozen stream.
        num_clients: Number of clients N.
        mean: Mean share mu in [0, 1].
        xi: Concentration, above 0; the larger, the closer to the mean.
    """
    if not 0.0 < mean < 1.0:
        return np.full(num_clients, mean)
    drawn = log_gamma_draws(rng, np.array([mean * xi, (1.0 - mean) * xi]), (num_clients, 2))
    logits = drawn[:, 0] - drawn[:, 1]
    low, high = -logits.max() - 50.0, -logits.min() + 50.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if not low < middle < high:
            break
        if _sigmoid(logits + middle).mean() < mean:
            low = middle
        else:
            high = middle
    below, above = _sigmoid(logits + low), _sigmoid(logits + high)
    # Between two neighbouring floats the mean may still jump where xi is tiny.
    gap = above.mean() - below.mean()
    weight = (mean - below.mean()) / gap if gap > 0.0 else 0.0
    shares: np.ndarray = np.clip(below + weight * (above - below), 0.0, 1.0)
    return shares


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    bounded = np.clip(logits, -700.0, 700.0)
    share: np.ndarray = 1.0 / (1.0 + np.exp(-bounded))
    return share


def apportion(targets: np.ndarray, total: int, low: int, high: int) -> np.ndarray:
    """Round quotas to integers that sum to the total: largest remainders first, inside bounds.

    Args:
        targets: Quotas of shape (N,).
        total: What they sum to; ``N * low <= total <= N * high``.
        low: Smallest legal integer.
        high: Largest legal integer.

    Returns:
        int64 of shape (N,); of equal remainders the earlier client is served first.
    """
    rounded: np.ndarray = np.clip(np.floor(targets), low, high).astype(np.int64)
    missing = total - int(rounded.sum())
    while missing:
        step = 1 if missing > 0 else -1
        able = np.flatnonzero(rounded < high if step > 0 else rounded > low)
        remainders = step * (targets[able] - rounded[able])
        served = able[np.argsort(-remainders, kind="stable")[: abs(missing)]]
        rounded[served] += step
        missing -= step * len(served)
    return rounded


def beta_quota(
    rng: np.random.RandomState, num_clients: int, total: int, low: int, high: int, xi: float
) -> np.ndarray:
    """Spread a total over clients by Beta shares of the room between two bounds.

    Args:
        rng: A frozen stream.
        num_clients: Number of clients N.
        total: Sum of the quotas; ``N * low <= total <= N * high``.
        low: Smallest quota.
        high: Largest quota.
        xi: Concentration.

    Returns:
        int64 of shape (N,).
    """
    if low == high:
        return np.full(num_clients, low, dtype=np.int64)
    mean = (total - num_clients * low) / (num_clients * (high - low))
    shares = spread_shares(rng, num_clients, mean, xi)
    return apportion(low + shares * (high - low), total, low, high)
