"""200,000 hostile actions: no exception, and what does not work changes nothing."""

import gymnasium as gym
import numpy as np
import pytest

from fedenv.alfworld.rendering import NOTHING_HAPPENS
from fedenv.alfworld.state import State
from tests.conftest import ALFWORLD_IDS

FRAGMENTS = [
    *("go to ", "take ", "move ", "put ", "open ", "close ", "examine ", "use ", "heat ", "cool "),
    *("clean ", "slice ", "look", "inventory", "help", " from ", " to ", " with ", " in/on "),
    *("fridge 1", "microwave 1", "sinkbasin 1", "cabinet 1", "apple 1", "mug 1", "knife 1", "1"),
    *(" ", "", "\n", "\r\n", "\x00", "\ud800", "é", "İ", "\u202e", "🍎", "\\", '"', "%s", "{}"),
]
PER_ENV = 40_000


def snapshot(game):
    values = (getattr(game.state, slot) for slot in State.__slots__)
    return repr([sorted(v) if isinstance(v, set) else v for v in values]), game.won


def hostile(rng, info):
    kind = rng.random()
    actions = info["admissible_actions"]
    if kind < 0.55:
        action = actions[int(rng.random() * len(actions))]
        if kind < 0.45:
            return action
        return action[: int(rng.random() * (len(action) + 1))]
    if kind < 0.6:
        return "".join(map(chr, rng.integers(0, 0x110000, size=rng.integers(1, 40))))
    return "".join(FRAGMENTS[i] for i in rng.integers(len(FRAGMENTS), size=rng.integers(1, 5)))


@pytest.mark.parametrize("env_id", ALFWORLD_IDS)
def test_fuzzed_actions(env_id):
    rng = np.random.default_rng(7)
    env = gym.make(env_id, client_id=5, disable_env_checker=True).unwrapped
    _, info = env.reset(seed=0)
    invalid = 0
    for step in range(PER_ENV):
        action = hostile(rng, info)
        before = snapshot(env.episode.game) if step % 8 == 0 else None
        observation, reward, terminated, truncated, after = env.step(action)
        assert (reward, truncated) == (float(terminated), False)
        if not after["action_valid"]:
            invalid += 1
            assert observation == NOTHING_HAPPENS
            assert after["admissible_actions"] == info["admissible_actions"]
            assert before is None or snapshot(env.episode.game) == before
        info = after
        if terminated or rng.random() < 0.02:
            _, info = env.reset()
    assert 0.3 < invalid / PER_ENV < 0.7


@pytest.mark.parametrize(
    "action",
    ["go to " * 200_000, "x" * 1_000_000, "take " + "mug 1 from " * 100_000, "\n" * 1_000_000],
    ids=range(4),
)
def test_huge_actions_are_steps(action):
    env = gym.make("FedALFWorld-v0").unwrapped
    env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(action)
    assert (observation, reward, terminated, truncated) == (NOTHING_HAPPENS, 0.0, False, False)
    assert info["step"] == 1
