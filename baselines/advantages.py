"""How much better than expected: group-relative advantages (GRPO) and turn-level GAE (PPO).

Plain float arithmetic on a few numbers per episode; no parameters, no gradients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from baselines.records import Episode

EPSILON = 1e-6


def group_relative(rewards: Sequence[float], normalize: bool = True) -> list[float]:
    """Return the advantages of the episodes of one group (GRPO; Shao et al. 2024, section 4.1).

    Args:
        rewards: Total reward of each episode of the group.
        normalize: Divide by the sample standard deviation (n - 1) plus 1e-6.

    Returns:
        ``(r - mean) / (sd + 1e-6)``, or ``r - mean``; zeros for a group of one.
    """
    mean = math.fsum(rewards) / len(rewards)
    centred = [reward - mean for reward in rewards]
    if not normalize or len(rewards) < 2:
        return centred
    spread = math.sqrt(math.fsum(c * c for c in centred) / (len(rewards) - 1)) + EPSILON
    return [c / spread for c in centred]


def generalized_advantages(
    rewards: Sequence[float], values: Sequence[float], gamma: float, lam: float
) -> list[float]:
    """Return turn-level GAE of one episode (Schulman et al. 2016, equation 16).

    One step of the environment is one time step. The value after the last step is 0, also where the
    step limit ended the episode: the limit is part of the task.

    Args:
        rewards: Reward of each step.
        values: The critic's estimate before each step.
        gamma: Discount per step, in [0, 1].
        lam: GAE's lambda, in [0, 1].
    """
    advantages = [0.0] * len(rewards)
    following_value = following = 0.0
    for step in reversed(range(len(rewards))):
        delta = rewards[step] + gamma * following_value - values[step]
        following = delta + gamma * lam * following
        advantages[step], following_value = following, values[step]
    return advantages


def standardize(numbers: Sequence[float]) -> list[float]:
    """Return numbers with mean 0 and sample standard deviation 1 (plus 1e-6)."""
    return group_relative(numbers, normalize=True)


def with_group_advantages(episodes: Sequence[Episode], normalize: bool) -> list[Episode]:
    """Fill in GRPO's advantages: every step has that of its episode within its group."""
    groups: dict[int, list[int]] = {}
    for place, episode in enumerate(episodes):
        groups.setdefault(episode.group, []).append(place)
    advantages: Mapping[int, float] = {
        place: advantage
        for places in groups.values()
        for place, advantage in zip(
            places,
            group_relative([episodes[place].total_reward for place in places], normalize),
            strict=True,
        )
    }
    return [
        replace(
            episode,
            steps=tuple(replace(step, advantage=advantages[place]) for step in episode.steps),
        )
        for place, episode in enumerate(episodes)
    ]


def with_gae(
    episodes: Sequence[Episode], gamma: float, lam: float, normalize: bool
) -> list[Episode]:
    """Fill in PPO's advantages, and the targets of the critic (advantage plus value)."""
    raw = [
        generalized_advantages(
            [step.reward for step in episode.steps],
            [step.value for step in episode.steps],
            gamma,
            lam,
        )
        for episode in episodes
    ]
    flat = [advantage for advantages in raw for advantage in advantages]
    shown = iter(standardize(flat) if normalize else flat)
    return [
        replace(
            episode,
            steps=tuple(
                replace(step, advantage=next(shown), target=advantage + step.value)
                for step, advantage in zip(episode.steps, advantages, strict=True)
            ),
        )
        for episode, advantages in zip(episodes, raw, strict=True)
    ]
