"""``fedenv rollout``: one episode of a scripted agent, printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.text import Text

from fedenv.agents import agent_factory
from fedenv.commands.common import (
    environment_options,
    make_console,
    make_env,
    printable,
    reset_options,
    show_page,
)
from fedenv.commands.play import show_score
from fedenv.recording import Recorder, append
from fedenv.registration import find_environment
from fedenv.seeding import rng_for

SHOWN_LINES = 12


@click.command()
@environment_options("val")
@click.option("--agent", default="random", show_default=True, help="Name of the agent.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--full", is_flag=True, help="Print whole pages.")
@click.option("--record", type=click.Path(path_type=Path), help="Append the episode's record here.")
def rollout(
    env_id: str,
    client_id: int,
    split: str,
    kernel: str,
    task_index: int | None,
    num_clients: int,
    data: str | None,
    settings: dict[str, Any],
    agent: str,
    seed: int,
    full: bool,
    record: Path | None,
) -> None:
    """Print one episode of a scripted agent in ENV_ID."""
    console = make_console()
    factory = agent_factory(agent, find_environment(env_id).load_family().agents)
    env = make_env(env_id, client_id, split, kernel, num_clients, data, settings)
    recorder = Recorder(env)
    actor = factory(env, rng_for("agent", seed, agent, env_id, kernel, client_id, 0))
    observation, info = env.reset(seed=seed, options=reset_options(task_index))
    recorder.reset(observation, info)
    actor.reset(observation, info)
    console.print(f"Client {client_id}, task {info['task_id']}, seed {info['episode_seed']}")
    lines = None if full else SHOWN_LINES
    show_page(console, observation, lines)
    ended = False
    while not ended:
        action = actor.act(observation, info)
        observation, reward, terminated, truncated, info = env.step(action)
        recorder.step(action, observation, reward, terminated, truncated, info)
        ended = terminated or truncated
        note = "" if info["action_valid"] else "   (not valid: nothing changed)"
        console.rule(style="dim")
        console.print(Text(f"{info['step']}. {printable(console, action)}{note}", style="cyan"))
        show_page(console, observation, lines)
    show_score(console, info)
    if record is not None:
        append(record, recorder.finish())
