"""``fedenv report disagreement``: how different the clients' environments of an id are."""

from __future__ import annotations

from collections.abc import Mapping
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
    parse_clients,
    printable,
    settings_option,
)
from fedenv.commands.manifest import open_federation
from fedenv.data import read_bytes
from fedenv.disagreement import ProbeSource, disagreement_report
from fedenv.errors import ConfigError, DataError
from fedenv.evaluation.rundir import write_json
from fedenv.heatmap import save_disagreement_figure
from fedenv.plotting import MissingPlotting
from fedenv.recording import read_records

REPORT, FIGURE = "disagreement.json", "disagreement.png"
DEFAULT_QUERIES = 287  # as many as the paper replayed


@click.command()
@click.argument("env_id")
@click.option(
    "--pool-size", type=click.IntRange(1), help="The first so many configurations of the pool."
)
@click.option(
    "--clients",
    help="Compare these clients, such as 0-9,15; without it the first client of each pool entry, "
    "or the first eight clients where there is no pool.",
)
@click.option(
    "--queries",
    type=click.IntRange(1),
    help=f"Replay so many at most, drawn by a fixed draw; {DEFAULT_QUERIES} of the validation "
    "tasks' searches or commands without it, all of a file's.",
)
@click.option(
    "--queries-file", metavar="FILE", help="Replay these searches: UTF-8 text, one a line."
)
@click.option(
    "--trajectories", metavar="FILE", help="Replay what these recorded episodes (.jsonl) asked."
)
@num_clients_option
@data_option
@settings_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of results.")
def disagreement(
    env_id: str,
    pool_size: int | None,
    clients: str | None,
    queries: int | None,
    queries_file: str | None,
    trajectories: str | None,
    num_clients: int,
    data: str | None,
    settings: dict[str, Any],
    out: Path,
) -> None:
    """Ask the clients' environments of ENV_ID the same and compare the answers.

    WebShop is asked searches: without a file, what the scripted agents first and keyword search for
    on validation tasks. ALFWorld is asked commands, each in the state to which those before it
    lead: without a file, what the oracle does in validation games, and a walk by chance. Writes
    disagreement.json and a heat map, disagreement.png.
    """
    if pool_size is not None:
        if "pool_size" in settings:
            raise ConfigError("pool_size is given twice: use --pool-size or -k, not both")
        settings = {**settings, "pool_size": pool_size}
    federation = open_federation(env_id, num_clients, data, settings)
    source = _source(queries, queries_file, trajectories)
    chosen = None if clients is None else parse_clients(clients, num_clients)
    content = disagreement_report(federation, source, chosen)
    make_folder(out)
    write_json(out / REPORT, content)
    written = [REPORT]
    show_report(make_console(), content)
    try:
        save_disagreement_figure(content, out / FIGURE)
        written.append(FIGURE)
    except MissingPlotting as error:
        click.echo(f"No {FIGURE}: {error}", err=True)
    asked = source.count
    if asked is not None and content["num_probes"] < asked:
        noun = content["probe_noun"][1]
        click.echo(f"Only {content['num_probes']} {noun} to replay, not {asked}.", err=True)
    click.echo(f"report {content['digest']} in {out}: {', '.join(written)}")


def show_report(console: Console, content: Mapping[str, Any]) -> None:
    """Print a report: a matrix per measure, then the means beside the paper's figures."""
    members = content["members"]
    for measure in content["measures"].values():
        table = Table(title=f"{measure['title']} (mean over {_probes(content)})", box=None)
        table.add_column("", no_wrap=True)
        table.add_column("client", justify="right")
        for place in range(len(members)):
            table.add_column(str(place), justify="right", no_wrap=True)
        for place, (member, row) in enumerate(zip(members, measure["matrix"], strict=True)):
            cells = ["·" if i == place else f"{value:.2f}" for i, value in enumerate(row)]
            name = printable(console, f"{place}  {member['label']}")
            table.add_row(name, str(member["client_id"]), *cells)
        console.print(table)
        console.print()
    one, many = content["probe_noun"]
    table = Table(title=f"All pairs of {len(members)} kernels of {content['env_id']}", box=None)
    table.add_column("measure", no_wrap=True)
    for name in ("mean", f"10–90 % of\n{many}", "not\nunanimous", "paper\n(reported)"):
        table.add_column(name, justify="right", no_wrap=True)
    for measure in content["measures"].values():
        spread, reported = measure["per_probe"], measure["reported"]
        table.add_row(
            measure["title"],
            f"{measure['mean']:.3f}",
            f"{spread['p10']:.2f}–{spread['p90']:.2f}",
            f"{measure['not_unanimous']:.3f}",
            "–" if reported is None else f"≈ {reported:.2f}",
        )
    console.print(table)
    console.print(
        f"10–90 %: of each {one}'s mean over the pairs. Not unanimous: share of the {many} on "
        "which any two kernels differ.",
        style="dim",
    )


def _probes(content: Mapping[str, Any]) -> str:
    return f"{content['num_probes']} {content['probe_noun'][content['num_probes'] != 1]}"


def _source(queries: int | None, file: str | None, trajectories: str | None) -> ProbeSource:
    if file is not None and trajectories is not None:
        raise ConfigError("expected one source: give --queries-file or --trajectories, not both")
    if file is not None:
        try:
            text = read_bytes(Path(file)).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: byte {error.start}: expected UTF-8 text") from error
        return ProbeSource(queries, lines=tuple(text.split("\n")))
    if trajectories is not None:
        records = tuple(record for _, record in read_records(trajectories))
        return ProbeSource(queries, records=records)
    return ProbeSource(queries or DEFAULT_QUERIES)
