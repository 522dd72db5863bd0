"""Plans: evaluations that belong together, each in a folder of its own.

Another package brings plans through the entry-point group ``fedenv.plans``; an entry names a
function from a plan's name to the :class:`Plan`. A leaderboard's tracks are such plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from fedenv.errors import ConfigError, DataError, FedEnvError
from fedenv.evaluate import evaluate
from fedenv.evaluation.config import EvaluationConfig
from fedenv.evaluation.rundir import write_json
from fedenv.evaluation.served import Endpoint, ServedModel
from fedenv.version import __version__

ENTRY_POINT_GROUP = "fedenv.plans"
FORMAT, PLAN = "fedenv-plan/1", "plan.json"

Progress = Callable[[str, int, int], None]
"""Called with a part's folder, its finished cells and all its cells."""


@dataclass(frozen=True)
class Part:
    """One evaluation of a plan.

    Attributes:
        environment: The plan's name of the environment (a federation).
        seed: Which training seed the agent is of.
        env_id: Environment id.
        federation: Digest that the federation must have.
        arguments: Further arguments of :class:`EvaluationConfig`, without agent and environment.
    """

    environment: str
    seed: int
    env_id: str
    federation: str
    arguments: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Where its files are, below the plan's folder."""
        return f"{self.environment}/{self.seed}"

    def config(
        self, agent: str, options: Mapping[str, Any], model: ServedModel | None = None
    ) -> EvaluationConfig:
        """Return the evaluation of an agent.

        Args:
            agent: Its name.
            options: Its options; ``{environment}`` and ``{seed}`` in their texts stand for the
                part's.
            model: The served model, for the agent ``"openai"``; its name is filled likewise.

        Raises:
            ConfigError: There is no such agent, or the federation is another one here.
            DataError: The data, or what the agent reads, cannot be read.
        """
        filled = {
            name: self._filled(value) if isinstance(value, str) else value
            for name, value in options.items()
        }
        config = EvaluationConfig(
            envs=(self.env_id,),
            agent=agent,
            agent_options=filled,
            model=None if model is None else replace(model, model=self._filled(model.model)),
            **self.arguments,
        )
        found = config.federation(self.env_id).digest
        if found != self.federation:
            raise ConfigError(
                f"{self.environment}: the plan is for federation {self.federation}, here it is "
                f"{found}; install the version of fedenv, and the data, that the plan was made on"
            )
        return config

    def _filled(self, text: str) -> str:
        return text.replace("{environment}", self.environment).replace("{seed}", str(self.seed))


@dataclass(frozen=True)
class Plan:
    """Evaluations that belong together.

    Attributes:
        name: Name of the plan.
        lock: Digest of all that it fixes.
        parts: The evaluations.
    """

    name: str
    lock: str
    parts: tuple[Part, ...]


class PlanSource(Protocol):
    """Finds plans by name; what an entry of the group ``fedenv.plans`` names."""

    def __call__(self, name: str) -> Plan | None:
        """Return a plan; None where there is none of this name."""


def find_plan(name: str) -> Plan:
    """Return a plan by name.

    Raises:
        ConfigError: There is none of this name.
    """
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP)):
        try:
            source: PlanSource = entry.load()
        except Exception as error:  # whatever a foreign module does on import
            raise FedEnvError(f"plans of {entry.value} cannot be loaded: {error}") from error
        plan = source(name)
        if plan is not None:
            return plan
    raise ConfigError(f"no installed package has a plan (a track) called {name!r}")


def evaluate_plan(
    plan: Plan,
    agent: str,
    options: Mapping[str, Any],
    out: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress = lambda folder, done, total: None,
    model: ServedModel | None = None,
    endpoint: Endpoint | None = None,
) -> list[dict[str, Any]]:
    """Run the evaluations of a plan, or what is left of them.

    Every configuration is checked before the first episode is played.

    Args:
        plan: The plan.
        agent: Name of the agent.
        options: Its options, as :meth:`Part.config` takes them.
        out: Folder of the results: ``plan.json``, and a folder for each part.
        workers: Number of processes.
        overwrite: Throw away what another run left there.
        progress: Told what is done.
        model: The served model, for the agent ``"openai"``.
        endpoint: Where it is asked.

    Returns:
        The results of each part.

    Raises:
        ConfigError: As :func:`fedenv.evaluate.evaluate`.
        DataError: As :func:`fedenv.evaluate.evaluate`.
        EndpointError: As :func:`fedenv.evaluate.evaluate`.
    """
    configs = [(part, part.config(agent, options, model)) for part in plan.parts]
    return evaluate_parts(
        plan,
        configs,
        out,
        workers=workers,
        overwrite=overwrite,
        progress=progress,
        endpoint=endpoint,
    )


def evaluate_parts(
    plan: Plan,
    configs: Sequence[tuple[Part, EvaluationConfig]],
    out: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress = lambda folder, done, total: None,
    endpoint: Endpoint | None = None,
) -> list[dict[str, Any]]:
    """Run evaluations of a plan whose configurations are there; see :func:`evaluate_plan`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be used ({error.strerror or error})") from error
    about = {"format": FORMAT, "fedenv_version": __version__, "name": plan.name, "lock": plan.lock}
    write_json(out / PLAN, about)
    results = []
    for part, config in configs:
        report = partial(progress, part.folder)
        folder = out / part.folder
        results.append(
            evaluate(
                config,
                folder,
                workers=workers,
                overwrite=overwrite,
                progress=report,
                endpoint=endpoint,
            )
        )
    return results
