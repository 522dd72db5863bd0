"""What an evaluation runs, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedenv.agents import describe_agent
from fedenv.errors import ConfigError, unknown_name
from fedenv.evaluation.served import AGENT, ServedModel
from fedenv.federation import KERNELS, MAX_SEED, Federation, shared_federation
from fedenv.registration import ENVIRONMENTS, find_environment
from fedenv.tasks import SPLITS

_ENVIRONMENT_SETTINGS = ("eval_tasks", "reward")
_SETTINGS = (*_ENVIRONMENT_SETTINGS, "federation_seed", "partition")


@dataclass(frozen=True)
class EvaluationConfig:
    """What an evaluation runs. Equal configurations give equal results.

    Attributes:
        envs: Environment ids; ``"webshop"``, ``"alfworld"`` (families) and ``"all"`` stand for
            several.
        agent: Name of an agent (``fedenv.agents.agent_factory``), or ``"openai"`` for a served
            model.
        clients: 0-based client indices.
        episodes: Episodes per client, kernel and environment id.
        seed: Names the tasks and every draw.
        num_clients: Number of clients N of the federations.
        kernels: ``"client"``, ``"reference"``, or both.
        data: None for the bundled data, or a folder.
        settings: Further arguments of the environments, JSON only.
        model: The served model, for the agent ``"openai"`` and no other.
        split: ``"val"`` or ``"test"``.
        agent_options: Options of the agent, JSON only.
        repetition: Evaluations that differ in this alone ask the same tasks with other draws.

    Raises:
        ConfigError: A value is unknown or out of range.
    """

    envs: tuple[str, ...]
    agent: str
    clients: tuple[int, ...]
    episodes: int = 5
    seed: int = 0
    num_clients: int = 100
    kernels: tuple[str, ...] = KERNELS
    data: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    model: ServedModel | None = None
    split: str = "val"
    agent_options: Mapping[str, Any] = field(default_factory=dict)
    repetition: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "envs", expand_envs(self.envs))
        if (self.agent == AGENT) != (self.model is not None):
            raise ConfigError(
                f"the agent {AGENT!r} is a served model: name both or neither, got agent "
                f"{self.agent!r} and model {self.model!r}"
            )
        self.describe_agent()
        if not self.clients or len(set(self.clients)) != len(self.clients):
            raise ConfigError(f"clients must be a set of indices, got {self.clients!r}")
        for client_id in (min(self.clients), max(self.clients)):
            if not 0 <= client_id < self.num_clients:
                raise ConfigError(
                    f"client {client_id} is not in 0..{self.num_clients - 1}; "
                    "set num_clients to the size of the federation"
                )
        if self.episodes < 1:
            raise ConfigError(f"episodes must be at least 1, got {self.episodes!r}")
        if not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"seed must be an integer in 0..{MAX_SEED}, got {self.seed!r}")
        if self.split not in SPLITS[1:]:
            raise unknown_name("split", self.split, SPLITS[1:])
        if not self.kernels or not set(self.kernels) <= set(KERNELS):
            raise ConfigError(f"kernels must be from {', '.join(KERNELS)}, got {self.kernels!r}")
        object.__setattr__(self, "kernels", tuple(k for k in KERNELS if k in self.kernels))
        object.__setattr__(self, "clients", tuple(sorted(self.clients)))
        for env_id in self.envs:
            row = find_environment(env_id)
            legal = (*_SETTINGS, *row.load_family().knobs[row.variant])
            for name in self.settings:
                if name not in legal:
                    raise unknown_name(f"setting for {env_id}", name, legal)

    @property
    def repetition_path(self) -> tuple[str, ...]:
        """What the repetition adds to the name of a draw: nothing where it is empty."""
        return (self.repetition,) if self.repetition else ()

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as a JSON value."""
        options = {"agent_options": dict(sorted(self.agent_options.items()))}
        return {
            "envs": list(self.envs),
            "agent": self.agent,
            "clients": list(self.clients),
            "episodes": self.episodes,
            "seed": self.seed,
            "num_clients": self.num_clients,
            "kernels": list(self.kernels),
            "split": self.split,
            "data": self.data,
            "settings": dict(sorted(self.settings.items())),
            **({} if self.model is None else {"model": self.model.to_json()}),
            **(options if self.agent_options else {}),
            **({"repetition": self.repetition} if self.repetition else {}),
        }

    def describe_agent(self) -> dict[str, Any]:
        """Return what the agent depends on besides its name and options, as a JSON value.

        Raises:
            ConfigError: There is no such agent in one of the environments' families.
            DataError: What the agent reads is missing or broken.
        """
        found: dict[str, Any] = {}
        for env_id in self.envs if self.model is None else ():
            agents = find_environment(env_id).load_family().agents
            try:
                found = describe_agent(self.agent, agents, self.agent_options)
            except ConfigError as error:
                raise ConfigError(f"{env_id}: {error}") from error
        return found

    def federation(self, env_id: str) -> Federation:
        """Return the federation of one of the environment ids, shared in this process.

        Raises:
            ConfigError: A setting is unknown or out of range.
            DataError: The data cannot be read.
        """
        settings = {k: v for k, v in self.settings.items() if k not in _ENVIRONMENT_SETTINGS}
        checked = Federation(env_id, num_clients=self.num_clients, data=self.data, **settings)
        return shared_federation(env_id, checked.arguments)

    def env_arguments(self) -> dict[str, Any]:
        """Return the settings that are no arguments of a federation."""
        return {k: v for k, v in self.settings.items() if k in _ENVIRONMENT_SETTINGS}


def expand_envs(names: Sequence[str]) -> tuple[str, ...]:
    """Return the ids that some names stand for: ids, families or ``"all"``.

    Raises:
        ConfigError: Unknown name.
    """
    ids: dict[str, None] = {}
    for name in names:
        family = [row.id for row in ENVIRONMENTS.values() if name in ("all", row.family_name)]
        ids.update(dict.fromkeys(family or [find_environment(name).id]))
    if not ids:
        raise ConfigError(f"no environment ids in {', '.join(names) or 'an empty list'}")
    return tuple(ids)
