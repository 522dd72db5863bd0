"""``fedenv play``: a person takes the agent's place."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedenv.agents import PLACEHOLDER
from fedenv.commands.common import (
    environment_options,
    make_console,
    make_env,
    printable,
    reset_options,
    show_page,
)

QUIT = "q"


@click.command()
@environment_options("train")
@click.option("--seed", type=click.IntRange(0), help="Seed of the episode; random without it.")
def play(
    env_id: str,
    client_id: int,
    split: str,
    kernel: str,
    task_index: int | None,
    num_clients: int,
    data: str | None,
    settings: dict[str, Any],
    seed: int | None,
) -> None:
    """Play one episode of ENV_ID in the terminal."""
    console = make_console()
    env = make_env(env_id, client_id, split, kernel, num_clients, data, settings)
    observation, info = env.reset(seed=seed, options=reset_options(task_index))
    console.print(f"Client {client_id}, task {info['task_id']}, seed {info['episode_seed']}")
    limit = env.spec.max_episode_steps if env.spec else None
    ended = False
    while not ended:
        console.rule(f"step {info['step']}" + (f" of {limit}" if limit else ""))
        show_page(console, observation)
        action = _ask(console, info["admissible_actions"])
        if action is None:
            return
        observation, _, terminated, truncated, info = env.step(action)
        if not info["action_valid"]:
            console.print(Text("That is not possible here; nothing changed.", style="red"))
        ended = terminated or truncated
    console.rule("the end")
    show_page(console, observation)
    show_score(console, info)


def show_score(console: Console, info: dict[str, Any]) -> None:
    """Print the score of a finished episode and what it is made of."""
    table = Table("reward term", "value", show_footer=True)
    table.columns[0].footer = "score"
    table.columns[1].footer = f"{info['score']:.4f}"
    for name, value in info["reward_terms"].items():
        table.add_row(name, f"{round(value, 4) + 0.0:.4f}")  # no -0.0000
    console.print(table)
    outcome = "solved" if info["success"] else "not solved"
    console.print(f"Task {outcome} after {info['step']} steps.")


def _ask(console: Console, actions: list[str]) -> str | None:
    """Return the action that the person chooses; None to stop."""
    for number, action in enumerate(actions, 1):
        console.print(Text(f"  [{number}] {printable(console, action)}", style="cyan"))
    typed: str = click.prompt(f"number or action ({QUIT} quits)", prompt_suffix=": ").strip()
    if typed == QUIT:
        return None
    if not (typed.isdecimal() and 1 <= int(typed) <= len(actions)):
        return typed
    action = actions[int(typed) - 1]
    if PLACEHOLDER in action:
        action = action.replace(PLACEHOLDER, click.prompt("query", prompt_suffix=": "))
    return action
