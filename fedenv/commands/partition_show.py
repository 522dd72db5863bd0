"""What ``fedenv partition NAME`` prints and draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fedenv.commands.common import progress_bar
from fedenv.evaluation.rundir import write_json
from fedenv.partition_report import PartitionReport
from fedenv.partitions.figures import (
    Panel,
    category_figure,
    control_figure,
    quota_figure,
    save_figure,
    size_figure,
)
from fedenv.partitions.measures import measure
from fedenv.partitions.registry import assign, parse
from fedenv.partitions.summary import Summary
from fedenv.partitions.sweep import SWEEPS, Curve, closed_form, run_sweep

CATEGORIES, SIZES, SUCCESSES = "categories.png", "sizes.png", "successes.png"
CURVE, CONTROL = "control.json", "control.png"


def show_report(console: Console, report: PartitionReport, content: Mapping[str, Any]) -> None:
    """Print the measures of a partition, with the closed form of the one that its knob moves."""
    federation = report.federation
    name = federation.partition["name"]
    knobs = ", ".join(f"{k}={v}" for k, v in federation.partition.items() if k != "name")
    console.print(f"{name}({knobs}), {federation.num_clients} clients")
    table = Table(box=None)
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("closed form", justify="right")
    for measured, value in content["measures"].items():
        expected = ""
        if name in SWEEPS and SWEEPS[name].measure == measured:
            form = closed_form(
                federation.partition,
                federation.assignment.pool,
                federation.num_clients,
                federation.labels,
            )
            expected = f"{form:.4g}"
        table.add_row(measured, f"{value:.4g}", expected)
    console.print(table)
    sizes = report.summary.sizes
    console.print(f"tasks per client: {sizes.min()} to {sizes.max()}", style="dim")


def draw_figures(report: PartitionReport, out: Path, num_seeds: int) -> list[str]:
    """Draw what the clients hold, and the control curve of a partition with a knob to sweep.

    Args:
        report: The partition.
        out: Folder of the figures.
        num_seeds: Runs per point of the control curve.

    Returns:
        Names of the files.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    panels = panels_of(report)
    figures = {CATEGORIES: category_figure(panels), SIZES: size_figure(panels)}
    if report.success is not None:
        figures[SUCCESSES] = quota_figure(panels)
    names = list(figures)
    curve = sweep_of(report, num_seeds)
    if curve is not None:
        figures[CONTROL] = control_figure(curve)
        write_json(out / CURVE, curve.to_json())
        names += [CURVE, CONTROL]
    for name, figure in figures.items():
        save_figure(figure, out / name)
    return names


def panels_of(report: PartitionReport) -> list[Panel]:
    """Return the partition as panels: both ends of its knob, and the value asked for."""
    federation = report.federation
    partition, pool = federation.partition, federation.assignment.pool
    sweep = SWEEPS.get(partition["name"])
    if sweep is None:
        measures = measure(federation.assignment, report.success).to_json()
        return [Panel(partition["name"], report.summary, measures)]
    panels = []
    for value in sorted({*sweep.ends, partition[sweep.knob]}):
        assignment = assign(
            parse({**partition, sweep.knob: value}),
            pool,
            federation.num_clients,
            federation.federation_seed,
            federation.labels,
        )
        measures = measure(assignment, report.success).to_json()
        label = f"{sweep.symbol} = {value:g}"
        panels.append(Panel(label, Summary.of(assignment, report.success), measures))
    return panels


def sweep_of(report: PartitionReport, num_seeds: int) -> Curve | None:
    """Return the control curve of a partition; None where it has no knob to sweep."""
    federation = report.federation
    if federation.partition["name"] not in SWEEPS:
        return None
    with progress_bar("assignments") as progress:
        return run_sweep(
            federation.partition,
            federation.assignment.pool,
            federation.num_clients,
            num_seeds,
            federation.federation_seed,
            federation.labels,
            progress,
        )
