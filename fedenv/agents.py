"""Agents for people who just look: the protocol, the random agent, and agents by name.

A scripted agent reads what any agent reads (observation and ``info``). Only the oracle of a family
knows more; it is an upper bound and a test instrument.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

import gymnasium
import numpy as np

from fedenv.errors import unknown_name

PLACEHOLDER = "<query>"


class Agent(Protocol):
    """Chooses actions for one environment, one episode after another."""

    def reset(self, observation: str, info: Mapping[str, Any]) -> None:
        """Start an episode with what ``env.reset`` returned."""

    def act(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return the next action."""


class AgentFactory(Protocol):
    """Makes an agent for an environment."""

    def __call__(self, env: gymnasium.Env[str, str], rng: np.random.Generator) -> Agent:
        """Return an agent.

        Args:
            env: The environment it will act in (only an oracle looks inside).
            rng: The agent's own draws.
        """


class RandomAgent:
    """Takes admissible actions uniformly; a search takes one to five words of the first page."""

    def __init__(self, env: gymnasium.Env[str, str], rng: np.random.Generator) -> None:
        self._rng = rng
        self._words: list[str] = []

    def reset(self, observation: str, info: Mapping[str, Any]) -> None:
        """Remember the words of the first page."""
        self._words = [word for word in observation.split() if word.isalpha()]

    def act(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return a random admissible action (an empty text where there is none)."""
        actions = info["admissible_actions"]
        if not actions:
            return ""
        action: str = actions[int(self._rng.integers(len(actions)))]
        if PLACEHOLDER in action and self._words:
            size = int(self._rng.integers(1, 6))
            action = action.replace(PLACEHOLDER, " ".join(self._rng.choice(self._words, size)))
        return action


COMMON_AGENTS: Mapping[str, str] = {"random": "fedenv.agents:RandomAgent"}


def agent_factory(name: str, family_agents: Mapping[str, str]) -> AgentFactory:
    """Return the factory of an agent by name.

    Args:
        name: ``"random"`` or one of the family's agents.
        family_agents: Names of a family's agents and where they are, as ``module:name``.

    Raises:
        ConfigError: Unknown name.
    """
    known = {**COMMON_AGENTS, **family_agents}
    if name not in known:
        raise unknown_name("agent", name, known)
    module, attribute = known[name].split(":")
    factory: AgentFactory = getattr(import_module(module), attribute)
    return factory
