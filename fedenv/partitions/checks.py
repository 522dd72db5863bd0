"""The four properties a partition must show (D1 to D4), measured over many seeds.

* D1: every knob moves its own measure along the closed form.
* D2: it leaves the two other measures at their sampling floor.
* D3: it leaves the mean category shares, the mean size and the mean success rate where they are.
* D4: a composite partition hits three targets at once.

Every cell of the table compares the mean over seeds with what is expected, with the terms of finite
size, inside a confidence band. The bands of one property hold *together* with the level asked for
(95 %). On a balanced pool, with type and success independent and every cell (category, stratum) at
least as large as the largest client, all four must hold. Elsewhere D2 and D4 are a report: D2 then
contains what dependence leaks, D4 what shortfalls cost.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from fedenv import seeding
from fedenv.errors import ConfigError
from fedenv.partitions import theory
from fedenv.partitions.coverage import BOUNDS
from fedenv.partitions.knobs import check_request
from fedenv.partitions.labels import Labels, Provenance
from fedenv.partitions.measures import Independence, independence
from fedenv.partitions.outcomes import MEANS, MEASURES, Outcome, Setting, run
from fedenv.partitions.registry import assign
from fedenv.tasks import Task, TaskPool

REQUIREMENTS = {
    "D1": "each knob moves its measure along the closed form",
    "D2": "… and leaves the other two at their sampling floor",
    "D3": "… and the means where they are",
    "D4": "composites hit three targets at once",
}
GRIDS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "preference": ("omega", (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)),
    "coverage": ("xi", (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)),
    "hardness": ("xi", (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)),
}
OWN = dict(zip(GRIDS, MEASURES, strict=True))
MARGINS = (0.05, 0.9)
"""Targets of D4 are drawn between these shares of each side of the box."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CheckConfig:
    """What to check.

    Attributes:
        num_clients: N.
        runs: Seeds per value of a knob; no two settings share a seed.
        targets: Number of random target triples.
        target_runs: Seeds per triple, at least 2.
        level: Probability with which all bands of one property hold together.
        tasks_per_client: L of the preference and hardness partitions.
        bounds: Lmin, Lavg, Lmax of the coverage and composite partitions.
        kappa: Bounds of the successes per client of the hardness partition; None for 0 and L.
        eta: Success rate from which on a task counts as a success.
        grids: Per partition, its knob and the values to try.
    """

    num_clients: int = 100
    runs: int = 200
    targets: int = 50
    target_runs: int = 40
    level: float = 0.95
    tasks_per_client: int = 100
    bounds: tuple[int, int, int] = BOUNDS
    kappa: tuple[int, int] | None = None
    eta: float = 0.5
    grids: Mapping[str, tuple[str, tuple[float, ...]]] = field(default_factory=lambda: dict(GRIDS))

    def __post_init__(self) -> None:
        if min(self.runs, self.target_runs) < 2:
            raise ConfigError(
                f"runs and target_runs must be at least 2 (a band needs a deviation), got "
                f"{self.runs} and {self.target_runs}"
            )

    def knobs(self, name: str) -> dict[str, Any]:
        """Return the knobs of a partition that do not change."""
        fixed: dict[str, dict[str, Any]] = {
            "preference": {"tasks_per_client": self.tasks_per_client},
            "coverage": {"bounds": list(self.bounds)},
            "hardness": {
                "tasks_per_client": self.tasks_per_client,
                "kappa": None if self.kappa is None else list(self.kappa),
                "eta": self.eta,
            },
            "composite": {"bounds": list(self.bounds), "eta": self.eta},
        }
        return fixed[name]


@dataclass(frozen=True)
class Cell:
    """One comparison of the table.

    Attributes:
        requirement: ``"D1"`` to ``"D4"``.
        partition: Name and knobs; D2 and D3 list all values of the knob.
        quantity: What was measured.
        measured: Mean over seeds.
        band: What is expected, and how far chance may move the mean.
        deviation: Standard deviation of one seed around what is expected of it.
        runs: Number of seeds.
        target: What was asked for (D4 only).
        leak: The part of the expectation that dependence of type and success causes (D2 only).
    """

    requirement: str
    partition: Mapping[str, Any]
    quantity: str
    measured: float
    band: theory.Band
    deviation: float
    runs: int
    target: float | None = None
    leak: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the mean lies in the band."""
        return self.band.holds(self.measured)


@dataclass(frozen=True)
class CheckReport:
    """The table, and what the pool is like.

    Attributes:
        config: What was checked.
        cells: All comparisons.
        independence: Type against success in the pool.
        smallest_category: Number of tasks in the smallest category.
        smallest_cell: Number of tasks in the smallest cell (category, success or failure).
        box: Targets within reach.
        short_clients: Share of the composite runs' clients that fell short.
        shortfall: Share of the composite runs' tasks that came from another cell than drawn.
    """

    config: CheckConfig
    cells: tuple[Cell, ...]
    independence: Independence
    smallest_category: int
    smallest_cell: int
    box: theory.Box
    short_clients: float
    shortfall: float

    @property
    def balanced(self) -> bool:
        """Whether the pool is one on which all four properties must hold."""
        largest = max(self.config.bounds[2], self.config.tasks_per_client)
        return self.independence.epsilon < 1e-9 and self.smallest_cell >= largest

    @property
    def binding(self) -> tuple[str, ...]:
        """Requirements that must hold on this pool; the others are reported."""
        if self.balanced:
            return tuple(REQUIREMENTS)
        # A category that cannot fill one client draws the preference knob off its curve.
        return ("D1", "D3") if self.smallest_category >= self.config.tasks_per_client else ()

    def of(self, requirement: str) -> tuple[Cell, ...]:
        """Return the cells of one requirement."""
        return tuple(cell for cell in self.cells if cell.requirement == requirement)

    @property
    def passed(self) -> bool:
        """Whether every requirement that must hold on this pool does."""
        return all(cell.passed for cell in self.cells if cell.requirement in self.binding)


def balanced_pool(tasks: int = 20_000) -> tuple[TaskPool, Labels]:
    """Return a pool of five categories, in each of which exactly half of the tasks are solved.

    Args:
        tasks: Number of tasks, a multiple of 40; the smallest cell has a twentieth of them.
    """
    pattern = "aaaaaabbbbbccccdddee"
    pool = TaskPool(
        tuple(Task(f"task-{i:06d}", pattern[i // 2 % len(pattern)]) for i in range(tasks))
    )
    rates = {task.id: float(i % 2) for i, task in enumerate(pool.tasks)}
    return pool, Labels(rates, Provenance("balanced", "none", "none", pool.digest, 1, 0))


def check(
    pool: TaskPool,
    labels: Labels,
    config: CheckConfig | None = None,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> CheckReport:
    """Measure D1 to D4 on a pool.

    Args:
        pool: Training tasks.
        labels: Success rate of every task.
        config: What to check; None for the defaults.
        workers: Number of processes; the result does not depend on it. With more than one, a
            script that calls this needs the usual ``if __name__ == "__main__"`` guard.
        progress: Called with (finished runs, all runs).

    Raises:
        ConfigError: A partition cannot be made from this pool; the message says why.
    """
    config = config or CheckConfig()
    check_request(pool, config.num_clients)
    success = labels.of(pool) >= config.eta
    shares = pool.category_sizes / len(pool)
    box = theory.reachable_box(shares, config.bounds, (0.0, 1.0), float(success.mean()))
    plan = list(_plan(config, box))
    for setting in {setting.partition["name"]: setting for setting in plan}.values():
        assign(setting.partition, pool, config.num_clients, 0, labels)  # or say why not, at once
    found: list[list[Outcome]] = []
    done, total = 0, sum(len(setting.seeds) for setting in plan)
    report = progress or _silent
    report(done, total)
    for outcomes in _run_all(pool, labels, config, plan, workers):
        found.append(outcomes)
        done += len(outcomes)
        report(done, total)
    results = list(zip(plan, found, strict=True))
    composites = [outcome for setting, some in results if setting.targets for outcome in some]
    cells = np.bincount(pool.codes + len(shares) * success, minlength=2 * len(shares))
    return CheckReport(
        config=config,
        cells=tuple(make_cells(config, results)),
        independence=independence(pool, success),
        smallest_category=int(pool.category_sizes.min()),
        smallest_cell=int(cells.min()),
        box=box,
        short_clients=_mean([outcome.short_clients for outcome in composites]),
        shortfall=_mean([outcome.shortfall for outcome in composites]),
    )


def _silent(done: int, total: int) -> None:
    """Report nothing."""


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _plan(config: CheckConfig, box: theory.Box) -> Iterator[Setting]:
    first = 0
    for name, (knob, values) in config.grids.items():
        for value in values:
            partition = {"name": name, knob: value, **config.knobs(name)}
            yield Setting(partition, range(first, first + config.runs))
            first += config.runs
    low, high = MARGINS
    limits = np.array([box.delta2_pref, box.delta2_cov, box.delta2_hard])
    for number in range(config.targets):
        drawn = seeding.frozen_rng("partition-check", number).random_sample(3)
        targets = tuple((limits * (low + (high - low) * drawn)).tolist())
        knobs = dict(zip(MEASURES, targets, strict=True))
        partition = {"name": "composite", **knobs, **config.knobs("composite")}
        yield Setting(partition, range(first, first + config.target_runs), targets)
        first += config.target_runs


def _run_all(
    pool: TaskPool, labels: Labels, config: CheckConfig, plan: Sequence[Setting], workers: int
) -> Iterator[list[Outcome]]:
    work = partial(run, pool, labels, config.num_clients)
    if workers == 1:
        yield from map(work, plan)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(plan)), context) as executor:
        yield from executor.map(work, plan)


def make_cells(
    config: CheckConfig, results: Sequence[tuple[Setting, Sequence[Outcome]]]
) -> Iterator[Cell]:
    """Compare what came out with what was expected.

    D2 and D3 take all runs of a grid together.

    Args:
        config: What was checked.
        results: Every setting with its outcomes, one per seed.
    """
    grids = [(setting, some) for setting, some in results if setting.targets is None]
    for setting, some in grids:
        own = OWN[setting.partition["name"]]
        yield _cell(config, "D1", setting.partition, own, some, len(grids))
    for name, (knob, values) in config.grids.items():
        partition = {"name": name, knob: list(values), **config.knobs(name)}
        whole = [
            run for setting, some in grids if setting.partition["name"] == name for run in some
        ]
        for quantity in (quantity for quantity in MEASURES if quantity != OWN[name]):
            cells = (len(MEASURES) - 1) * len(config.grids)
            yield _cell(config, "D2", partition, quantity, whole, cells)
        for quantity in MEANS:
            cells = len(MEANS) * len(config.grids)
            yield _cell(config, "D3", partition, quantity, whole, cells)
    for setting, some in results:
        for quantity, target in zip(MEASURES, setting.targets or (), strict=False):
            cells = len(MEASURES) * config.targets
            yield _cell(config, "D4", setting.partition, quantity, some, cells, target)


def _cell(
    config: CheckConfig,
    requirement: str,
    partition: Mapping[str, Any],
    quantity: str,
    runs: Sequence[Outcome],
    comparisons: int,
    target: float | None = None,
) -> Cell:
    measured = np.array([run.measured[quantity] for run in runs])
    expected = np.array([run.expected[quantity] for run in runs])
    deviation = float((measured - expected).std(ddof=1))
    return Cell(
        requirement=requirement,
        partition=partition,
        quantity=quantity,
        measured=float(measured.mean()),
        band=theory.confidence_band(
            float(expected.mean()), deviation, len(measured), config.level, comparisons
        ),
        deviation=deviation,
        runs=len(measured),
        target=target,
        leak=_mean([run.leak.get(quantity, 0.0) for run in runs]) if requirement == "D2" else None,
    )
