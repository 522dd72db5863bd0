"""``fedenv partition check``: the guarantees of the partitions, measured on a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fedenv.commands.common import (
    data_option,
    make_console,
    make_folder,
    num_clients_option,
    progress_bar,
    settings_option,
)
from fedenv.commands.manifest import open_federation
from fedenv.errors import ConfigError
from fedenv.evaluation.rundir import write_json
from fedenv.partitions.checks import (
    GRIDS,
    REQUIREMENTS,
    Cell,
    CheckConfig,
    CheckReport,
    balanced_pool,
)
from fedenv.partitions.checks import check as run_check
from fedenv.partitions.coverage import BOUNDS
from fedenv.partitions.labels import Labels
from fedenv.partitions.registry import assign
from fedenv.tasks import TaskPool
from fedenv.version import __version__

REPORT = "check.json"
FORMAT = "fedenv-partition-check/1"
BALANCED = "balanced synthetic pool"
ROUNDING = 1e-12


@click.command()
@click.option("--env", "env_id", help="Environment id; a balanced synthetic pool without it.")
@num_clients_option
@click.option(
    "--seeds", type=click.IntRange(2), default=200, show_default=True, help="Runs per value."
)
@click.option(
    "--targets",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    help="Random target triples of the composite partition.",
)
@click.option(
    "--tasks-per-client", type=click.IntRange(1), default=100, show_default=True, help="L."
)
@click.option(
    "--bounds",
    type=(int, int, int),
    default=BOUNDS,
    show_default=True,
    help="Smallest, mean and largest pool size of coverage and composite.",
)
@click.option(
    "--labels", metavar="FILE", help="Success labels; those that come with the data without it."
)
@data_option
@settings_option
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--out", type=click.Path(path_type=Path), help=f"Write {REPORT} into this folder.")
@click.pass_context
def check(
    ctx: click.Context,
    env_id: str | None,
    num_clients: int,
    seeds: int,
    targets: int,
    tasks_per_client: int,
    bounds: tuple[int, int, int],
    labels: str | None,
    data: str | None,
    settings: dict[str, Any],
    workers: int,
    out: Path | None,
) -> None:
    """Measure over many seeds whether the partitions keep their promises (D1 to D4).

    Without --env the pool is synthetic and balanced, with success independent of the category, and
    all four must hold. With --env the pool is an environment's; where it is not balanced, D2 and D4
    are reported and cannot fail. Exit status 1 if something that must hold does not.
    """
    if env_id is None:
        if data is not None or labels is not None or settings:
            raise ConfigError("--data, --labels and -k are about an environment: give --env, too")
        name, (pool, rates) = BALANCED, balanced_pool()
    else:
        name = env_id
        pool, rates = _pool_of(env_id, num_clients, data, settings, labels)
    config = CheckConfig(
        num_clients=num_clients,
        runs=seeds,
        targets=targets,
        tasks_per_client=tasks_per_client,
        bounds=bounds,
    )
    for partition, (knob, values) in GRIDS.items():  # what cannot be made is refused at once
        knobs = {"name": partition, knob: values[0], **config.knobs(partition)}
        assign(knobs, pool, num_clients, 0, rates)
    with progress_bar("assignments") as progress:
        report = run_check(pool, rates, config, workers=workers, progress=progress)
    show_check(make_console(), report, f"{name}: {len(pool)} tasks, {num_clients} clients")
    if out is not None:
        make_folder(out)
        write_json(out / REPORT, report_json(report, name, pool, rates))
        click.echo(f"report in {out}: {REPORT}")
    if not report.passed:
        ctx.exit(1)


def _pool_of(
    env_id: str, num_clients: int, data: str | None, settings: dict[str, Any], labels: str | None
) -> tuple[TaskPool, Labels]:
    if "partition" in settings:
        raise ConfigError("check runs every partition; leave -k partition out")
    world = open_federation(env_id, num_clients, data, settings).world
    found = world.labels() if labels is None else Labels.load(Path(labels))
    if found is None:
        raise ConfigError(
            f"the data of {env_id} comes without success labels; make them with `fedenv label` and "
            "pass --labels FILE"
        )
    return world.splits.pool("train"), found


def show_check(console: Console, report: CheckReport, title: str) -> None:
    """Print the table of a check: every value of D1 to D3, and D4 by measure.

    Args:
        console: Where to print.
        report: The report.
        title: What pool and how many clients.
    """
    console.print(title)
    for requirement, meaning in REQUIREMENTS.items():
        binding = requirement in report.binding
        cells = report.of(requirement)
        inside = sum(cell.passed for cell in cells)
        verdict = ("pass" if inside == len(cells) else "FAIL") if binding else "reported"
        console.print(f"\n{requirement}: {meaning}", style="bold")
        console.print(_targets(cells) if requirement == "D4" else _values(cells))
        level = f"{report.config.level:.0%}"
        console.print(f"{verdict}: {inside} of {len(cells)} in the joint {level} band")
    test = report.independence
    console.print(
        f"\nPool: epsilon {test.epsilon:.3f}, chi2 {test.chi2:.1f} ({test.degrees} degrees of "
        f"freedom, p = {test.p_value:.2g}); smallest category {report.smallest_category} tasks, "
        f"smallest cell (category, success or failure) {report.smallest_cell} tasks.\n"
        f"Shortfall of the composites: {report.shortfall:.2%} of the tasks, "
        f"{report.short_clients:.1%} of the clients."
    )
    free = ", ".join(name for name in REQUIREMENTS if name not in report.binding)
    if free:
        console.print(f"Reported, as the pool is not balanced: {free}.", style="dim")


def _values(cells: Sequence[Cell]) -> Table:
    leaks = any(cell.leak is not None for cell in cells)
    table = Table(box=None)
    for name in ("partition", "measure", "measured", "expected", "±", *(["leak"] * leaks), ""):
        left = name in ("partition", "measure", "")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for cell in cells:
        # What D3 measures is how far a mean is from the pool's, squared.
        table.add_row(
            _label(cell),
            f"{cell.quantity}, distance²" if cell.requirement == "D3" else cell.quantity,
            _shown(cell.measured, 4),
            _shown(cell.band.expected, 4),
            _shown(cell.band.half_width, 2),
            *([_shown(cell.leak or 0.0, 2)] if leaks else []),
            "in" if cell.passed else "OUT",
        )
    return table


def _shown(value: float, digits: int) -> str:
    """Return a number; what rounding of floats leaves is 0."""
    return f"{value:.{digits}g}" if abs(value) > ROUNDING else "0"


def _targets(cells: Sequence[Cell]) -> Table:
    """Return the composites by measure: how far from what is expected, in percent of it."""
    table = Table(box=None)
    for name in ("measure", "targets", "in the band", "mean |off|", "worst |off|"):
        left = name == "measure"
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for quantity in dict.fromkeys(cell.quantity for cell in cells):
        mine = [cell for cell in cells if cell.quantity == quantity]
        off = [abs(cell.measured / cell.band.expected - 1.0) for cell in mine]
        table.add_row(
            quantity,
            str(len(mine)),
            str(sum(cell.passed for cell in mine)),
            f"{sum(off) / len(off):.2%}",
            f"{max(off):.2%}",
        )
    return table


def _label(cell: Cell) -> str:
    """Return the partition of a cell with its knob, or with the ends of a whole grid."""
    name = str(cell.partition["name"])
    knob, _ = GRIDS[name]
    value = cell.partition[knob]
    shown = f"{value[0]:g}…{value[-1]:g}" if isinstance(value, list) else f"{value:g}"
    return f"{name} {knob}={shown}"


def report_json(report: CheckReport, name: str, pool: TaskPool, labels: Labels) -> dict[str, Any]:
    """Return a check as a JSON value."""
    return {
        "format": FORMAT,
        "fedenv_version": __version__,
        "pool": {"name": name, "tasks": len(pool), "digest": pool.digest},
        "labels": labels.digest,
        "config": asdict(report.config),
        "independence": {
            **asdict(report.independence),
            "by_category": dict(report.independence.by_category),
        },
        "smallest_category": report.smallest_category,
        "smallest_cell": report.smallest_cell,
        "box": asdict(report.box),
        "short_clients": report.short_clients,
        "shortfall": report.shortfall,
        "binding": list(report.binding),
        "passed": report.passed,
        "cells": [
            {**asdict(cell), "partition": dict(cell.partition), "passed": cell.passed}
            for cell in report.cells
        ],
    }
