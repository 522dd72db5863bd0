"""The oracle: knows the goal and the client's shop. An upper bound and a test instrument.

Nothing an agent sees leads here: the goal is read off the environment's inside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np

from fedenv.env import FedTextEnv
from fedenv.errors import ConfigError
from fedenv.webshop.actions import click, is_clickable
from fedenv.webshop.agents import STEP_LIMIT
from fedenv.webshop.catalog import Product
from fedenv.webshop.index import tokenize
from fedenv.webshop.session import BUY_NOW, NEXT_PAGE, PRODUCTS_PER_PAGE, Session

MAX_SEARCHES = 4
MAX_QUERY_WORDS = 40


class OracleAgent:
    """Finds a query that brings the target into reach, opens it, chooses the options, buys."""

    def __init__(self, env: gymnasium.Env[str, str], rng: np.random.Generator) -> None:
        inner = env.unwrapped
        if not isinstance(inner, FedTextEnv):
            raise ConfigError(f"the oracle needs an environment of fedenv, got {inner!r}")
        self._env = inner
        self._plan: deque[str] = deque()

    def reset(self, observation: str, info: Mapping[str, Any]) -> None:
        """Plan the whole episode."""
        session = self._env.episode
        assert isinstance(session, Session)
        self._plan = deque(plan(session, STEP_LIMIT))

    def act(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return the next action (an empty text once the plan has ended)."""
        return self._plan.popleft() if self._plan else ""


def plan(session: Session, step_limit: int) -> list[str]:
    """Return the shortest known sequence of actions that buys the target as the goal wants it.

    Args:
        session: A session at its start.
        step_limit: Plans may not be longer; where the target is out of reach the plan is empty.
    """
    shop, goal = session.shop, session.goal
    target = shop.products[goal.product]
    values = [value if isinstance(value, str) else value[1] for value in goal.options]
    purchase = [click(value) for value in values if is_clickable(value)]
    purchase = [click(target.asin.lower()), *purchase, click(BUY_NOW)]
    best: list[str] = []
    for query in _queries(target, goal.instruction):
        for repeats in range(1, MAX_SEARCHES + 1):
            results = shop.search(query, session.episode_seed, repeats - 1)
            if goal.product not in results:
                continue
            pages = results.index(goal.product) // PRODUCTS_PER_PAGE
            steps = [*[f"search[{query}]"] * repeats, *[click(NEXT_PAGE)] * pages, *purchase]
            if len(steps) <= step_limit and (not best or len(steps) < len(best)):
                best = steps
        if best and len(best) == 1 + len(purchase):
            break
    return best


def _queries(target: Product, instruction: str) -> Iterator[str]:
    """Yield queries that may find the target, the likeliest first, single words last."""
    texts = (target.name, instruction, *target.features, *target.bullets, target.description)
    words: dict[str, None] = {}
    for text in texts:
        tokens = tokenize(text)[:MAX_QUERY_WORDS]
        words.update(dict.fromkeys(tokens))
        if tokens:
            yield " ".join(tokens)
    yield from words
