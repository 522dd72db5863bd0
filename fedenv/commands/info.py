"""``fedenv info``: what an environment id is made of, and what one client holds."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fedenv.agents import COMMON_AGENTS
from fedenv.commands.common import (
    data_option,
    make_console,
    num_clients_option,
    printable,
    settings_option,
)
from fedenv.commands.manifest import open_federation
from fedenv.federation import Federation
from fedenv.registration import find_environment
from fedenv.tasks import SPLITS

SHOWN_TASKS = 5
_OF_THE_CLIENTS = "no argument: what the clients' own kernels have otherwise"


@click.command()
@click.argument("env_id")
@click.option("--client", "client_id", type=int, help="Show this client, too.")
@num_clients_option
@data_option
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(
    env_id: str,
    client_id: int | None,
    num_clients: int,
    data: str | None,
    settings: dict[str, Any],
    as_json: bool,
) -> None:
    """Show the variant, arguments, splits and digests of ENV_ID."""
    federation = open_federation(env_id, num_clients, data, settings)
    content = describe(federation)
    if client_id is not None:
        content["client"] = describe_client(federation, client_id)
    if as_json:
        click.echo(json.dumps(content, indent=2))
    else:
        _show(make_console(), content)


def describe(federation: Federation) -> dict[str, Any]:
    """Return what an environment id is made of, as JSON."""
    row = find_environment(federation.env_id)
    family = row.load_family()
    kernels = [federation.kernel(k) for k in range(federation.num_clients)]
    reference = federation.kernel(0, "reference").digests
    world = federation.world
    labels = world.pool_labels
    held = Counter(kernel.pool_index for kernel in kernels)
    meanings = family.knobs[row.variant]
    return {
        "env_id": row.id,
        "summary": row.summary,
        "variant": row.variant,
        "stages_that_differ": [
            stage
            for stage, digest in reference.items()
            if any(kernel.digests[stage] != digest for kernel in kernels)
        ],
        "max_episode_steps": row.max_episode_steps,
        "num_clients": federation.num_clients,
        "federation_seed": federation.federation_seed,
        "partition": federation.partition,
        "knobs": {
            name: {"value": value, "meaning": meanings.get(name, _OF_THE_CLIENTS)}
            for name, value in world.knobs.items()
        },
        "pool": [
            {"pool_index": index, "entry": label, "clients": held[index]}
            for index, label in enumerate(labels)
        ],
        "splits": {split: len(world.splits.of(split)) for split in SPLITS},
        "agents": [*COMMON_AGENTS, *family.agents],
        "data_digest": world.data_digest,
        "federation_digest": federation.digest,
        "reference_pipeline": dict(reference),
    }


def describe_client(federation: Federation, client_id: int) -> dict[str, Any]:
    """Return what one client holds, as JSON.

    Raises:
        ConfigError: There is no such client.
    """
    client = federation.client(client_id)
    labels = federation.world.pool_labels
    index = client.kernel.pool_index
    return {
        **client.manifest(),
        "pool_entry": None if index is None or index >= len(labels) else labels[index],
        "pipeline": dict(client.kernel.digests),
        "task_ids": list(client.task_ids),
    }


def _show(console: Console, content: dict[str, Any]) -> None:
    differing = ", ".join(content["stages_that_differ"]) or "none"
    splits = ", ".join(f"{name} {size}" for name, size in content["splits"].items())
    facts = {
        "id": content["env_id"],
        "clients differ in": content["summary"],
        "variant": content["variant"],
        "differ from the reference": differing,
        "steps per episode": content["max_episode_steps"],
        "clients": content["num_clients"],
        "partition": json.dumps(content["partition"]),
        "tasks": splits,
        "agents": ", ".join(content["agents"]),
        "data": content["data_digest"],
        "federation": content["federation_digest"],
    }
    _facts(console, facts)
    table = Table("argument", "value", "meaning", title="Arguments (-k NAME=VALUE)")
    for name, knob in content["knobs"].items():
        table.add_row(name, json.dumps(knob["value"]), knob["meaning"])
    console.print(table)
    if content["pool"]:
        table = Table("entry", "configuration", "clients", title="Pool of the variant")
        for row in content["pool"]:
            table.add_row(str(row["pool_index"]), row["entry"], str(row["clients"]))
        console.print(table)
    client = content.get("client")
    if client is not None:
        _show_client(console, client, content["reference_pipeline"])


def _show_client(console: Console, client: dict[str, Any], reference: dict[str, str]) -> None:
    index, entry = client["pool_index"], client["pool_entry"]
    shown = ", ".join(client["task_ids"][:SHOWN_TASKS])
    facts = {
        "client": client["client_id"],
        "pool entry": "none" if index is None else f"{index} ({entry})",
        "training tasks": f"{client['num_tasks']} (digest {client['tasks_digest']})",
        "the first tasks": printable(console, shown),
        "pipeline": client["pipeline_digest"],
    }
    _facts(console, facts)
    table = Table("stage", "digest", "reference", "", title="Pipeline")
    for stage, digest in client["pipeline"].items():
        same = digest == reference[stage]
        table.add_row(stage, digest, reference[stage], "same" if same else "differs")
    console.print(table)


def _facts(console: Console, facts: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(name, str(value))
    console.print(table)
