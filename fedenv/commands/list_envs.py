"""``fedenv list``: the environment ids."""

from __future__ import annotations

import click
from rich.table import Table

from fedenv.commands.common import make_console
from fedenv.registration import ENVIRONMENTS


@click.command("list")
def list_envs() -> None:
    """List the environment ids."""
    table = Table("id", "what differs between clients", "steps")
    for row in ENVIRONMENTS.values():
        table.add_row(row.id, row.summary, str(row.max_episode_steps))
    make_console().print(table)
