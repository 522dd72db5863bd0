"""Episode records while they are made, and the files they are kept in (one record a line)."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
from gymnasium.error import ResetNeeded

from fedenv.errors import ConfigError, DataError
from fedenv.fingerprint import canonical_json, digest
from fedenv.trajectory import Cell, EpisodeRecord, Step, chain_link, text_hash

_log = logging.getLogger(__name__)
_NOT_ABOUT_THE_EPISODE = ("render_mode",)


class Recorder:
    """Builds the record of an episode while it runs.

    Args:
        env: The environment, as ``gymnasium.make`` returned it.

    Raises:
        ConfigError: The environment cannot be rebuilt from its spec: it was not made by
            ``gymnasium.make``, a wrapper changes it, or it is not one of fedenv.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._env_id, self._env_kwargs = rebuild_arguments(env)
        self._fingerprint, self._parts = fingerprint_parts(env)
        self._header: EpisodeRecord | None = None
        self._steps: list[Step] = []
        self._link = ""
        self._end: tuple[float, bool] = (0.0, False)

    @property
    def running(self) -> bool:
        """Whether an episode was started and not finished."""
        return self._header is not None

    def reset(self, observation: str, info: Mapping[str, Any], cell: Cell | None = None) -> None:
        """Start a record with what ``env.reset`` returned.

        Args:
            observation: The first observation.
            info: Its info.
            cell: The episode's place in an evaluation, if it has one.
        """
        header = EpisodeRecord(
            env_id=self._env_id,
            env_kwargs=self._env_kwargs,
            fingerprint=self._fingerprint,
            parts=self._parts,
            client_id=info["client_id"],
            split=info["split"],
            task_id=info["task_id"],
            episode_seed=info["episode_seed"],
            observation=text_hash(observation),
            start_chain="",
            steps=(),
            score=0.0,
            success=False,
            chain="",
            cell=cell,
        )
        self._link = chain_link("", header.header())
        self._header = replace(header, start_chain=self._link)
        self._steps = []
        self._end = (float(info["score"]), bool(info["success"]))

    def step(
        self,
        action: object,
        observation: str,
        reward: SupportsFloat,
        terminated: bool,
        truncated: bool,
        info: Mapping[str, Any],
    ) -> None:
        """Add a step: the action, and what ``env.step`` returned.

        An action that is no str is malformed, as the empty text is; that is what is written.
        """
        step = Step(
            action=action if isinstance(action, str) else "",
            observation=text_hash(observation),
            reward=float(reward),
            terminated=bool(terminated),
            truncated=bool(truncated),
            action_valid=bool(info["action_valid"]),
        )
        self._link = chain_link(self._link, step.content())
        self._steps.append(replace(step, chain=self._link))
        self._end = (float(info["score"]), bool(info["success"]))

    def finish(self) -> EpisodeRecord:
        """Return the record and end it.

        Raises:
            ResetNeeded: No episode was started.
        """
        if self._header is None:
            raise ResetNeeded("call reset() before finish()")
        score, success = self._end
        record = replace(self._header, steps=tuple(self._steps), score=score, success=success)
        self._header = None
        return replace(record, chain=chain_link(self._link, record.end()))


def rebuild_arguments(env: gymnasium.Env[Any, Any]) -> tuple[str, dict[str, Any]]:
    """Return the id and the keyword arguments from which ``gymnasium.make`` makes an environment.

    Raises:
        ConfigError: There are none.
    """
    spec = env.spec
    if spec is None:
        raise ConfigError(f"{env!r} was not made by gymnasium.make and cannot be recorded")
    if spec.additional_wrappers:
        names = ", ".join(wrapper.name for wrapper in spec.additional_wrappers)
        raise ConfigError(
            f"record the environment that gymnasium.make returns, below every other wrapper; "
            f"here it lies above: {names}"
        )
    registered = gymnasium.registry.get(spec.id)
    defaults = {} if registered is None else registered.kwargs
    kwargs = {
        name: value
        for name, value in spec.kwargs.items()
        if name not in _NOT_ABOUT_THE_EPISODE and not (name in defaults and defaults[name] == value)
    }
    if registered is None or spec.max_episode_steps != registered.max_episode_steps:
        limit = spec.max_episode_steps
        kwargs["max_episode_steps"] = -1 if limit is None else limit
    try:
        return spec.id, json.loads(canonical_json(kwargs))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"arguments of {spec.id} must be JSON values: {error}") from error


def fingerprint_parts(env: gymnasium.Env[Any, Any]) -> tuple[str, dict[str, str]]:
    """Return an environment's fingerprint and what it is made of, as short texts.

    Raises:
        ConfigError: The environment has no fingerprint.
    """
    fingerprint = getattr(env.unwrapped, "fingerprint", None)
    if not callable(fingerprint):
        raise ConfigError(f"{env.unwrapped!r} has no fingerprint(); only fedenv's are recorded")
    content: dict[str, Any] = fingerprint()
    parts: dict[str, str] = {}
    for name, value in content.items():
        if name == "pipeline":
            parts |= {f"pipeline.{stage}": text for stage, text in value.items()}
        elif name != "fingerprint":
            parts[name] = str(value) if isinstance(value, str | int) else digest(value)
    return content["fingerprint"], parts


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """Yield 1-based number and bytes of each line, with its line break where it has one.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            yield from enumerate(stream, 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def decode_line(raw: bytes, place: str) -> EpisodeRecord:
    """Read a record from the bytes of a line.

    Args:
        raw: The line with its line break.
        place: Where it comes from; starts every error.

    Raises:
        DataError: As :meth:`EpisodeRecord.from_json_line`; also a line without a line break (the
            writer was stopped in the middle) or with bytes outside ASCII.
    """
    if not raw.endswith(b"\n"):
        raise DataError(f"{place}: the line has no end; was the writer stopped in the middle?")
    try:
        line = raw[:-1].decode("ascii")
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: byte {error.start}: expected ASCII") from error
    return EpisodeRecord.from_json_line(line, place)


def read_records(path: str | os.PathLike[str]) -> Iterator[tuple[int, EpisodeRecord]]:
    """Yield line number and record of each line of a file.

    Raises:
        DataError: The file cannot be read or a line is broken; names file, line and field.
    """
    for number, raw in read_lines(path):
        yield number, decode_line(raw, f"{path}, line {number}")


def append(path: str | os.PathLike[str], record: EpisodeRecord) -> None:
    """Append a record to a file."""
    append_line(path, record.to_json_line())


def append_line(path: str | os.PathLike[str], text: str) -> None:
    """Append ASCII text to a file as whole lines, handed to the operating system at once."""
    data = memoryview(f"{text}\n".encode("ascii"))
    with open(path, "ab", buffering=0) as stream:
        while data:
            data = data[stream.write(data) :]


def drop_partial_line(path: str | os.PathLike[str]) -> int:
    """Cut off a last line without line break, as a killed writer leaves it.

    Returns:
        Number of bytes cut off; 0 where the file is whole, empty or missing.
    """
    file = Path(path)
    if not file.exists():
        return 0
    partial = 0
    for _, raw in read_lines(file):
        partial = 0 if raw.endswith(b"\n") else len(raw)
    if partial:
        _log.warning("%s: dropped %d bytes of a half-written last line", path, partial)
        os.truncate(file, file.stat().st_size - partial)
    return partial
