"""The step samples of a client and round, as a compressed file of JSON lines for later analyses.

One line per step: ``epoch``, ``group``, ``client_id``, ``task_id``, ``episode_seed``, ``step``,
``observation`` (its hash, ``fedenv.trajectory.text_hash``), ``action``, ``valid``, ``log_prob``,
``advantage``, ``reward``. The episode seed and the actions replay the episode.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from baselines.records import Episode
from fedenv.errors import DataError
from fedenv.fingerprint import canonical_json
from fedenv.trajectory import text_hash

_LEVEL = 3


class SampleLog:
    """Collects step samples.

    Args:
        wanted: Whether to; otherwise nothing is kept.
    """

    def __init__(self, wanted: bool = True) -> None:
        self._wanted = wanted
        self._lines: list[str] = []

    def add(self, epoch: int, episodes: Sequence[Episode]) -> None:
        """Add the episodes of a local epoch, with their advantages."""
        if not self._wanted:
            return
        for episode in episodes:
            about = {
                "epoch": epoch,
                "group": episode.group,
                "client_id": episode.client_id,
                "task_id": episode.task_id,
                "episode_seed": episode.episode_seed,
            }
            for number, step in enumerate(episode.steps):
                row = {
                    **about,
                    "step": number,
                    "observation": text_hash(step.observation),
                    "action": step.action,
                    "valid": step.valid,
                    "log_prob": step.log_prob,
                    "advantage": step.advantage,
                    "reward": step.reward,
                }
                self._lines.append(canonical_json(row))

    def content(self) -> bytes:
        """Return the file's bytes; none where nothing was collected."""
        if not self._lines:
            return b""
        text = "".join(f"{line}\n" for line in self._lines)
        return gzip.compress(text.encode("ascii"), _LEVEL, mtime=0)


def read_samples(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the step samples of a file.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with gzip.open(path, "rt", encoding="ascii") as stream:
            for line in stream:
                yield json.loads(line)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
