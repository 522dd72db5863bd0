"""A federation's partition, reported: what every client holds, as JSON and as tidy rows."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fedenv.errors import ConfigError, DataError
from fedenv.federation import Federation
from fedenv.partitions.labels import Labels
from fedenv.partitions.measures import independence, measure
from fedenv.partitions.summary import Summary

FORMAT = "fedenv-partition/1"
DEFAULT_ETA = 0.5


@dataclass(frozen=True)
class PartitionReport:
    """What there is to say about the partition of a federation.

    Success labels are the partition's own; where it uses none, those that come with the data.

    Attributes:
        federation: The federation.
    """

    federation: Federation

    @cached_property
    def labels(self) -> Labels | None:
        """Success labels of the training tasks; None where there are none for all of them."""
        labels = self.federation.labels
        if labels is not None:
            return labels
        labels = self.federation.world.labels()
        try:
            if labels is not None:
                labels.of(self.federation.assignment.pool)
        except ConfigError:
            return None
        return labels

    @property
    def eta(self) -> float:
        """Success rate from which on a task counts as a success."""
        return float(self.federation.partition.get("eta", DEFAULT_ETA))

    @cached_property
    def success(self) -> np.ndarray | None:
        """Whether each task of the pool counts as a success, bool of shape (n,)."""
        labels = self.labels
        if labels is None:
            return None
        return np.asarray(labels.of(self.federation.assignment.pool) >= self.eta)

    @cached_property
    def summary(self) -> Summary:
        """What the clients hold, counted."""
        return Summary.of(self.federation.assignment, self.success)

    def manifest(self) -> dict[str, Any]:
        """Return the federation's manifest with the measures of all kinds and counts by category.

        Every client's row gets ``categories`` (tasks by category, the most frequent of the pool
        first) and, with labels, ``successes``.
        """
        federation, summary, success = self.federation, self.summary, self.success
        content = federation.manifest()
        labels = self.labels
        about: dict[str, Any] | None = None
        if labels is not None and success is not None:
            test = independence(federation.assignment.pool, success)
            about = {
                "digest": labels.digest,
                **asdict(labels.provenance),
                "eta": self.eta,
                "independence": {**asdict(test), "by_category": dict(test.by_category)},
            }
        # With labels that the partition does not use there are more measures than it has itself.
        measures = measure(federation.assignment, success).to_json()
        content["measures"] = {**measures, **content["measures"]}
        for row, tasks in zip(content["clients"], summary.tasks.tolist(), strict=True):
            row["categories"] = dict(zip(summary.categories, tasks, strict=True))
        if summary.successes is not None:
            counts = summary.successes.sum(axis=1).tolist()
            for row, count in zip(content["clients"], counts, strict=True):
                row["successes"] = count
        return {
            "format": FORMAT,
            "assignment_digest": federation.assignment.digest,
            "success_labels": about,
            **content,
        }

    def write_rows(self, path: Path) -> None:
        """Write a table with a row per client and category: client_id, category, tasks, successes.

        Raises:
            DataError: The file cannot be written.
        """
        rows = list(self.summary.rows())
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        draft = path.with_name(f".{path.name}.part")
        try:
            draft.write_text(text.getvalue(), encoding="utf-8", newline="\n")
            os.replace(draft, path)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
