"""``fedenv label``: how often a policy solves each training task, for the hardness partition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from fedenv.commands.common import (
    data_option,
    make_console,
    printable,
    progress_bar,
    settings_option,
)
from fedenv.labelling import LabelConfig, measure_labels
from fedenv.partitions.labels import Labels
from fedenv.partitions.measures import independence
from fedenv.tasks import TaskPool

THRESHOLD = 0.5
_BINS, _BAR = 10, 40


@click.command()
@click.option("--env", "env_id", required=True, help="Environment id.")
@click.option("--agent", required=True, help="Name of the agent, e.g. keyword.")
@click.option(
    "--epsilon",
    type=float,
    default=0.0,
    help="Probability that a step is random; without it a scripted agent's rates are 0 or 1.",
)
@click.option("--episodes", type=int, default=20, show_default=True, help="Episodes per task (K).")
@click.option("--seed", type=int, default=0, show_default=True)
@data_option
@settings_option
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The labels file; compressed where it ends in .gz.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--overwrite", is_flag=True, help="Throw away what --out holds.")
def label(
    env_id: str,
    agent: str,
    epsilon: float,
    episodes: int,
    seed: int,
    data: str | None,
    settings: dict[str, Any],
    out: Path,
    workers: int,
    overwrite: bool,
) -> None:
    """Measure how often an agent solves each training task of an environment.

    The agent acts in the reference kernel. Started again with the same options, it runs only what
    is missing. The hardness partition takes the file as its labels; named labels.json and put
    beside the data, it is found there.
    """
    config = LabelConfig(env_id, agent, epsilon, episodes, seed, data, settings)
    with progress_bar("tasks") as progress:
        labels = measure_labels(
            config, out, workers=workers, overwrite=overwrite, progress=progress
        )
    pool = config.federation().world.splits.pool("train")
    show_labels(make_console(), labels, pool)
    click.echo(f"labels {labels.digest} of {len(labels.rates)} tasks in {out}")


def show_labels(console: Console, labels: Labels, pool: TaskPool) -> None:
    """Print how success rates are spread, in all and by category.

    Args:
        console: Where to print.
        labels: The labels.
        pool: The tasks they belong to.
    """
    rates = labels.of(pool)
    # Rates are fractions k / K: 6 / 20 belongs to the bin that 0.3 opens.
    bins = np.minimum((rates * _BINS + 1e-9).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS).tolist()
    table = Table(title=f"Success rates: {labels.provenance.policy}", box=None)
    table.add_column("rate", no_wrap=True)
    table.add_column("tasks", justify="right")
    table.add_column("", no_wrap=True)
    for i, count in enumerate(counts):
        closed = "]" if i == _BINS - 1 else ")"
        name = f"[{i / _BINS:.1f}, {(i + 1) / _BINS:.1f}{closed}"
        table.add_row(name, str(count), "█" * round(_BAR * count / max(counts)))
    console.print(table)
    table = Table(title=f"Tasks with a rate of {THRESHOLD:g} or more", box=None)
    for name in ("category", "tasks", "mean rate", "share"):
        table.add_column(name, justify="left" if name == "category" else "right", no_wrap=True)
    test = independence(pool, rates >= THRESHOLD)
    groups = [rates[pool.codes == code] for code in range(len(pool.categories))]
    shares = (*test.by_category.items(), ("all", test.success_share))
    for (category, share), mine in zip(shares, (*groups, rates), strict=True):
        name = printable(console, category)
        table.add_row(name, str(len(mine)), f"{mine.mean():.3f}", f"{share:.3f}")
    console.print(table)
    console.print(
        f"Dependence of success on category: epsilon {test.epsilon:.3f}, chi2 {test.chi2:.1f} "
        f"({test.degrees} degrees of freedom, p = {test.p_value:.2g})",
        style="dim",
    )
