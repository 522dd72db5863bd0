"""``fedenv manifest``: a federation as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fedenv.commands.common import (
    check_settings,
    data_option,
    num_clients_option,
    settings_option,
)
from fedenv.errors import DataError
from fedenv.federation import Federation

ENVIRONMENT_ONLY = ("client_id", "split", "kernel", "eval_tasks", "reward", "render_mode")


def open_federation(
    env_id: str, num_clients: int, data: str | None, settings: dict[str, Any]
) -> Federation:
    """Return the federation that the options of a command stand for.

    Raises:
        ConfigError: A value is unknown or out of range.
        DataError: The data cannot be read.
    """
    check_settings(env_id, settings, ("num_clients", "data", *ENVIRONMENT_ONLY))
    return Federation(env_id, num_clients=num_clients, data=data, **settings)


@click.command()
@click.argument("env_id")
@num_clients_option
@data_option
@settings_option
@click.option("--out", type=click.Path(path_type=Path), help="Write here, not to the terminal.")
def manifest(
    env_id: str, num_clients: int, data: str | None, settings: dict[str, Any], out: Path | None
) -> None:
    """Print who does what where: the federation of ENV_ID as JSON."""
    content = open_federation(env_id, num_clients, data, settings).manifest()
    text = json.dumps(content, indent=2)
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror or error})") from error
    click.echo(f"{out}: federation {content['digest']}, {num_clients} clients", err=True)
