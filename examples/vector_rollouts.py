"""Roll out many clients at once in one process.

    python examples/vector_rollouts.py --steps 2000

All slots share one catalog and index, so a slot costs a few kilobytes; texts come as tuples.
"""

import argparse
import time

import gymnasium as gym
import numpy as np

import fedenv

WORDS = ("table", "shirt", "lamp", "cotton", "easy clean")


def choose(rng, actions):
    """Take a random action of those a page offers (none after the end: any text will do)."""
    if not actions:
        return ""
    return str(rng.choice(actions)).replace("<query>", str(rng.choice(WORDS)))


def main(steps):
    clients = list(range(16))
    envs = gym.make_vec(
        "FedWebShop-CatalogSplit-v0",
        num_envs=len(clients),
        client_ids=clients,  # one client per slot; repeat a client for several slots
        vectorization_mode="vector_entry_point",
    )
    rng = np.random.default_rng(0)
    # Slot i gets the episode seed 7 + i; later episodes continue each slot's stream.
    observations, infos = envs.reset(seed=7)
    scores = {client: [] for client in clients}
    total = np.zeros(len(clients))
    started = time.perf_counter()
    for _ in range(steps):
        actions = [choose(rng, offered) for offered in infos["admissible_actions"]]
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        total += rewards  # 0 until an episode ends, then its score
        # Autoreset is NEXT_STEP: the infos of this step still belong to the episode that ended;
        # the next step starts a new one in that slot and ignores its action.
        for slot in np.flatnonzero(terminated | truncated):
            scores[clients[slot]].append(float(infos["score"][slot]))
    seconds = time.perf_counter() - started
    episodes = sum(map(len, scores.values()))
    print(f"fedenv {fedenv.__version__}: {steps * len(clients)} steps in {seconds:.1f} s")
    mean = total.sum() / max(episodes, 1)
    print(f"{episodes} episodes of {len(clients)} clients, mean score {mean:.3f}")
    best = max(clients, key=lambda client: np.mean(scores[client] or [0.0]))
    print(f"client {best} has the best mean; slot 0 now shows {observations[0][:40]!r}")
    envs.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    main(parser.parse_args().steps)
