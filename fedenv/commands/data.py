"""``fedenv data``: look at data before anything runs on it, and make what is derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from fedenv.commands.common import make_console, printable
from fedenv.data import write_gzip
from fedenv.registration import ENVIRONMENTS

folder_argument = click.argument("folder", required=False, metavar="[DIR]")


family_option = click.option(
    "--env",
    "env_id",
    type=click.Choice(list(ENVIRONMENTS)),
    default=next(iter(ENVIRONMENTS)),
    help="An id of the family whose data it is.",
    show_default=True,
)


@click.group()
def data() -> None:
    """Look at data, and make what is derived from it."""


@data.command()
@folder_argument
@family_option
def check(folder: str | None, env_id: str) -> None:
    """Load the data of DIR (the bundled data without it) and count what is there."""
    _show_content(ENVIRONMENTS[env_id].load_family().describe_data(folder))


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
    _show_content(content)


@data.command()
@folder_argument
@family_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write the file into DIR."
)
@click.option("--report", is_flag=True, help="Show what buying them costs, beside the paper.")
def lookalikes(folder: str | None, env_id: str, out: Path | None, report: bool) -> None:
    """Make the lookalikes of the data of DIR (the bundled data without it) and count them.

    Put the file beside the data, and the Lookalike variant reads it; without one the variant makes
    the same lookalikes when it is opened.
    """
    derived = ENVIRONMENTS[env_id].load_family().derive_lookalikes(folder)
    console = make_console()
    _show(console, derived.counts)
    if report:
        _show(console, derived.report)
        console.print(derived.note)
    if out is not None:
        write_gzip(out / derived.name, derived.content)
        console.print(printable(console, f"wrote {out / derived.name}"), soft_wrap=True)


def _show(console: Console, rows: Sequence[Mapping[str, str]]) -> None:
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(printable(console, value) for value in row.values()))
    console.print(table)


def _show_content(content: Mapping[str, int | str]) -> None:
    console = make_console()
    table = Table("what", "value")
    table.columns[1].justify = "right"
    for name, value in content.items():
        table.add_row(name, printable(console, str(value)))
    console.print(table)
