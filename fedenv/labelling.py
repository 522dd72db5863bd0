"""Success labels, measured: how often a policy solves each training task.

Every task of the pool (not one client's) is tried K times in the reference kernel. A scripted agent
always does the same, so that its rates would be 0 and 1; at each step it acts at random with
probability epsilon (:class:`~fedenv.agents.EpsilonAgent`). The draws of an episode depend on the
seed, the task and the number of the episode only: the labels are the same for any number of
processes, and whether a run was interrupted or not.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fedenv.agents import EpsilonAgent, agent_factory
from fedenv.errors import ConfigError, DataError, unknown_name
from fedenv.evaluation.rundir import EPISODES, RUN, open_run
from fedenv.federation import MAX_SEED, Federation, shared_federation
from fedenv.parallel import check_workers, run_parallel
from fedenv.partitions.labels import Labels, Provenance
from fedenv.recording import append_line, drop_partial_line, read_lines
from fedenv.registration import find_environment
from fedenv.seeding import bits_for, rng_for, wide_rng

FORMAT = "fedenv-labelling/1"
TASKS_PER_JOB = 8
RANDOM = "random"

Progress = Callable[[int, int], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelConfig:
    """What is measured. Equal configurations give equal labels.

    Attributes:
        env_id: Environment id.
        agent: Name of a scripted agent; ``"random"`` is any agent with epsilon 1.
        epsilon: Probability in (0, 1] that a step is random.
        episodes: Episodes per task (K), at least 2.
        seed: Names every draw.
        data: None for the bundled data, or a folder.
        settings: Knobs of the environment's family, JSON only.

    Raises:
        ConfigError: A value is unknown or out of range.
    """

    env_id: str
    agent: str
    epsilon: float = 0.0
    episodes: int = 20
    seed: int = 0
    data: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        row = find_environment(self.env_id)
        family = row.load_family()
        agent_factory(self.agent, family.agents)
        for name in self.settings:
            if name not in family.knobs[row.variant]:
                raise unknown_name(f"setting for {self.env_id}", name, family.knobs[row.variant])
        object.__setattr__(self, "epsilon", 1.0 if self.agent == RANDOM else float(self.epsilon))
        if self.epsilon == 0.0:
            raise ConfigError(
                f"agent {self.agent!r} always does the same, so that every success rate would be 0 "
                "or 1; expected epsilon in (0, 1], the probability of a random step (--epsilon 0.2)"
            )
        if not 0.0 < self.epsilon <= 1.0:
            raise ConfigError(f"epsilon must be in (0, 1], got {self.epsilon!r}")
        if self.episodes < 2:
            raise ConfigError(
                f"episodes must be at least 2, got {self.episodes!r}: one gives no rate but 0 or 1"
            )
        if not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"seed must be an integer in 0..{MAX_SEED}, got {self.seed!r}")

    @property
    def policy(self) -> str:
        """Name of the policy that acts."""
        return self.agent if self.agent == RANDOM else f"{self.agent}, epsilon {self.epsilon!r}"

    def federation(self) -> Federation:
        """Return a federation whose only client holds every training task.

        Raises:
            ConfigError: A setting is out of range.
            DataError: The data cannot be read.
        """
        return shared_federation(
            self.env_id, {"num_clients": 1, "data": self.data, **self.settings}
        )

    def make_env(self) -> Any:
        """Return the environment in which the policy acts."""
        return self.federation().make_env(
            split="train", kernel="reference", disable_env_checker=True
        )

    def provenance(self) -> Provenance:
        """Return what labels of this configuration say about themselves."""
        return Provenance(
            policy=self.policy,
            env_id=self.env_id,
            env_digest=self.make_env().unwrapped.fingerprint()["fingerprint"],
            data_digest=self.federation().world.data_digest,
            episodes=self.episodes,
            seed=self.seed,
        )


def measure_labels(
    config: LabelConfig,
    out: str | os.PathLike[str],
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Labels:
    """Measure labels, or what is left of them, and write them to a file.

    While it runs, what is done is kept in the folder ``<out>.run``; started again with the same
    configuration, only the missing tasks are run. Where the file is there already and holds these
    labels, nothing is run.

    Args:
        config: What to measure.
        out: The labels file, compressed where the name ends in ``.gz``.
        workers: Number of processes. With more than one, a script that calls this needs the usual
            ``if __name__ == "__main__"`` guard.
        overwrite: Throw away the file and what another configuration left in the folder.
        progress: Called with (finished tasks, all tasks) at the start and while tasks finish.

    Raises:
        ConfigError: A value is out of range, or the file or its folder holds something else.
        DataError: The data or the folder's records cannot be read, or nothing can be written.
    """
    check_workers(workers)
    path, report = Path(out), progress or _silent
    ids = config.make_env().unwrapped.task_ids
    provenance = config.provenance()
    if path.exists() and not overwrite:
        return _check_same(path, Labels.load(path), provenance, ids)
    folder = path.with_name(f"{path.name}.run")
    open_run(folder, {"format": FORMAT, "provenance": asdict(provenance)}, overwrite, (EPISODES,))
    journal = folder / EPISODES
    drop_partial_line(journal)
    successes = _finished(journal, frozenset(ids), config.episodes)
    missing = [index for index, task_id in enumerate(ids) if task_id not in successes]
    jobs = [missing[i : i + TASKS_PER_JOB] for i in range(0, len(missing), TASKS_PER_JOB)]
    report(len(successes), len(ids))
    for counts in run_parallel(partial(count_successes, config), jobs, workers):
        append_line(journal, "\n".join(json.dumps(pair) for pair in counts.items()))
        successes |= counts
        report(len(successes), len(ids))
    rates = {task_id: successes[task_id] / config.episodes for task_id in ids}
    labels = Labels(rates, provenance)
    labels.save(path)
    for name in (EPISODES, RUN):
        (folder / name).unlink()
    folder.rmdir()
    return labels


def count_successes(config: LabelConfig, indices: Sequence[int]) -> dict[str, int]:
    """Return how many of the K episodes of some tasks succeed.

    Args:
        config: What to measure.
        indices: Positions of the tasks in the training pool.
    """
    env = config.make_env()
    ids = env.unwrapped.task_ids
    found = {ids[index]: sum(_episodes(config, env, index, ids[index])) for index in indices}
    env.close()
    return found


def _episodes(config: LabelConfig, env: Any, index: int, task_id: str) -> Iterator[bool]:
    factory = agent_factory(config.agent, find_environment(config.env_id).load_family().agents)
    for episode in range(config.episodes):
        path = ("label", config.seed, task_id, episode)
        # Scripted agents draw nothing; whatever counts is drawn from the frozen stream.
        scripted = factory(env, rng_for(*path, "agent"))
        agent = EpsilonAgent(scripted, config.epsilon, wide_rng(*path, "random steps"))
        observation, info = env.reset(
            seed=bits_for(*path, "seed", bits=31), options={"task_index": index}
        )
        agent.reset(observation, info)
        ended = False
        while not ended:
            observation, _, terminated, truncated, info = env.step(agent.act(observation, info))
            ended = terminated or truncated
        yield info["success"]


def _check_same(path: Path, found: Labels, wanted: Provenance, ids: Sequence[str]) -> Labels:
    there, here = asdict(found.provenance), asdict(wanted)
    differing = [f"{k}: there {there[k]!r}, here {here[k]!r}" for k in here if there[k] != here[k]]
    if set(found.rates) != set(ids):
        differing.append(f"tasks: there {len(found.rates)}, here {len(ids)}, not the same ones")
    if differing:
        raise ConfigError(
            f"{path}: holds other labels; use another --out, or --overwrite. What differs:\n  "
            + "\n  ".join(differing)
        )
    return found


def _finished(journal: Path, ids: frozenset[str], episodes: int) -> dict[str, int]:
    """Return the successes that a journal holds already."""
    successes: dict[str, int] = {}
    if not journal.exists():
        return successes
    for number, raw in read_lines(journal):
        try:
            task_id, count = json.loads(raw)
            sound = task_id in ids and type(count) is int and 0 <= count <= episodes
        except (ValueError, TypeError):
            sound = False
        if not sound or task_id in successes:
            raise DataError(
                f"{journal}, line {number}: expected a task of the pool, named once, and its "
                f"successes in 0..{episodes}, got {raw[:80]!r}; start again with --overwrite"
            )
        successes[task_id] = count
    _log.info("%s: %d tasks are finished", journal, len(successes))
    return successes


def _silent(done: int, total: int) -> None:
    """Report nothing."""
