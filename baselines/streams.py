"""Names of the random streams of a run.

Every draw is named by what it is for: (seed, client, round, epoch, …). No two rounds, clients or
epochs share a draw, nothing depends on what was drawn before, and evaluation has streams of its
own. All of them are frozen (``fedenv.seeding``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.policies.protocol import SEED_BITS
from fedenv.seeding import PathPart, bits_for, frozen_rng, index_for

CENTRAL = -1
"""Stands for a client where one learner has everybody's tasks."""

_EPISODE_SEED_BITS = 31


@dataclass(frozen=True)
class Stream:
    """The draws of one local epoch, or of one evaluation.

    Attributes:
        path: Names the stream.
    """

    path: tuple[PathPart, ...]

    def index(self, n: int, *name: PathPart) -> int:
        """Return a draw, uniform on 0 .. n-1."""
        return index_for(n, *self.path, *name)

    def episode_seed(self, *name: PathPart) -> int:
        """Return the seed of an episode of the environment."""
        return bits_for(*self.path, "episode", *name, bits=_EPISODE_SEED_BITS)

    def action_key(self, *name: PathPart) -> int:
        """Return what :func:`action_seed` needs for one episode."""
        return bits_for(*self.path, "actions", *name, bits=128)

    def order(self, n: int, *name: PathPart) -> np.ndarray:
        """Return a permutation of 0 .. n-1."""
        return frozen_rng(*self.path, "order", *name).permutation(n)


def action_seed(key: int, step: int) -> int:
    """Return the seed of the policy's draws in one step of an episode."""
    return bits_for("action", key, step, bits=SEED_BITS)


def training_stream(seed: int, client_id: int, round_index: int, epoch: int) -> Stream:
    """Return the stream of one local epoch of one client."""
    return Stream(("train", seed, client_id, round_index, epoch))


def evaluation_stream(seed: int, split: str) -> Stream:
    """Return the stream of evaluations.

    It names neither round nor client nor kernel: all parameters are measured on the same episodes
    with the same draws, so that differences between them are theirs.
    """
    return Stream(("evaluate", seed, split))


def initial_seed(seed: int) -> int:
    """Return the seed of the initial parameters."""
    return bits_for("initial parameters", seed, bits=63)


def fresh_critic_seed(seed: int, client_id: int, round_index: int) -> int:
    """Return the seed of a client's new critic."""
    return bits_for("fresh critic", seed, client_id, round_index, bits=63)


def sample_cohort(seed: int, round_index: int, num_clients: int, size: int) -> tuple[int, ...]:
    """Return the clients of a round: uniform without replacement, in ascending order.

    Args:
        seed: The run's seed.
        round_index: 0-based round t.
        num_clients: Number of clients N.
        size: Number of clients M, at most N.
    """
    order = frozen_rng("cohort", seed, round_index).permutation(num_clients)
    return tuple(sorted(order[:size].tolist()))
