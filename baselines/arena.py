"""The environments of one federation in this process, made when needed and used again."""

from __future__ import annotations

from typing import Any

import gymnasium

from baselines.config import EnvironmentConfig
from fedenv.federation import Federation, shared_federation
from fedenv.fingerprint import canonical_json

MAX_SPARE = 4096


class Arena:
    """Lends environments of a federation.

    Args:
        config: The federation.

    Raises:
        ConfigError: A value is unknown or out of range.
        DataError: The data cannot be read.
    """

    def __init__(self, config: EnvironmentConfig) -> None:
        checked = Federation(
            config.id,
            num_clients=config.num_clients,
            partition=config.partition,
            federation_seed=config.federation_seed,
            data=config.data,
            **config.knobs,
        )
        self.federation: Federation = shared_federation(config.id, checked.arguments)
        self._spare: dict[tuple[int, str], list[gymnasium.Env[str, str]]] = {}
        self._count = 0

    def take(self, client_id: int, **arguments: Any) -> gymnasium.Env[str, str]:
        """Return an environment that nobody else uses.

        Args:
            client_id: 0-based client index.
            **arguments: ``split``, ``kernel``, ``eval_tasks``.

        Raises:
            ConfigError: An argument is out of range.
        """
        spare = self._spare.get((client_id, canonical_json(arguments)))
        if spare:
            self._count -= 1
            return spare.pop()
        return self.federation.make_env(client_id, disable_env_checker=True, **arguments)

    def give_back(self, env: gymnasium.Env[str, str], client_id: int, **arguments: Any) -> None:
        """Put an environment back; equal arguments as when it was taken."""
        if self._count >= MAX_SPARE:
            self._spare.clear()
            self._count = 0
        self._spare.setdefault((client_id, canonical_json(arguments)), []).append(env)
        self._count += 1
