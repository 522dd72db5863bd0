"""The arithmetic of an evaluation: from outcomes of episodes to ``results.json``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from fedenv.errors import DataError
from fedenv.federation import Federation
from fedenv.fingerprint import digest_lines
from fedenv.registration import find_environment
from fedenv.trajectory import Cell, EpisodeRecord
from fedenv.version import __version__

FORMAT = "fedenv-results/1"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Outcome:
    """What counts of one episode.

    Attributes:
        cell: Its place in the evaluation.
        task_id: The task that was asked.
        score: Score at the end in [0, 1].
        success: Whether the task was solved.
        steps: Number of steps.
        chain: Last link of the record's hash chain.
    """

    cell: Cell
    task_id: str
    score: float
    success: bool
    steps: int
    chain: str

    @classmethod
    def of(cls, record: EpisodeRecord) -> Outcome:
        """Return the outcome of an episode of an evaluation.

        Raises:
            DataError: The record names no cell.
        """
        if record.cell is None:
            raise DataError(f"the record of task {record.task_id!r} is of no evaluation")
        steps = len(record.steps)
        return cls(record.cell, record.task_id, record.score, record.success, steps, record.chain)


def wilson_interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> list[float]:
    """Return lower and upper end of the Wilson score interval of a rate.

    It treats the trials as independent.

    Args:
        successes: Number of successes.
        trials: Number of trials, at least 1.
        confidence: Coverage in (0, 1).
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, weight = successes / trials, z * z / trials
    centre = rate + weight / 2
    spread = z * math.sqrt(rate * (1 - rate) / trials + weight / (4 * trials))
    low, high = ((centre + sign * spread) / (1 + weight) for sign in (-1, 1))
    return [0.0 if successes == 0 else low, 1.0 if successes == trials else high]


def summarise(
    config: Mapping[str, Any],
    federations: Mapping[str, Federation],
    outcomes: Mapping[Cell, Outcome],
) -> dict[str, Any]:
    """Return the results of an evaluation as a JSON value; equal outcomes give equal bytes.

    Args:
        config: The configuration, JSON.
        federations: Federation of each environment id.
        outcomes: Every cell's outcome.
    """
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes.values():
        groups.setdefault((outcome.cell.env_id, outcome.cell.kernel), []).append(outcome)
    environments = {
        env_id: {
            "federation": federation.digest,
            "data": federation.world.data_digest,
            "variant": federation.variant,
            "pool": list(federation.world.pool_labels),
            "category_titles": dict(_titles(env_id)),
            "kernels": {
                kernel: _kernel(groups[env_id, kernel], federation) for kernel in config["kernels"]
            },
        }
        for env_id, federation in federations.items()
    }
    chains = sorted(f"{outcome.cell} {outcome.chain}" for outcome in outcomes.values())
    return {
        "format": FORMAT,
        "fedenv_version": __version__,
        "config": dict(config),
        "episodes": len(outcomes),
        "episodes_digest": digest_lines(chains),
        "environments": environments,
    }


def _kernel(outcomes: Sequence[Outcome], federation: Federation) -> dict[str, Any]:
    by_client: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        by_client.setdefault(outcome.cell.client_id, []).append(outcome)
    clients = [
        {
            "client_id": client_id,
            "pool_index": federation.kernel(client_id).pool_index,
            **_means(by_client[client_id]),
        }
        for client_id in sorted(by_client)
    ]
    worst = min(clients, key=lambda row: (row["score"], row["client_id"]))
    return {
        **_means(outcomes),
        "success_interval": _interval(outcomes),
        "worst_client": {"client_id": worst["client_id"], "score": worst["score"]},
        "categories": _categories(outcomes, federation),
        "clients": clients,
    }


def _categories(outcomes: Sequence[Outcome], federation: Federation) -> dict[str, dict[str, Any]]:
    """Return what was reached on the tasks of each category, in the family's order."""
    splits = federation.world.splits
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        category = splits.tasks[splits.position(outcome.task_id)].category
        groups.setdefault(category, []).append(outcome)
    first = [name for name in _titles(federation.env_id) if name in groups]
    order = [*first, *sorted(groups.keys() - first)]
    return {
        name: {**_means(groups[name]), "success_interval": _interval(groups[name])}
        for name in order
    }


def _titles(env_id: str) -> Mapping[str, str]:
    return find_environment(env_id).load_family().category_titles


def _interval(outcomes: Sequence[Outcome]) -> list[float]:
    return wilson_interval(sum(outcome.success for outcome in outcomes), len(outcomes))


def _means(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "episodes": len(outcomes),
        "success": _mean(outcome.success for outcome in outcomes),
        "score": _mean(outcome.score for outcome in outcomes),
        "steps": _mean(outcome.steps for outcome in outcomes),
    }


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers)
