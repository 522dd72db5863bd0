"""Cells of an evaluation: which task, which draws, and how they run (in one process or several)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain

import numpy as np

from fedenv.agents import agent_factory
from fedenv.evaluation.config import EvaluationConfig
from fedenv.parallel import run_parallel
from fedenv.recording import Recorder
from fedenv.registration import find_environment
from fedenv.seeding import bits_for, frozen_rng, rng_for
from fedenv.trajectory import Cell, EpisodeRecord


@dataclass(frozen=True)
class Job:
    """The cells of one client in one environment id that are still to run."""

    env_id: str
    client_id: int
    cells: tuple[Cell, ...]


def task_and_seed(
    seed: int, client_id: int, episode: int, task_ids: Sequence[str], repetition: str = ""
) -> tuple[str, int]:
    """Return task and episode seed of a cell.

    Tasks are drawn without replacement per client; where they run out, all are drawn again.

    Args:
        seed: The evaluation's seed.
        client_id: 0-based client index.
        episode: 0-based index of the episode.
        task_ids: The tasks to draw from, in order.
        repetition: Changes the episode seed, not the task.
    """
    turn, place = divmod(episode, len(task_ids))
    order = _order(seed, client_id, turn, len(task_ids))
    name = ("seed", repetition) if repetition else ("seed",)
    return task_ids[order[place]], bits_for("evaluate", seed, client_id, episode, *name, bits=31)


@lru_cache(maxsize=1024)
def _order(seed: int, client_id: int, turn: int, tasks: int) -> np.ndarray:
    return frozen_rng("evaluate", seed, client_id, "tasks", turn).permutation(tasks)


def asked(config: EvaluationConfig, cell: Cell, task_ids: Sequence[str]) -> tuple[str, int]:
    """Return task and episode seed of a cell of an evaluation.

    Args:
        config: The evaluation.
        cell: The cell.
        task_ids: The tasks of the cell's environment, in order.
    """
    return task_and_seed(config.seed, cell.client_id, cell.episode, task_ids, config.repetition)


def open_jobs(config: EvaluationConfig, finished: Collection[Cell] = ()) -> Iterator[Job]:
    """Yield what is left to run, in order.

    Args:
        config: The evaluation.
        finished: Cells that are done.
    """
    for env_id in config.envs:
        for client_id in config.clients:
            cells = (
                Cell(env_id, kernel, client_id, episode)
                for kernel in config.kernels
                for episode in range(config.episodes)
            )
            missing = tuple(cell for cell in cells if cell not in finished)
            if missing:
                yield Job(env_id, client_id, missing)


def run_cells(config: EvaluationConfig, job: Job) -> Iterator[EpisodeRecord]:
    """Run the episodes of one client in one environment id."""
    federation = config.federation(job.env_id)
    agents = find_environment(job.env_id).load_family().agents
    factory = agent_factory(config.agent, agents, config.agent_options)
    for kernel in config.kernels:
        cells = [cell for cell in job.cells if cell.kernel == kernel]
        if not cells:
            continue
        env = federation.make_env(
            job.client_id,
            split=config.split,
            kernel=kernel,
            disable_env_checker=True,
            **config.env_arguments(),
        )
        recorder = Recorder(env)
        task_ids = env.unwrapped.task_ids  # type: ignore[attr-defined]
        for cell in cells:
            task, seed = asked(config, cell, task_ids)
            path = (config.seed, config.agent, cell.env_id, kernel, cell.client_id, cell.episode)
            agent = factory(env, rng_for("agent", *path, *config.repetition_path))
            observation, info = env.reset(seed=seed, options={"task_id": task})
            recorder.reset(observation, info, cell)
            agent.reset(observation, info)
            ended = False
            while not ended:
                action = agent.act(observation, info)
                observation, reward, terminated, truncated, info = env.step(action)
                recorder.step(action, observation, reward, terminated, truncated, info)
                ended = terminated or truncated
            yield recorder.finish()
        env.close()


def run_jobs(
    config: EvaluationConfig, jobs: Sequence[Job], workers: int = 1
) -> Iterator[EpisodeRecord]:
    """Run jobs and yield their records: in order in one process, as they finish in several.

    Args:
        config: The evaluation.
        jobs: What to run.
        workers: Number of processes.
    """
    if workers == 1 or len(jobs) < 2:
        for job in jobs:  # a record is yielded as soon as it is there
            yield from run_cells(config, job)
        return
    yield from chain.from_iterable(run_parallel(partial(_run_job, config), jobs, workers))


def _run_job(config: EvaluationConfig, job: Job) -> list[EpisodeRecord]:
    return list(run_cells(config, job))
