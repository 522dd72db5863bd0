"""Entries against each other: paired differences, and the ranks that they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaderboard.bootstrap import Estimate, Interval, Resampler
from leaderboard.metrics import Results, mean_of
from leaderboard.report import Outcomes
from leaderboard.track import Track


@dataclass(frozen=True)
class Difference:
    """One entry minus another, on the ranked kernel and metric, on the same cells.

    Attributes:
        environment: Name of the environment; None for the mean over all of them.
        difference: With its interval.
        better: Cells in which the first did better.
        worse: Cells in which the second did.
        equal: Cells in which both did the same.
    """

    environment: str | None
    difference: Interval
    better: int
    worse: int
    equal: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval is on one side of 0, else 0."""
        return _sign(self.difference)

    def to_json(self) -> dict[str, Any]:
        """Return the difference as a JSON value."""
        return {
            "environment": self.environment,
            "difference": self.difference.to_json(),
            "better": self.better,
            "worse": self.worse,
            "equal": self.equal,
        }


def compare(
    track: Track, first: Sequence[Outcomes], second: Sequence[Outcomes]
) -> tuple[Difference, ...]:
    """Compare two entries of a track: overall, then environment by environment.

    Args:
        track: The track.
        first: Outcomes of one entry (``Report.outcomes``).
        second: Outcomes of the other.
    """
    kernel = track.kernels.index(track.rank_kernel)
    statistic = mean_of(kernel)
    rows, values, replicates = [], [], []
    for name in (environment.name for environment in track.environments):
        pair = (Results.of(track, name, outcomes).ranked(track) for outcomes in (first, second))
        difference = np.subtract(*pair)
        estimate = Estimate(statistic, difference)
        (drawn,) = Resampler(track.lock, name).apply([estimate])
        cells = difference[:, :, kernel]
        counts = (int((cells > 0).sum()), int((cells < 0).sum()), int((cells == 0).sum()))
        rows.append(Difference(name, Interval.of(estimate.value, drawn), *counts))
        values.append(estimate.value)
        replicates.append(drawn)
    overall = Interval.of(sum(values) / len(values), np.mean(replicates, axis=0))
    totals = (sum(getattr(row, name) for row in rows) for name in ("better", "worse", "equal"))
    return (Difference(None, overall, *totals), *rows)


def rank_ranges(
    track: Track, entries: Mapping[str, Sequence[Outcomes]]
) -> dict[str, tuple[int, int]]:
    """Return best and worst rank of each entry that paired differences leave open.

    An entry cannot be above those that are better with an interval on one side of 0, nor below
    those that are worse.

    Args:
        track: The track.
        entries: Outcomes by name of the entry.
    """
    names = list(entries)
    drawn = {name: _overall(track, outcomes) for name, outcomes in entries.items()}
    signs = {(a, a): 0 for a in names}
    for position, a in enumerate(names):
        for b in names[position + 1 :]:
            # All are resampled alike and a mean is linear: the difference of two entries'
            # replicates is the replicate of their difference, as `compare` has it.
            sign = _sign(Interval.of(drawn[a][0] - drawn[b][0], drawn[a][1] - drawn[b][1]))
            signs[a, b], signs[b, a] = sign, -sign
    return {
        a: (
            1 + sum(signs[b, a] > 0 for b in names),
            len(names) - sum(signs[b, a] < 0 for b in names),
        )
        for a in names
    }


def _overall(track: Track, outcomes: Sequence[Outcomes]) -> tuple[float, np.ndarray]:
    """Return an entry's mean over the environments, and its replicates."""
    statistic = mean_of(track.kernels.index(track.rank_kernel))
    names = [environment.name for environment in track.environments]
    estimates = [
        Estimate(statistic, Results.of(track, name, outcomes).ranked(track)) for name in names
    ]
    drawn = [
        Resampler(track.lock, name).apply([estimate])[0]
        for name, estimate in zip(names, estimates, strict=True)
    ]
    return sum(estimate.value for estimate in estimates) / len(names), np.mean(drawn, axis=0)


def _sign(interval: Interval) -> int:
    return (interval.low > 0) - (interval.high < 0)
