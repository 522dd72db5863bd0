"""Frozen draws that partitions share: gamma variates, a safe Dirichlet, a multinomial with room.

Draws come from ``RandomState`` streams. Gamma variates go through the platform's ``log`` and
``exp``; their last bits only ever meet a threshold, so that a difference of one bit between two
machines changes a draw with a probability of about 1e-13.
"""

from __future__ import annotations

import numpy as np

MAX_CONCENTRATION = 1e100
"""Beyond it a Dirichlet draw is its mean to the last bit."""


def log_gamma_draws(
    rng: np.random.RandomState, shapes: np.ndarray, size: tuple[int, ...]
) -> np.ndarray:
    """Return logarithms of Gamma(shape, 1) variates, finite for every shape > 0.

    Uses Gamma(a) = Gamma(a + 1) * U ** (1 / a) on the log scale, where nothing underflows.
    """
    boosted = np.log(rng.standard_gamma(shapes + 1.0, size=size))
    uniform: np.ndarray = np.log1p(-rng.random_sample(size))
    drawn: np.ndarray = boosted + uniform / shapes
    return drawn


def log_dirichlet(rng: np.random.RandomState, mean: np.ndarray, omega: float) -> np.ndarray:
    """Draw log q (up to a constant) with q ~ Dirichlet(mean * (1 - omega) / omega).

    Safe for every omega in (0, 1): towards 1 it becomes a one-hot draw from the mean, towards 0
    the mean itself.

    Args:
        rng: A frozen stream.
        mean: Positive shares that sum to 1: shape (C,).
        omega: Mixing weight in (0, 1).
    """
    concentration = min((1.0 - omega) / omega, MAX_CONCENTRATION)
    return log_gamma_draws(rng, mean * concentration, mean.shape)


def multinomial_with_room(
    rng: np.random.RandomState, total: int, log_weights: np.ndarray, room: np.ndarray
) -> tuple[np.ndarray, int]:
    """Draw multinomial counts, none above its room.

    Counts above a cell's room are cut to it; the rest is drawn again over cells with room in
    proportion to their weights, until all is placed.

    Args:
        rng: A frozen stream.
        total: How many to place, at most the sum of the room.
        log_weights: Logarithms of the cells' weights, up to a constant: shape (C,).
        room: Largest count per cell: int64 of shape (C,).

    Returns:
        Counts of shape (C,), and how many had to be drawn again.
    """
    counts = np.zeros(len(room), dtype=np.int64)
    missing, moved = total, 0
    while missing:
        open_cells = np.flatnonzero(counts < room)
        weights = np.exp(log_weights[open_cells] - log_weights[open_cells].max())
        cumulative = np.cumsum(weights)
        chosen = np.searchsorted(
            cumulative[:-1], rng.random_sample(missing) * cumulative[-1], side="right"
        )
        counts += np.bincount(open_cells[chosen], minlength=len(room))
        above = np.maximum(counts - room, 0)
        counts -= above
        missing = int(above.sum())
        moved += missing
    return counts, moved
