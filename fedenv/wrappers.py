"""Wrappers: keep a record of every episode, or choose actions by number."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from fedenv.agents import PLACEHOLDER
from fedenv.errors import ConfigError, DataError
from fedenv.recording import Recorder, append, drop_partial_line

INVALID_ACTION = ""
_Step = tuple[str, SupportsFloat, bool, bool, dict[str, Any]]


class RecordTrajectory(gymnasium.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Appends the record of every episode to a file that ``fedenv replay`` accepts.

    An episode is written when it ends; one that is abandoned (by ``reset`` or ``close``) is
    written as far as it went, if it has a step.

    Args:
        env: The environment that ``gymnasium.make`` returned; other wrappers go on top of this one.
        path: The file; made if needed, appended to if it exists.

    Raises:
        ConfigError: The environment cannot be rebuilt from a record.
        DataError: The file cannot be written.
    """

    def __init__(self, env: gymnasium.Env[str, str], path: str | os.PathLike[str]) -> None:
        RecordConstructorArgs.__init__(self, path=os.fspath(path))
        gymnasium.Wrapper.__init__(self, env)
        self._recorder = Recorder(env)
        self._steps = 0
        self._path = Path(path)
        drop_partial_line(self._path)
        try:
            self._path.touch()
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode; write the one before if it was abandoned."""
        self._write()
        observation, info = self.env.reset(seed=seed, options=options)
        self._recorder.reset(observation, info)
        self._steps = 0
        return observation, info

    def step(self, action: str) -> _Step:
        """Take one action; write the episode if it ends.

        Raises:
            TypeError: The action is no str (a record could not hold it).
        """
        if not isinstance(action, str):
            raise TypeError(f"a recorded action must be a str, got {action!r}")
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._recorder.running:
            self._recorder.step(action, observation, reward, terminated, truncated, info)
            self._steps += 1
            if terminated or truncated:
                self._write()
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Write an abandoned episode and close the environment."""
        self._write()
        super().close()

    def _write(self) -> None:
        if self._recorder.running and self._steps:
            append(self._path, self._recorder.finish())


class DiscreteAction(gymnasium.Wrapper[str, Any, str, Any], RecordConstructorArgs):
    """Chooses among ``info["admissible_actions"]`` by number.

    The action space is ``Discrete(max_actions)``. A number without an action is a step that
    changes nothing; ``info["action_mask"]``, an int8 array of shape (max_actions,), is 1 where a
    number has one. Actions beyond ``max_actions`` cannot be chosen.

    Args:
        env: The environment.
        max_actions: Size of the action space, at least 1.
        query: Returns the text that goes into ``search[<query>]``, given the first observation of
            the episode. Needed where the environment offers a search.

    Raises:
        ConfigError: ``max_actions`` is below 1; at ``reset`` and ``step``: a search is offered and
            there is no ``query``.
    """

    def __init__(
        self,
        env: gymnasium.Env[str, str],
        max_actions: int = 100,
        query: Callable[[str], str] | None = None,
    ) -> None:
        if max_actions < 1:
            raise ConfigError(f"max_actions must be at least 1, got {max_actions!r}")
        RecordConstructorArgs.__init__(self, max_actions=max_actions, query=query)
        gymnasium.Wrapper.__init__(self, env)
        self.action_space = gymnasium.spaces.Discrete(max_actions)
        self._max_actions = max_actions
        self._query = query
        self._first = ""
        self._actions: list[str] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._first = observation
        return observation, self._offer(info)

    def step(self, action: int) -> _Step:
        """Take the action with a number."""
        observation, reward, terminated, truncated, info = self.env.step(self.action(action))
        return observation, reward, terminated, truncated, self._offer(info)

    def action(self, action: int) -> str:
        """Return the text of the action with a number; an empty text where there is none."""
        if not hasattr(action, "__index__") or not 0 <= action < len(self._actions):
            return INVALID_ACTION
        text = self._actions[int(action)]
        if PLACEHOLDER in text and self._query is not None:
            text = text.replace(PLACEHOLDER, self._query(self._first))
        return text

    def _offer(self, info: dict[str, Any]) -> dict[str, Any]:
        self._actions = info["admissible_actions"][: self._max_actions]
        if self._query is None and any(PLACEHOLDER in text for text in self._actions):
            raise ConfigError(
                f"this environment offers search[{PLACEHOLDER}]; pass DiscreteAction(env, query=f) "
                "with f(first observation) -> text of the query"
            )
        mask = np.zeros(self._max_actions, dtype=np.int8)
        mask[: len(self._actions)] = 1
        return {**info, "action_mask": mask}
