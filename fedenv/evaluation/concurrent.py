"""Many episodes of a served model at the same time, in one thread.

The environments are fast and the model is slow, so episodes take turns in one event loop: while one
waits for its reply, others step. A failed episode never takes others with it: where the endpoint
is gone no further episodes are started, those that run are played as far as they get, and what is
finished has been handed over already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from pathlib import Path

from fedenv.evaluation.cells import Job, asked
from fedenv.evaluation.config import EvaluationConfig
from fedenv.evaluation.replies import write_replies
from fedenv.evaluation.served import Answer, Endpoint, EndpointError, ModelClient, ServedModel
from fedenv.prompts import Conversation, Reply, parse_reply
from fedenv.recording import Recorder
from fedenv.seeding import bits_for
from fedenv.trajectory import Cell, EpisodeRecord

_log = logging.getLogger(__name__)


def run_served(
    config: EvaluationConfig, jobs: Sequence[Job], endpoint: Endpoint, replies: Path
) -> Iterator[EpisodeRecord]:
    """Run jobs with a served model and yield their records as they finish.

    Args:
        config: The evaluation; it names a model.
        jobs: What to run.
        endpoint: Where the model is asked.
        replies: File that gets the model's replies, see :mod:`fedenv.evaluation.replies`.

    Raises:
        EndpointError: At the end: an episode could not be played.
        MissingOpenAI: A package is missing.
    """
    loop = asyncio.new_event_loop()
    records = _records(config, jobs, endpoint, replies)
    try:
        while (record := loop.run_until_complete(anext(records, None))) is not None:
            yield record
    finally:
        loop.run_until_complete(_end(records, asyncio.all_tasks(loop)))
        loop.close()


async def _end(
    records: AsyncGenerator[EpisodeRecord, None], left: Collection[asyncio.Task[object]]
) -> None:
    """End what still runs, where the run was interrupted."""
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await records.aclose()
    await asyncio.sleep(0)  # connections close in the loop's next turn


async def _records(
    config: EvaluationConfig, jobs: Sequence[Job], endpoint: Endpoint, replies: Path
) -> AsyncGenerator[EpisodeRecord, None]:
    assert config.model is not None
    client = ModelClient(config.model, endpoint)
    cells = (cell for job in jobs for cell in job.cells)
    running: set[asyncio.Task[EpisodeRecord]] = set()
    failures: list[EndpointError] = []
    try:
        while True:
            while len(running) < endpoint.concurrency and not _hopeless(failures):
                cell = next(cells, None)
                if cell is None:
                    break
                episode = _Episode(config, config.model, cell, replies)
                running.add(asyncio.create_task(episode.play(client)))
            if not running:
                break
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    yield task.result()
                except EndpointError as error:
                    _log.warning("an episode was cut short: %s", error)
                    failures.append(error)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await client.close()
    if failures:
        raise next((error for error in failures if error.everywhere), failures[0])


def _hopeless(failures: Sequence[EndpointError]) -> bool:
    return any(error.everywhere for error in failures)


class _Episode:
    """One episode of a served model.

    Args:
        config: The evaluation.
        model: Its model.
        cell: The episode's place in it.
        path: File that gets the replies.
    """

    def __init__(
        self, config: EvaluationConfig, model: ServedModel, cell: Cell, path: Path
    ) -> None:
        self._config, self._model, self._cell, self._path = config, model, cell, path
        self._replies: list[tuple[Answer, Reply]] = []

    async def play(self, client: ModelClient) -> EpisodeRecord:
        """Play it and return its record; the replies are written in any case.

        Raises:
            EndpointError: The model did not answer.
        """
        record = None
        try:
            record = await self._play(client)
        finally:
            if self._replies or record is not None:
                chain = None if record is None else record.chain
                write_replies(self._path, self._cell, chain, self._replies)
        return record

    async def _play(self, client: ModelClient) -> EpisodeRecord:
        config, cell, model = self._config, self._cell, self._model
        env = config.federation(cell.env_id).make_env(
            cell.client_id,
            split=config.split,
            kernel=cell.kernel,
            disable_env_checker=True,
            **config.env_arguments(),
        )
        try:
            recorder = Recorder(env)
            task_ids = env.unwrapped.task_ids  # type: ignore[attr-defined]
            task, seed = asked(config, cell, task_ids)
            observation, info = env.reset(seed=seed, options={"task_id": task})
            recorder.reset(observation, info, cell)
            conversation = Conversation(observation, model.history)
            path = ("served", config.seed, cell.env_id, cell.kernel, cell.client_id, cell.episode)
            ended = False
            while not ended:
                prompt = conversation.prompt(observation, info["admissible_actions"])
                draw = bits_for(*path, *config.repetition_path, len(self._replies), bits=31)
                answer = await client.ask(prompt.messages(model.prompt_tokens), draw)
                reply = parse_reply(answer.text)
                self._replies.append((answer, reply))
                conversation.note(observation, reply.action)
                observation, reward, terminated, truncated, info = env.step(reply.action)
                recorder.step(reply.action, observation, reward, terminated, truncated, info)
                ended = terminated or truncated
            return recorder.finish()
        finally:
            env.close()
