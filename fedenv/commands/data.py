"""``fedenv data``: look at data before anything runs on it."""

from __future__ import annotations

from collections.abc import Mapping

import click
from rich.progress import Progress, TaskID
from rich.table import Table

from fedenv.commands.common import make_console, printable
from fedenv.registration import ENVIRONMENTS


@click.group()
def data() -> None:
    """Look at data."""


family_option = click.option(
    "--env",
    "env_id",
    type=click.Choice(list(ENVIRONMENTS)),
    default=next(iter(ENVIRONMENTS)),
    help="An id of the family whose data it is.",
    show_default=True,
)


@data.command()
@click.argument("folder", required=False, metavar="[DIR]")
@family_option
def check(folder: str | None, env_id: str) -> None:
    """Load the data of DIR (the bundled data without it) and count what is there."""
    _show(ENVIRONMENTS[env_id].load_family().describe_data(folder))


@data.command()
@click.argument("folder", metavar="DIR")
@family_option
def index(folder: str, env_id: str) -> None:
    """Save an index beside the data of DIR, so that large data opens at once.

    The folder must be writable. An interrupted build leaves no index; start it again.
    """
    with Progress(console=make_console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        content = ENVIRONMENTS[env_id].load_family().index_data(folder, progress)
    _show(content)


def _show(content: Mapping[str, int | str]) -> None:
    console = make_console()
    table = Table("what", "value")
    table.columns[1].justify = "right"
    for name, value in content.items():
        table.add_row(name, printable(console, str(value)))
    console.print(table)
