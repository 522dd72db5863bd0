"""Sweeps: a partition's knob turned from end to end, its measure beside the closed form."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedenv.partitions import theory
from fedenv.partitions.checks import GRIDS, OWN
from fedenv.partitions.hardness import total_successes
from fedenv.partitions.labels import Labels
from fedenv.partitions.registry import assign, parse
from fedenv.tasks import TaskPool

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sweep:
    """How a partition is swept.

    Attributes:
        knob: Name of the knob.
        symbol: What the paper calls it.
        measure: The measure that it moves.
        values: Values, ascending, from one end of the paper's experiments to the other.
    """

    knob: str
    symbol: str
    measure: str
    values: tuple[float, ...]

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last value."""
        return self.values[0], self.values[-1]


_SYMBOLS = {"preference": "ω", "coverage": "ξ", "hardness": "ξ′"}
SWEEPS: Mapping[str, Sweep] = {
    name: Sweep(knob, _SYMBOLS[name], OWN[name], values) for name, (knob, values) in GRIDS.items()
}


@dataclass(frozen=True)
class Curve:
    """A measure over a sweep, beside its closed form.

    Attributes:
        sweep: What was turned.
        measured: Mean over the runs at each value: shape (K,).
        expected: Closed form with its terms of finite size at each value: shape (K,).
        half_widths: Half width of the 95 % band of such a mean: shape (K,).
        runs: Number of runs at each value.
    """

    sweep: Sweep
    measured: np.ndarray
    expected: np.ndarray
    half_widths: np.ndarray
    runs: int

    def to_json(self) -> dict[str, Any]:
        """Return the curve as a JSON value."""
        rows = zip(self.sweep.values, self.measured, self.expected, self.half_widths, strict=True)
        return {
            "knob": self.sweep.knob,
            "measure": self.sweep.measure,
            "runs": self.runs,
            "points": [
                {
                    self.sweep.knob: value,
                    "measured": float(measured),
                    "expected": float(expected),
                    "half_width": float(half_width),
                }
                for value, measured, expected, half_width in rows
            ],
        }


def closed_form(
    partition: Mapping[str, Any], pool: TaskPool, num_clients: int, labels: Labels | None
) -> float:
    """Return the expected value of the measure that a partition's knob moves.

    Args:
        partition: As :func:`fedenv.partitions.registry.parse` returns it; one of :data:`SWEEPS`.
        pool: Training tasks.
        num_clients: Number of clients N.
        labels: Success labels for a partition that needs them.
    """
    name = partition["name"]
    if name == "coverage":
        return theory.coverage(partition["xi"], partition["bounds"], num_clients)
    size = partition["tasks_per_client"]
    if name == "preference":
        spread = theory.diversity(pool.category_sizes / len(pool))
        return theory.preference(partition["omega"], spread, np.full(num_clients, size))
    assert labels is not None
    solved = int((labels.of(pool) >= partition["eta"]).sum())
    mean = total_successes(num_clients, size, solved, len(pool)) / (num_clients * size)
    low, high = partition["kappa"] or (0, size)
    return theory.hardness(partition["xi"], low / size, mean, high / size, 1.0 / size, num_clients)


def run_sweep(
    partition: Mapping[str, Any],
    pool: TaskPool,
    num_clients: int,
    runs: int,
    seed: int = 42,
    labels: Labels | None = None,
    progress: Progress | None = None,
) -> Curve:
    """Measure a partition at every value of its sweep.

    Args:
        partition: Name and knobs; the one that is swept is replaced.
        pool: Training tasks.
        num_clients: Number of clients N.
        runs: Runs at each value, at least 2. No two runs of a sweep share a seed, so that the
            points are independent of each other.
        seed: The first seed; each run takes the next one.
        labels: Success labels for a partition that needs them.
        progress: Called with (finished assignments, all assignments).

    Raises:
        ConfigError: A knob is out of range, or the pool cannot give what one value needs.
    """
    sweep = SWEEPS[partition["name"]]
    total = len(sweep.values) * runs
    seeds = iter(range(seed, seed + total))
    measured: list[float] = []
    expected: list[float] = []
    half_widths: list[float] = []
    for value in sweep.values:
        turned = parse({**partition, sweep.knob: value})
        found: list[float] = []
        for own in itertools.islice(seeds, runs):
            found.append(assign(turned, pool, num_clients, own, labels).measures[sweep.measure])
            if progress is not None:
                progress(len(measured) * runs + len(found), total)
        expected.append(closed_form(turned, pool, num_clients, labels))
        measured.append(float(np.mean(found)))
        band = theory.confidence_band(expected[-1], float(np.std(found, ddof=1)), runs)
        half_widths.append(band.half_width)
    return Curve(sweep, np.array(measured), np.array(expected), np.array(half_widths), runs)
