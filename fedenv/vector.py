"""FedVectorEnv: many (client, task) slots in one process, over shared assets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from fedenv.env import FedTextEnv
from fedenv.errors import ConfigError
from fedenv.registration import find_environment

_INFO_DTYPES = {
    "client_id": int,
    "task_id": object,
    "split": object,
    "episode_seed": int,
    "step": int,
    "action_valid": bool,
    "admissible_actions": object,
    "success": bool,
    "score": float,
}


class FedVectorEnv(VectorEnv[tuple[str, ...], Sequence[str], np.ndarray]):
    """A vector of text environments, one client a slot.

    Every slot steps as :class:`~fedenv.env.FedTextEnv` does. Observations are tuples of str.
    Autoreset mode is ``NEXT_STEP``: the step after the end of an episode starts the next one and
    ignores the slot's action. The vector counts the step limit itself.

    Args:
        env_id: The registered id.
        num_envs: Number of slots; may be left out where ``client_ids`` is given.
        client_ids: Client of each slot, one entry per slot; None puts ``client_id`` in every slot.
        client_id: Client of every slot where ``client_ids`` is None (0 where this is None, too).
        max_episode_steps: Step limit; None for the id's own.
        **kwargs: As :class:`~fedenv.env.FedTextEnv`.

    Raises:
        ConfigError: Number of slots and clients disagree, or an argument is illegal.
    """

    metadata = {  # noqa: RUF012 (Gymnasium's contract)
        "render_modes": ["ansi"],
        "render_fps": 1,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        env_id: str,
        num_envs: int | None = None,
        client_ids: Sequence[int] | None = None,
        client_id: int | None = None,
        max_episode_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        if client_ids is None:
            clients = [client_id or 0] * (num_envs or 1)
        elif client_id is None:
            clients = [int(client) for client in client_ids]
        else:
            raise ConfigError("name the clients with client_ids or client_id, not both")
        # gymnasium.make_vec passes num_envs=1 where the caller names clients only.
        if not clients or num_envs not in (None, 1, len(clients)):
            raise ConfigError(
                f"client_ids must name one client per slot: got {len(clients)} clients for "
                f"num_envs={num_envs}"
            )
        self.envs = [FedTextEnv(env_id, client_id=client, **kwargs) for client in clients]
        self.num_envs = len(self.envs)
        self.render_mode = self.envs[0].render_mode
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._limit = max_episode_steps or find_environment(env_id).max_episode_steps
        self._observations = [""] * self.num_envs
        self._infos: list[dict[str, Any]] = [{} for _ in self.envs]
        self._ended = np.zeros(self.num_envs, dtype=bool)

    @property
    def client_ids(self) -> tuple[int, ...]:
        """Client of each slot."""
        return tuple(env.client_id for env in self.envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Start an episode in every slot, or in those that ``options["reset_mask"]`` marks.

        Args:
            seed: One seed (slot i gets ``seed + i``), or one a slot.
            options: Reset options of :class:`~fedenv.env.FedTextEnv` for every slot, and
                ``"reset_mask"``, a boolean array of shape (num_envs,).

        Raises:
            ConfigError: Seeds or mask do not fit the number of slots.
        """
        seeds = (
            [None if seed is None else seed + i for i in range(self.num_envs)]
            if (seed is None or isinstance(seed, int | np.integer))
            else list(seed)
        )
        chosen = dict(options or {})
        mask = np.asarray(chosen.pop("reset_mask", np.ones(self.num_envs, dtype=bool)))
        if len(seeds) != self.num_envs or mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise ConfigError(
                f"expected {self.num_envs} seeds and a boolean reset_mask of shape "
                f"({self.num_envs},); got {len(seeds)} seeds and a {mask.dtype} mask "
                f"of shape {mask.shape}"
            )
        for slot in np.flatnonzero(mask).tolist():
            self._reset_slot(slot, seeds[slot], chosen)
            self._ended[slot] = False
        return tuple(self._observations), self._batch_infos(mask)

    def step(
        self, actions: Sequence[str]
    ) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one action in every slot.

        Args:
            actions: One text a slot.

        Returns:
            Observations (tuple of num_envs texts), rewards (float64), terminated and truncated
            (bool), each of shape (num_envs,), and infos (one array per key).

        Raises:
            ConfigError: The number of actions is not the number of slots.
        """
        if isinstance(actions, str) or len(actions) != self.num_envs:
            raise ConfigError(f"expected {self.num_envs} actions, one text a slot, got {actions!r}")
        rewards = np.zeros(self.num_envs)
        terminated = np.zeros(self.num_envs, dtype=bool)
        truncated = np.zeros(self.num_envs, dtype=bool)
        for slot, (env, action) in enumerate(zip(self.envs, actions, strict=True)):
            if self._ended[slot]:
                self._reset_slot(slot, None, {})
                continue
            observation, rewards[slot], terminated[slot], _, info = env.step(action)
            truncated[slot] = info["step"] >= self._limit
            self._observations[slot], self._infos[slot] = observation, info
        self._ended = terminated | truncated
        infos = self._batch_infos(np.ones(self.num_envs, dtype=bool))
        return tuple(self._observations), rewards, terminated, truncated, infos

    def render(self) -> tuple[str | None, ...]:  # type: ignore[override]
        """Return the current page of every slot in render mode ``"ansi"``."""
        return tuple(env.render() for env in self.envs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute of every slot's environment, called if it is a method."""
        found = [getattr(env, name) for env in self.envs]
        return tuple(item(*args, **kwargs) if callable(item) else item for item in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every slot's environment."""
        return self.call(name)

    def _reset_slot(self, slot: int, seed: int | None, options: dict[str, Any]) -> None:
        env: gymnasium.Env[str, str] = self.envs[slot]
        self._observations[slot], self._infos[slot] = env.reset(seed=seed, options=options)

    def _batch_infos(self, mask: np.ndarray) -> dict[str, Any]:
        slots = np.flatnonzero(mask).tolist()
        batched: dict[str, Any] = {}
        for key, dtype in _INFO_DTYPES.items():
            column: np.ndarray = np.zeros(self.num_envs, dtype=dtype)
            if dtype is object:
                column[:] = None
            for slot in slots:
                column[slot] = self._infos[slot][key]
            batched[key], batched[f"_{key}"] = column, mask.copy()
        terms: dict[str, Any] = {}
        for slot in slots:
            terms = self._add_info(terms, self._infos[slot]["reward_terms"], slot)
        batched["reward_terms"], batched["_reward_terms"] = terms, mask.copy()
        return batched
