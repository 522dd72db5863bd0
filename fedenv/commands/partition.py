"""``fedenv partition``: who is asked to do what, drawn, counted and shown.

Every partition of :mod:`fedenv.partitions.registry` is a command whose options are its knobs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fedenv.commands.common import (
    data_option,
    make_console,
    make_folder,
    num_clients_option,
    settings_option,
)
from fedenv.commands.manifest import open_federation
from fedenv.commands.partition_check import check
from fedenv.commands.partition_show import draw_figures, show_report
from fedenv.errors import ConfigError, unknown_name
from fedenv.evaluation.rundir import write_json
from fedenv.partition_report import PartitionReport
from fedenv.partitions.registry import PARTITIONS
from fedenv.plotting import MissingPlotting
from fedenv.registration import ENVIRONMENTS

MANIFEST, ROWS = "manifest.json", "clients.csv"


def parse_knob(text: str) -> Any:
    """Return the value that a text on the command line stands for.

    JSON is read as such, ``.5`` as a number, ``1,2,3`` as a list; anything else is a text.
    """
    readers: list[Callable[[str], Any]] = [json.loads, float]
    if "," in text:
        readers.append(lambda part: json.loads(f"[{part}]"))
    for read in readers:
        try:
            return read(text)
        except ValueError:
            continue
    return text


def partition_command(name: str) -> click.Command:
    """Return the command of one partition, with an option for each knob."""
    partition = PARTITIONS[name]
    defaults = partition.defaults
    options: list[click.Parameter] = []
    for knob, about in partition.knobs.items():
        default = f"default {json.dumps(defaults[knob])}" if knob in defaults else "required"
        options.append(
            click.Option(
                (f"--{knob.replace('_', '-')}", knob),
                metavar="VALUE",
                help=f"{about.meaning}: {about.legal} [{default}]",
            )
        )

    @click.option(
        "--env",
        "env_id",
        default=next(iter(ENVIRONMENTS)),
        show_default=True,
        help="Environment id.",
    )
    @num_clients_option
    @click.option("--seed", type=int, default=42, show_default=True, help="Federation seed.")
    @data_option
    @settings_option
    @click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder.")
    @click.option(
        "--sweep-seeds",
        type=click.IntRange(2),
        default=20,
        show_default=True,
        help="Runs per point of the control curve.",
    )
    def run(
        env_id: str,
        num_clients: int,
        seed: int,
        data: str | None,
        settings: dict[str, Any],
        out: Path,
        sweep_seeds: int,
        **knobs: str | None,
    ) -> None:
        for taken, option in (("partition", "its knobs"), ("federation_seed", "--seed")):
            if taken in settings:
                raise ConfigError(f"{taken} is given by {option} here, not by -k")
        given = {knob: parse_knob(text) for knob, text in knobs.items() if text is not None}
        settings = {
            **settings,
            "partition": {"name": name, **given},
            "federation_seed": seed,
        }
        federation = open_federation(env_id, num_clients, data, settings)
        report = PartitionReport(federation)
        content = report.manifest()
        make_folder(out)
        write_json(out / MANIFEST, content)
        report.write_rows(out / ROWS)
        show_report(make_console(), report, content)
        written = [MANIFEST, ROWS]
        try:
            written += draw_figures(report, out, sweep_seeds)
        except MissingPlotting as error:
            click.echo(f"No figures: {error}", err=True)
        click.echo(f"federation {federation.digest} in {out}: {', '.join(written)}")

    command = click.command(
        name,
        help=f"Clients differ in: {partition.summary}.\n\nWrites {MANIFEST}, {ROWS} and "
        "figures of what the clients hold, at both ends of the knob where there is one.",
        short_help=partition.summary,
    )(run)
    command.params[:0] = options
    return command


class PartitionGroup(click.Group):
    """The partitions of the registry, and what is about all of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the partitions, then the other commands."""
        return [*PARTITIONS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Return a partition's command; raises ConfigError for an unknown one."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name not in PARTITIONS:
            raise unknown_name("partition", cmd_name, self.list_commands(ctx))
        return command or partition_command(cmd_name)


@click.group(cls=PartitionGroup)
def partition() -> None:
    """Give clients their tasks, and show what each partition does and guarantees."""


partition.add_command(check)
