"""Episode records: what was done, what came back, and a chain of hashes over all of it.

One episode is one JSON object on one line. A record holds everything that rebuilds its environment
(:mod:`fedenv.replay` does), the agent's actions in full, and hashes of the observations. Every step
carries a link of a hash chain: SHA-256 of the link before it and of all else in the step. The first
link covers the header, the last one the end, and a line has exactly one spelling, so that one
changed byte anywhere is noticed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fedenv.errors import DataError
from fedenv.fingerprint import canonical_json

FORMAT = "fedenv-trajectory/1"
HASH_LENGTH = 32

_T = TypeVar("_T")


def text_hash(text: str) -> str:
    """Return the first 32 hex digits of the SHA-256 of a text (UTF-8, lone surrogates kept)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]


def chain_link(previous: str, content: Any) -> str:
    """Return the link that follows another one in a hash chain.

    Args:
        previous: The link before it; empty at the start.
        content: The JSON value that the link covers.
    """
    text = f"{previous}\n{canonical_json(content)}"
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:HASH_LENGTH]


@dataclass(frozen=True)
class Cell:
    """The place of an episode in an evaluation.

    Attributes:
        env_id: Environment id.
        kernel: ``"client"`` or ``"reference"``.
        client_id: 0-based client index.
        episode: 0-based index of the episode.
    """

    env_id: str
    kernel: str
    client_id: int
    episode: int

    def to_json(self) -> dict[str, Any]:
        """Return the cell as a JSON value."""
        return {
            "env_id": self.env_id,
            "kernel": self.kernel,
            "client_id": self.client_id,
            "episode": self.episode,
        }


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        action: The agent's text.
        observation: Hash of the observation that came back.
        reward: The reward that came back.
        terminated: Whether the episode ended by itself.
        truncated: Whether a limit ended it.
        action_valid: Whether the action did anything.
        chain: Link over the one before it and all of the above.
    """

    action: str
    observation: str
    reward: float
    terminated: bool
    truncated: bool
    action_valid: bool
    chain: str = ""

    def content(self) -> dict[str, Any]:
        """Return what the step's link covers."""
        return {
            "action": self.action,
            "observation": self.observation,
            "reward": self.reward,
            "terminated": self.terminated,
            "truncated": self.truncated,
            "action_valid": self.action_valid,
        }


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode.

    Attributes:
        env_id: Environment id.
        env_kwargs: What ``gymnasium.make`` takes besides the id, JSON only.
        fingerprint: Fingerprint of the environment that the episode ran in.
        parts: What the fingerprint is made of, as short texts: says which part differs.
        client_id: 0-based client index.
        split: Split of the task.
        task_id: The task.
        episode_seed: Seed of the episode.
        observation: Hash of the first observation.
        start_chain: Link over all of the above and the cell.
        steps: The steps, in order.
        score: Score at the end in [0, 1].
        success: Whether the task was solved.
        chain: Link over the last step's link, score and success.
        cell: The episode's place in an evaluation, if it has one.
    """

    env_id: str
    env_kwargs: Mapping[str, Any]
    fingerprint: str
    parts: Mapping[str, str]
    client_id: int
    split: str
    task_id: str
    episode_seed: int
    observation: str
    start_chain: str
    steps: tuple[Step, ...]
    score: float
    success: bool
    chain: str
    cell: Cell | None = None

    def header(self) -> dict[str, Any]:
        """Return what the first link of the chain covers."""
        cell = {} if self.cell is None else {"cell": self.cell.to_json()}
        return {
            "format": FORMAT,
            "env": {"id": self.env_id, "kwargs": dict(self.env_kwargs)},
            "fingerprint": self.fingerprint,
            "parts": dict(self.parts),
            **cell,
            "client_id": self.client_id,
            "split": self.split,
            "task_id": self.task_id,
            "episode_seed": self.episode_seed,
            "observation": self.observation,
        }

    def end(self) -> dict[str, Any]:
        """Return what the last link of the chain covers besides the steps."""
        return {"score": self.score, "success": self.success}

    def links(self) -> Iterator[str]:
        """Yield the chain as the contents say: header, each step, end."""
        link = chain_link("", self.header())
        yield link
        for step in self.steps:
            link = chain_link(link, step.content())
            yield link
        yield chain_link(link, self.end())

    def stored_links(self) -> Iterator[str]:
        """Yield the chain as it is written in the record."""
        yield self.start_chain
        yield from (step.chain for step in self.steps)
        yield self.chain

    @property
    def intact(self) -> bool:
        """Whether the chain fits the contents."""
        return all(a == b for a, b in zip(self.links(), self.stored_links(), strict=True))

    def to_json_line(self) -> str:
        """Return the record as one line of ASCII, without the line break."""
        value = {
            **self.header(),
            "start_chain": self.start_chain,
            "steps": [{**step.content(), "chain": step.chain} for step in self.steps],
            **self.end(),
            "chain": self.chain,
        }
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json_line(cls, line: str, place: str) -> EpisodeRecord:
        """Read a record.

        Args:
            line: The line, without its line break.
            place: Where it comes from, e.g. ``"episodes.jsonl, line 3"``; starts every error.

        Raises:
            DataError: Broken JSON, unknown format, a missing or ill-typed field, or a line that is
                spelled in another way than :meth:`to_json_line` spells it.
        """
        row = _Fields(_parse(line, place), place)
        if (found := row.get("format", str)) != FORMAT:
            raise row.error("format", repr(FORMAT), found)
        env = row.fields("env")
        parts = row.get("parts", dict)
        record = cls(
            env_id=env.get("id", str),
            env_kwargs=env.get("kwargs", dict),
            fingerprint=row.get("fingerprint", str),
            parts={name: _Fields(parts, place, "parts.").get(name, str) for name in parts},
            client_id=row.get("client_id", int),
            split=row.get("split", str),
            task_id=row.get("task_id", str),
            episode_seed=row.get("episode_seed", int),
            observation=row.get("observation", str),
            start_chain=row.get("start_chain", str),
            steps=tuple(
                _step(_Fields(step, place, f"steps[{k}]."))
                for k, step in enumerate(row.get("steps", list))
            ),
            score=row.get("score", float),
            success=row.get("success", bool),
            chain=row.get("chain", str),
            cell=_cell(row.fields("cell")) if row.has("cell") else None,
        )
        _check_spelling(line, record, place)
        return record


class _Fields:
    """A JSON object whose fields are taken out with their type checked."""

    def __init__(self, value: Any, place: str, prefix: str = "") -> None:
        self._place, self._prefix = place, prefix
        self._value = value
        if not isinstance(value, dict):
            raise DataError(f"{place}: {prefix.rstrip('.') or 'record'}: expected an object")

    def has(self, name: str) -> bool:
        return name in self._value

    def get(self, name: str, kind: type[_T]) -> _T:
        if name not in self._value:
            raise DataError(f"{self._place}: {self._prefix}{name}: the field is missing")
        value = self._value[name]
        if type(value) is not kind:
            raise self.error(name, _KINDS[kind], value)
        return value

    def fields(self, name: str) -> _Fields:
        return _Fields(self.get(name, dict), self._place, f"{self._prefix}{name}.")

    def error(self, name: str, expected: str, got: Any) -> DataError:
        shown = f"{got!r:.80}"
        return DataError(f"{self._place}: {self._prefix}{name}: expected {expected}, got {shown}")


_KINDS = {
    str: "a text",
    int: "an integer",
    float: "a number with a decimal point",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def _parse(line: str, place: str) -> Any:
    try:
        return json.loads(line, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        where = _where(line, error.pos, place)
        raise DataError(f"{where}: not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not valid JSON: {error}") from error


def _where(line: str, position: int, place: str) -> str:
    """Name a position of a line, with the step that it lies in (0 is the header)."""
    return f"{place}, step {line.count(_STEP_START, 0, position + 1)}, byte {position}"


_STEP_START = '{"action":'


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.20} is out of range")
    return number


def _step(row: _Fields) -> Step:
    return Step(
        action=row.get("action", str),
        observation=row.get("observation", str),
        reward=row.get("reward", float),
        terminated=row.get("terminated", bool),
        truncated=row.get("truncated", bool),
        action_valid=row.get("action_valid", bool),
        chain=row.get("chain", str),
    )


def _cell(row: _Fields) -> Cell:
    return Cell(
        env_id=row.get("env_id", str),
        kernel=row.get("kernel", str),
        client_id=row.get("client_id", int),
        episode=row.get("episode", int),
    )


def _check_spelling(line: str, record: EpisodeRecord, place: str) -> None:
    try:
        expected = record.to_json_line()
    except RecursionError as error:
        raise DataError(f"{place}: JSON is nested too deeply") from error
    if line != expected:
        pairs = enumerate(zip(line, expected, strict=False))
        shorter = min(len(line), len(expected))
        position = next((i for i, (a, b) in pairs if a != b), shorter)
        wanted, got = (text[position : position + 20] for text in (expected, line))
        raise DataError(
            f"{_where(line, position, place)}: expected {wanted!r}, got {got!r}; "
            "write records with fedenv, they have one spelling"
        )
