"""Scripted shoppers that read only what any agent reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from fedenv.webshop.actions import click
from fedenv.webshop.reading import (
    BUY,
    Request,
    named_options,
    read_request,
    result_links,
    shown_price,
)
from fedenv.webshop.session import BACK_TO_SEARCH, NEXT_PAGE, PREVIOUS

STEP_LIMIT = 15


class FirstAgent:
    """Searches, opens the first result, chooses the named options, buys."""

    def __init__(self, env: gymnasium.Env[str, str], rng: np.random.Generator) -> None:
        self._plan: deque[str] = deque()
        self._request = Request("", (), None)

    def reset(self, observation: str, info: Mapping[str, Any]) -> None:
        """Read the instruction."""
        self._request = read_request(observation)
        self._plan = deque([f"search[{self._request.query}]"])

    def act(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return the next action."""
        if self._plan:
            return self._plan.popleft()
        links = result_links(info) if click(NEXT_PAGE) in info["admissible_actions"] else []
        if links:
            return click(links[0])
        if BUY not in info["admissible_actions"]:
            return click(BACK_TO_SEARCH)
        self._plan.extend(click(value) for value in named_options(self._request, info))
        self._plan.append(BUY)
        return self._plan.popleft()


class KeywordAgent:
    """Opens results in order until one shows all named options within the price, then buys.

    Where the steps run out first it buys the best it has seen so far: the open product if nothing
    better was seen, as there is no step left to go back. Where it did not mean to go (another hand
    may have clicked), it searches again.
    """

    def __init__(self, env: gymnasium.Env[str, str], rng: np.random.Generator) -> None:
        self._limit = _step_limit(env)
        self._plan: deque[str] = deque()
        self._request = Request("", (), None)
        self._open = ""
        self._refused: set[str] = set()

    def reset(self, observation: str, info: Mapping[str, Any]) -> None:
        """Read the instruction."""
        self._request = read_request(observation)
        self._open = ""
        self._refused = set()
        self._plan = deque([f"search[{self._request.query}]"])

    def act(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return the next action."""
        if self._plan:
            return self._plan.popleft()
        if BUY in info["admissible_actions"]:
            return self._judge(observation, info)
        if click(NEXT_PAGE) not in info["admissible_actions"]:
            return f"search[{self._request.query}]"
        for link in result_links(info):
            if link not in self._refused:
                self._open = link
                return click(link)
        return click(NEXT_PAGE)

    def _judge(self, page: str, info: Mapping[str, Any]) -> str:
        wanted = named_options(self._request, info)
        complete = len(wanted) == len(self._request.options)
        limit, price = self._request.price_limit, shown_price(page)
        affordable = limit is None or price is None or price <= limit
        # Going back, opening another product, choosing and buying takes this many steps.
        needed = len(self._request.options) + 3
        if (complete and affordable) or info["step"] + needed > self._limit:
            self._plan.extend(map(click, wanted))
            self._plan.append(BUY)
            return self._plan.popleft()
        self._refused.add(self._open)
        return click(PREVIOUS)


def _step_limit(env: gymnasium.Env[str, str]) -> int:
    spec = env.spec
    return (spec.max_episode_steps if spec else None) or STEP_LIMIT
