"""``fedenv data``: look at data before anything runs on it."""

from __future__ import annotations

import click
from rich.table import Table

from fedenv.commands.common import make_console, printable
from fedenv.registration import ENVIRONMENTS


@click.group()
def data() -> None:
    """Look at data."""


@data.command()
@click.argument("folder", required=False, metavar="[DIR]")
@click.option(
    "--env",
    "env_id",
    type=click.Choice(list(ENVIRONMENTS)),
    default=next(iter(ENVIRONMENTS)),
    help="An id of the family whose data it is.",
    show_default=True,
)
def check(folder: str | None, env_id: str) -> None:
    """Load the data of DIR (the bundled data without it) and count what is there."""
    content = ENVIRONMENTS[env_id].load_family().describe_data(folder)
    console = make_console()
    table = Table("what", "value")
    table.columns[1].justify = "right"
    for name, value in content.items():
        table.add_row(name, printable(console, str(value)))
    console.print(table)
