"""Success labels: how often a reference policy solves each task, and who measured it.

The hardness partition spreads successes and failures over clients; what a success is comes from
here. Rates, not single outcomes: a policy that acts at random solves a task in some of K episodes.
A labels file is JSON (``.gz`` is read, too)::

    {"format": "fedenv-labels/1",
     "provenance": {"policy": "keyword, epsilon 0.25", "env_id": "FedWebShop-v0",
                    "env_digest": "…", "data_digest": "…", "episodes": 8, "seed": 42,
                    "fedenv_version": "…"},
     "rates": {"webshop-000…": 0.625, …}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fedenv import data
from fedenv.errors import ConfigError, DataError
from fedenv.fingerprint import digest
from fedenv.tasks import TaskPool
from fedenv.version import __version__

FORMAT = "fedenv-labels/1"
SHOWN_IDS = 5


@dataclass(frozen=True)
class Provenance:
    """How success rates were measured.

    Attributes:
        policy: Name of the policy, with whatever tells it from others of that name.
        env_id: Environment id.
        env_digest: Fingerprint of the environment that the episodes ran in.
        data_digest: Digest of the data.
        episodes: Episodes per task (K), at least 1.
        seed: Names every draw of the measurement.
        fedenv_version: Version that measured; no part of the digest of the labels.
    """

    policy: str
    env_id: str
    env_digest: str
    data_digest: str
    episodes: int
    seed: int
    fedenv_version: str = __version__

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), int if field.type == "int" else str
            if type(value) is not kind:
                raise ConfigError(
                    f"provenance: {field.name} must be {kind.__name__}, got {value!r}"
                )
        if self.episodes < 1:
            raise ConfigError(f"provenance: episodes must be at least 1, got {self.episodes}")


@dataclass(frozen=True)
class Labels:
    """Success rate of a reference policy on each task.

    Attributes:
        rates: Task id to success rate in [0, 1].
        provenance: How they were measured.

    Raises:
        ConfigError: A rate is no number in [0, 1], or there is none.
    """

    rates: Mapping[str, float]
    provenance: Provenance

    def __post_init__(self) -> None:
        if not self.rates:
            raise ConfigError("labels must hold the success rate of at least one task")
        for task_id, rate in self.rates.items():
            if type(rate) not in (int, float) or not 0 <= rate <= 1:
                raise ConfigError(
                    f"labels: task {task_id!r} must have a success rate in [0, 1], got {rate!r}"
                )
        ordered = {task_id: float(self.rates[task_id]) for task_id in sorted(self.rates)}
        object.__setattr__(self, "rates", MappingProxyType(ordered))

    def __reduce__(self) -> tuple[object, ...]:
        return Labels, (dict(self.rates), self.provenance)

    def of(self, pool: TaskPool) -> np.ndarray:
        """Return the success rate of each task of a pool, in pool order: float64 of shape (n,).

        Raises:
            ConfigError: Tasks of the pool have no label; the message names the first few.
        """
        missing = [task_id for task_id in pool.ids if task_id not in self.rates]
        if missing:
            shown = ", ".join(missing[:SHOWN_IDS])
            raise ConfigError(
                f"the labels (policy {self.provenance.policy!r}, {self.provenance.env_id}, data "
                f"{self.provenance.data_digest}) hold {len(self.rates)} tasks; {len(missing)} of "
                f"the pool's {len(pool)} are not among them: {shown}"
                f"{', …' if len(missing) > SHOWN_IDS else ''}; label the data that you use"
            )
        return np.array([self.rates[task_id] for task_id in pool.ids], dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Return the content of a labels file."""
        return {
            "format": FORMAT,
            "provenance": asdict(self.provenance),
            "rates": dict(self.rates),
        }

    @cached_property
    def digest(self) -> str:
        """Name of these labels: rates and provenance, not which version of fedenv measured."""
        content = self.to_json()
        del content["provenance"]["fedenv_version"]
        return digest(content)

    def save(self, path: Path) -> None:
        """Write a labels file at once, compressed where the name ends in ``.gz``.

        Raises:
            DataError: The file cannot be written.
        """
        content = f"{json.dumps(self.to_json(), indent=1)}\n".encode()
        if path.suffix == ".gz":
            data.write_gzip(path, content)
            return
        draft = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            os.replace(draft, path)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error})") from error

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read a labels file.

        Raises:
            DataError: The file is missing or broken; the message names file and field.
        """
        content = data.parse_json(data.read_bytes(path), path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            got = content.get("format") if isinstance(content, dict) else type(content).__name__
            raise DataError(f"{path}: expected a labels file with format {FORMAT!r}, got {got!r}")
        provenance, rates = content.get("provenance"), content.get("rates")
        names = {field.name for field in fields(Provenance)}
        if not isinstance(provenance, dict) or set(provenance) != names:
            raise DataError(f"{path}: provenance must have exactly the fields {sorted(names)}")
        if not isinstance(rates, dict):
            raise DataError(f"{path}: rates must map task ids to numbers in [0, 1]")
        try:
            return cls(rates, Provenance(**provenance))
        except ConfigError as error:
            raise DataError(f"{path}: {error}") from error
