"""One measure over all pairs of kernels and all probes, and the numbers a report takes from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum
from typing import Any

from fedenv.errors import ConfigError

DECIMALS = 6
_QUANTILES = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}


@dataclass(frozen=True)
class Measure:
    """Compares the answers of two kernels to one probe.

    Attributes:
        name: Key in reports.
        title: What tables and figures call it.
        meaning: One sentence, with what counts where there is nothing to compare.
        same: Value for equal answers: 1.0 for a similarity, 0.0 for a disagreement.
        compare: Symmetric function of two answers, with values in [0, 1].
    """

    name: str
    title: str
    meaning: str
    same: float
    compare: Callable[[Any, Any], float]


@dataclass(frozen=True)
class Comparison:
    """One measure over all pairs of kernels and all probes.

    Attributes:
        size: Number of kernels, at least 2.
        values: Per pair (i, j), i < j in lexicographic order, the value of each probe.
        same: Value for equal answers, the diagonal of the matrix.
    """

    size: int
    values: tuple[tuple[float, ...], ...]
    same: float

    @classmethod
    def of(cls, answers: Sequence[Sequence[Any]], measure: Measure) -> Comparison:
        """Compare answers.

        Args:
            answers: Per kernel the answer to each probe.
            measure: How two answers are compared.

        Raises:
            ConfigError: Fewer than two kernels, no probe, or answers are missing.
        """
        counts = [len(row) for row in answers]
        if len(counts) < 2 or not min(counts) or min(counts) != max(counts):
            raise ConfigError(
                "expected at least two kernels with the same number of answers, at least one; "
                f"got {counts}"
            )
        values = tuple(
            tuple(map(measure.compare, one, other)) for one, other in combinations(answers, 2)
        )
        return cls(len(answers), values, measure.same)

    @property
    def matrix(self) -> list[list[float]]:
        """Mean over the probes for every pair of kernels; symmetric."""
        matrix = [[self.same] * self.size for _ in range(self.size)]
        for (i, j), values in zip(combinations(range(self.size), 2), self.values, strict=True):
            matrix[i][j] = matrix[j][i] = _mean(values)
        return matrix

    @property
    def per_probe(self) -> list[float]:
        """Mean over the pairs for every probe."""
        return [_mean(values) for values in zip(*self.values, strict=True)]

    @property
    def not_unanimous(self) -> float:
        """Share of the probes on which any two kernels differ."""
        by_probe = zip(*self.values, strict=True)
        return _mean([float(any(v != self.same for v in values)) for values in by_probe])

    @property
    def mean(self) -> float:
        """Mean over pairs and probes."""
        return _mean([value for values in self.values for value in values])


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return minimum, 10th percentile, median, 90th percentile and maximum, by name; rounded."""
    ordered = sorted(values)
    last = len(ordered) - 1
    found = {}
    for name, share in _QUANTILES.items():
        below = int(share * last)
        above = min(below + 1, last)
        part = share * last - below
        found[name] = rounded(ordered[below] + part * (ordered[above] - ordered[below]))
    return found


def rounded(value: float) -> float:
    """Return a number as reports hold it."""
    return round(value, DECIMALS)


def _mean(values: Sequence[float]) -> float:
    # fsum is exact: the order of the values, and so the machine, does not matter.
    return fsum(values) / len(values)
