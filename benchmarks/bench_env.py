"""Episode steps per second in one process through ``gym.make``, cold and warm.

The actions of the ``first`` agent are recorded in another process, so that nothing here has seen a
goal, a query or a product before it is timed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import gymnasium as gym

import fedenv  # noqa: F401 (registers the ids)

ENV_IDS = ("FedWebShop-v0", "FedWebShop-RankWrapper-v0", "FedWebShop-CatalogSplit-v0")
COLD, WARM = 500, 4000
_RECORD = """
import json, sys, gymnasium as gym, numpy as np, fedenv
from fedenv.webshop.agents import FirstAgent
env_id, episodes = sys.argv[1], int(sys.argv[2])
env = gym.make(env_id, partition={"name": "uniform", "min_tasks": 6410})
agent = FirstAgent(env, np.random.default_rng(0))
rows = []
for index in range(episodes):
    page, info = env.reset(seed=index, options={"task_index": index})
    agent.reset(page, info)
    actions, ended = [], False
    while not ended:
        actions.append(agent.act(page, info))
        page, _, terminated, truncated, info = env.step(actions[-1])
        ended = terminated or truncated
    rows.append(actions)
json.dump(rows, sys.stdout)
"""


def record(env_id: str) -> list[list[str]]:
    command = [sys.executable, "-c", _RECORD, env_id, str(COLD + WARM)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    episodes: list[list[str]] = json.loads(done.stdout)
    return episodes


def steps_per_second(env: gym.Env, episodes: list[list[str]], first: int) -> float:
    steps = 0
    start = time.perf_counter()
    for index, actions in enumerate(episodes, start=first):
        env.reset(options={"task_index": index})
        for action in actions:
            env.step(action)
        steps += len(actions)
    return steps / (time.perf_counter() - start)


def rows() -> list[tuple[str, str, str]]:
    found = []
    for env_id in ENV_IDS:
        episodes = record(env_id)
        # Every goal is a task of client 0 here, so that no goal is met twice.
        env = gym.make(env_id, partition={"name": "uniform", "min_tasks": 6410})
        env.reset(seed=0)  # once, as trainers do; later resets continue the stream
        cold = steps_per_second(env, episodes[:COLD], 0)
        warm = steps_per_second(env, episodes[COLD:], COLD)
        found.append((f"{env_id}: steps/s, first {COLD} episodes", f"{cold:,.0f}", "≥ 10,000"))
        found.append((f"{env_id}: steps/s, {WARM} new goals", f"{warm:,.0f}", "≥ 30,000"))
    return found
