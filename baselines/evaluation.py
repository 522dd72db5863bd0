"""How good parameters are: fixed tasks, fixed draws, streams of their own.

Every evaluation of a run plays the same episodes with the same draws, whichever round, client or
kernel it is for: differences are due to parameters and kernels. Nothing of it reaches training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from baselines.arena import Arena
from baselines.config import Config
from baselines.policies.protocol import Policy
from baselines.rollout import Plan, play
from baselines.streams import evaluation_stream


def evaluate_policy(
    config: Config,
    arena: Arena,
    policy: Policy,
    client_id: int,
    kernel: str,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Evaluate a policy.

    Args:
        config: The run.
        arena: Its environments.
        policy: The policy with the parameters to be measured.
        client_id: Whose kernel, if it is a client's.
        kernel: ``"client"`` or ``"reference"``.
        check: Called often; what it raises ends the evaluation.

    Returns:
        Number of episodes, mean success, score and steps, and per task category the numbers of
        successes and episodes.
    """
    settings, federation = config.evaluation, arena.federation
    owner = client_id if kernel == "client" else 0
    available = len(federation.task_positions(settings.split, owner))
    count = min(settings.tasks or available, available)
    stream = evaluation_stream(config.run.seed, settings.split)
    plans = [
        Plan(owner, task, stream.episode_seed(task, turn), stream.action_key(task, turn), task)
        for task in range(count)
        for turn in range(settings.episodes_per_task)
    ]
    episodes = play(
        policy,
        arena,
        plans,
        config.rollout,
        temperature=settings.temperature,
        check=check,
        split=settings.split,
        kernel=kernel,
    )
    tasks = federation.world.splits
    categories: dict[str, list[int]] = {}
    for episode in episodes:
        cell = categories.setdefault(tasks.tasks[tasks.position(episode.task_id)].category, [0, 0])
        cell[0] += episode.success
        cell[1] += 1
    return {
        "episodes": len(episodes),
        "success": sum(episode.success for episode in episodes) / len(episodes),
        "score": math.fsum(episode.score for episode in episodes) / len(episodes),
        "steps": sum(len(episode.steps) for episode in episodes) / len(episodes),
        "categories": dict(sorted(categories.items())),
    }
