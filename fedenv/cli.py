"""The command ``fedenv``: a table of commands, each imported when it is used.

Other packages add commands through the entry-point group ``fedenv.commands``; each entry names a
``click.Command``. One that cannot be imported says so when it is called and bothers nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from fedenv.errors import FedEnvError
from fedenv.version import __version__

ENTRY_POINT_GROUP = "fedenv.commands"
COMMANDS: Mapping[str, str] = {
    "list": "fedenv.commands.list_envs:list_envs",
    "info": "fedenv.commands.info:info",
    "play": "fedenv.commands.play:play",
    "rollout": "fedenv.commands.rollout:rollout",
    "evaluate": "fedenv.commands.evaluate:evaluate",
    "replay": "fedenv.commands.replay:replay",
    "label": "fedenv.commands.label:label",
    "manifest": "fedenv.commands.manifest:manifest",
    "partition": "fedenv.commands.partition:partition",
    "data": "fedenv.commands.data:data",
    "report": "fedenv.commands.report:report",
    "serve": "fedenv.commands.serve:serve",
}
ERROR_STATUS = 2


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for.

    Args:
        table: Names of the group's own commands and where they are, as ``module:attribute``.
        entry_points_group: Entry-point group through which other packages add commands; where a
            name is taken the group's own command wins.
        **attributes: As ``click.Group``.
    """

    def __init__(
        self, *, table: Mapping[str, str], entry_points_group: str, **attributes: Any
    ) -> None:
        super().__init__(**attributes)
        self._table = table
        self._entry_points_group = entry_points_group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, the built-in ones first."""
        return [*self._table, *(name for name in self._foreign() if name not in self._table)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name in self._table:
            module, attribute = self._table[cmd_name].split(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        entry = self._foreign().get(cmd_name)
        return None if entry is None else _load(entry)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of fedenv is a message and exit status 2, not a traceback."""
        try:
            return super().invoke(ctx)
        except FedEnvError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(ERROR_STATUS)

    def _foreign(self) -> dict[str, EntryPoint]:
        group = self._entry_points_group
        return {entry.name: entry for entry in sorted(entry_points(group=group))}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    entry_points_group=ENTRY_POINT_GROUP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="fedenv")
def main() -> None:
    """Federated reinforcement learning of LLM agents: look at, play and evaluate environments."""


def _load(entry: EntryPoint) -> click.Command:
    try:
        command = entry.load()
    except Exception as error:  # whatever a foreign module does on import
        return _broken(entry, f"{type(error).__name__}: {error}")
    if not isinstance(command, click.Command):
        return _broken(entry, f"expected a click.Command, got {type(command).__name__}")
    return command


def _broken(entry: EntryPoint, reason: str) -> click.Command:
    def refuse() -> None:
        raise FedEnvError(
            f"the command {entry.name!r} ({entry.value}) cannot be loaded: {reason}; "
            "reinstall or remove the package that brings it"
        )

    return click.Command(
        entry.name,
        callback=refuse,
        short_help="(cannot be loaded)",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
