"""200,000 hostile actions: no exception, and a malformed one changes nothing."""

import gymnasium as gym
import numpy as np
import pytest

from fedenv.webshop.session import Session
from tests.conftest import WEBSHOP_IDS

FRAGMENTS = [
    *("search[", "click[", "]", "[", "\n", " ", "", "<query>", "back to search", "< prev"),
    *("next >", "buy now", "description", "features", "reviews", "Search[", "CLICK[", "search"),
    *("red", "women", "the", "\x00", "\ud800", "é", "ẞ", "İ", "\u202e", "🛒", "\\", "'", '"'),
    *("search_results", "<r>", "<a>", "%s", "{}", "../", "]]]]", "[[[[", "\r\n", "\u2028"),
]
STATE = [slot for slot in Session.__slots__ if slot != "shop"]
PER_ENV = 40_000


def state(session):
    values = (getattr(session, slot) for slot in STATE)
    return repr([sorted(v) if isinstance(v, set) else v for v in values])


def hostile(rng, info):
    kind = rng.integers(10)
    if kind < 3 and info["admissible_actions"]:
        action = info["admissible_actions"][rng.integers(len(info["admissible_actions"]))]
        return action if kind else action[: rng.integers(len(action) + 1)]
    if kind == 3:
        return "".join(map(chr, rng.integers(0, 0x110000, size=rng.integers(1, 40))))
    parts = [FRAGMENTS[i] for i in rng.integers(len(FRAGMENTS), size=rng.integers(1, 7))]
    return "".join(parts)


@pytest.mark.parametrize("env_id", WEBSHOP_IDS)
def test_fuzzed_actions(env_id):
    rng = np.random.default_rng(7)
    env = gym.make(env_id, client_id=5).unwrapped
    page, info = env.reset(seed=0)
    invalid = 0
    for step in range(PER_ENV):
        action = hostile(rng, info)
        check = step % 8 == 0
        before = state(env.episode) if check else None
        new_page, reward, terminated, truncated, info = env.step(action)
        assert isinstance(new_page, str)
        assert 0.0 <= reward <= 1.0
        assert not truncated
        if not info["action_valid"]:
            invalid += 1
            assert new_page == page
            assert reward == 0.0
            assert before is None or state(env.episode) == before
        page = new_page
        if (terminated and rng.random() < 0.5) or rng.random() < 0.02:
            page, info = env.reset()
    assert 0.2 < invalid / PER_ENV < 0.8


@pytest.mark.parametrize(
    "action",
    ["[" * 1_000_000, "]" * 1_000_000, "search[" * 200_000, "click[" + "[]" * 500_000]
    + ["search[" + "x" * 1_000_000 + "]", "search[" + "a " * 200_000 + "]", "\n" * 1_000_000]
    + [None, 5, b"click[buy now]", ["search[a]"], float("nan")],
    ids=range(12),
)
def test_huge_and_foreign_actions_are_steps(action):
    env = gym.make("FedWebShop-v0").unwrapped
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(action)
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["step"] == 1


def test_a_query_that_crashed_the_original_is_a_query():
    env = gym.make("FedWebShop-v0").unwrapped
    env.reset(seed=0)
    for query in ("<a> women", "<r>", "<c> beauty", "<q> women"):
        page, *_, info = env.step(f"search[{query}]")
        assert info["action_valid"]
        assert "Page 1 (Total results:" in page
