"""What a partition returns: the tasks of every client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedenv.fingerprint import digest, digest_lines


@dataclass(frozen=True)
class Assignment:
    """Tasks of every client.

    Attributes:
        clients: Task ids per client, indexed by ``client_id``.
        measures: Dispersion measures of this assignment by name.
    """

    clients: tuple[tuple[str, ...], ...]
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Name of this assignment."""
        return digest([digest_lines(tasks) for tasks in self.clients])
