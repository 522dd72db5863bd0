"""``fedenv evaluate``: an agent in every client's own kernel, the reference kernel beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from fedenv.category_figure import ALL, published_by_category, save_category_figure
from fedenv.commands.common import (
    data_option,
    make_console,
    num_clients_option,
    parse_clients,
    parse_settings,
    progress_bar,
    settings_option,
)
from fedenv.commands.served import served_agent, served_options, show_usage
from fedenv.evaluate import EvaluationConfig
from fedenv.evaluate import evaluate as run
from fedenv.evaluation.plans import Plan, evaluate_plan, find_plan
from fedenv.evaluation.rundir import (
    CATEGORIES_FIGURE,
    CLIENTS_FIGURE,
    EPISODES,
    REPLIES,
    RESULTS,
)
from fedenv.evaluation.served import EndpointError
from fedenv.federation import KERNELS
from fedenv.plotting import MissingPlotting, save_client_figure
from fedenv.tasks import SPLITS


@click.command()
@click.option(
    "--envs",
    help="Environment ids, separated by commas; webshop, alfworld or all stand for several.",
)
@click.option("--track", help="Fill the grid of this track instead; it fixes all but the agent.")
@click.option(
    "--agent",
    required=True,
    help="Name of the agent, e.g. random, module:factory, or openai for a served model.",
)
@click.option(
    "-o",
    "--agent-option",
    "agent_options",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parse_settings,
    help="Option of the agent; with --track, {environment} and {seed} stand for the cell's, "
    "as in --model.",
)
@click.option("--clients", help="Clients such as 0-9,15; all without it.")
@click.option("--episodes", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--kernels", default=",".join(KERNELS), show_default=True, help="Separated by commas."
)
@num_clients_option
@data_option
@settings_option
@click.option("--split", type=click.Choice(SPLITS[1:]), default="val", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of results.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--overwrite", is_flag=True, help="Throw away what --out holds.")
@served_options
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    envs: str | None,
    track: str | None,
    agent: str,
    agent_options: dict[str, Any],
    clients: str | None,
    episodes: int,
    seed: int,
    kernels: str,
    num_clients: int,
    data: str | None,
    settings: dict[str, Any],
    split: str,
    out: Path,
    workers: int,
    overwrite: bool,
    **served: Any,
) -> None:
    """Evaluate an agent on held-out tasks, client by client.

    Started again with the same options, it runs only what is missing in --out. The options from
    --base-url on are for --agent openai: a language model behind an OpenAI-compatible endpoint.
    """
    model, endpoint = served_agent(agent, served)
    if track is not None:
        _refuse_what_a_track_fixes(ctx)
        grid = {"workers": workers, "overwrite": overwrite, "model": model, "endpoint": endpoint}
        _fill(track, agent, agent_options, out, served["prices"], grid)
        return
    if envs is None:
        raise click.UsageError("Missing option '--envs' (or '--track').")
    config = EvaluationConfig(
        envs=_names(envs),
        agent=agent,
        clients=parse_clients(clients, num_clients),
        episodes=episodes,
        seed=seed,
        num_clients=num_clients,
        kernels=_names(kernels),
        data=data,
        settings=settings,
        model=model,
        split=split,
        agent_options=agent_options,
    )
    try:
        with progress_bar("episodes") as progress:
            results = run(
                config,
                out,
                workers=workers,
                overwrite=overwrite,
                progress=progress,
                endpoint=endpoint,
            )
    except EndpointError:
        show_usage([out], served["prices"])
        raise
    show_results(make_console(), results)
    written = [RESULTS, EPISODES]
    try:
        save_client_figure(results, out / CLIENTS_FIGURE)
        written.append(CLIENTS_FIGURE)
        if published_by_category(results):
            save_category_figure(results, out / CATEGORIES_FIGURE)
            written.append(CATEGORIES_FIGURE)
    except MissingPlotting as error:
        click.echo(f"No {CLIENTS_FIGURE}: {error}", err=True)
    if model is not None:
        written.append(REPLIES)
        show_usage([out], served["prices"])
    click.echo(f"{results['episodes']} episodes in {out}: {', '.join(written)}")


_FIXED = ("envs", "clients", "episodes", "seed", "kernels", "num_clients", "data", "settings")


def _refuse_what_a_track_fixes(ctx: click.Context) -> None:
    for name in (*_FIXED, "split"):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "set" if name == "settings" else name.replace("_", "-")
            raise click.UsageError(f"'--{option}' is fixed by '--track'; leave it out.")


def _fill(
    track: str,
    agent: str,
    options: dict[str, Any],
    out: Path,
    prices: tuple[float, float] | None,
    arguments: dict[str, Any],
) -> None:
    """Fill the grid of a track."""
    plan = find_plan(track)
    try:
        with progress_bar("episodes") as show:
            before = dict.fromkeys((part.folder for part in plan.parts), 0)

            def progress(folder: str, done: int, total: int) -> None:
                before[folder] = done
                show(sum(before.values()), total * len(plan.parts))

            results = evaluate_plan(plan, agent, options, out, progress=progress, **arguments)
    except EndpointError:
        _show_usages(plan, out, prices)
        raise
    table = Table("environment / seed", "kernel", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("success", "score", "steps"):
        table.add_column(name, justify="right")
    for part, result in zip(plan.parts, results, strict=True):
        for kernel, row in result["environments"][part.env_id]["kernels"].items():
            cells = (f"{row['success']:.3f}", f"{row['score']:.3f}", f"{row['steps']:.1f}")
            table.add_row(part.folder, kernel, *cells)
    make_console().print(table)
    if arguments["model"] is not None:
        _show_usages(plan, out, prices)
    episodes = sum(result["episodes"] for result in results)
    click.echo(f"{episodes} episodes in {out}; next: fedenv submit prepare {out}")


def _show_usages(plan: Plan, out: Path, prices: tuple[float, float] | None) -> None:
    show_usage([out / part.folder for part in plan.parts], prices)


def show_results(console: Console, results: Mapping[str, Any]) -> None:
    """Print results as a table: own kernel on the left, reference kernel on the right."""
    # Fits into 80 columns: the interval stands below its rate.
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("environment", no_wrap=True)
    kernels = results["config"]["kernels"]
    names = [("success", "95 %"), ("score", ""), ("worst", "client"), ("steps", "")]
    names = names if "client" in kernels else []
    if "reference" in kernels:
        names += [("refer.", "success"), ("refer.", "score")]
    for name in names:
        table.add_column("\n".join(name).strip(), justify="right", no_wrap=True)
    for env_id, environment in results["environments"].items():
        cells = []
        own = environment["kernels"].get("client")
        if own is not None:
            low, high = own["success_interval"]
            worst = own["worst_client"]
            cells += [
                f"{own['success']:.3f}\n{low:.2f}-{high:.2f}",
                f"{own['score']:.3f}",
                f"{worst['score']:.3f}\n#{worst['client_id']}",
                f"{own['steps']:.1f}",
            ]
        reference = environment["kernels"].get("reference")
        if reference is not None:
            cells += [f"{reference['success']:.3f}", f"{reference['score']:.3f}"]
        table.add_row(env_id, *cells)
    console.print(table)
    _show_categories(console, results)


def _show_categories(console: Console, results: Mapping[str, Any]) -> None:
    """Print the success by category of task, for families whose results are published so."""
    by_titles: dict[tuple[str, ...], list[str]] = {}
    for env_id, environment in published_by_category(results).items():
        by_titles.setdefault(tuple(environment["category_titles"].values()), []).append(env_id)
    kernels = results["config"]["kernels"]
    which = "own kernel, reference below" if len(kernels) > 1 else f"{kernels[0]} kernel"
    for titles, env_ids in by_titles.items():
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column(f"success ({which})", no_wrap=True)
        for title in (*titles, ALL):
            table.add_column(title, justify="right", no_wrap=True)
        for env_id in env_ids:
            environment = results["environments"][env_id]
            for kernel in kernels:
                row = environment["kernels"][kernel]
                found = map(row["categories"].get, environment["category_titles"])
                cells = [f"{cell['success']:.2f}" if cell else "–" for cell in found]
                name = env_id if kernel == kernels[0] else ""
                table.add_row(name, *cells, f"{row['success']:.3f}")
        console.print()
        console.print(table)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
