"""Proof that games can be solved: the oracle's plan, played on the engine.

For maintainers: ``python -m fedenv.alfworld.proofs`` proves every bundled game (about a minute);
with a folder in the public format, every game that is used of it.
"""

from __future__ import annotations

import logging
from collections import defaultdict

import click

from fedenv.alfworld.bundled import bundled_games
from fedenv.alfworld.engine import Game
from fedenv.alfworld.folder import open_folder
from fedenv.alfworld.games import GameTable
from fedenv.alfworld.grammar import WORDINGS
from fedenv.alfworld.house import build_house
from fedenv.alfworld.oracle import STEP_LIMIT, solve
from fedenv.alfworld.records import content_sha256
from fedenv.errors import DataError

_LOG = logging.getLogger(__name__)


def prove(game: Game, limit: int = STEP_LIMIT) -> int:
    """Return how many commands the oracle's plan has, having played it from the start to the goal.

    Raises:
        DataError: The goal is reached at the start, no plan is found, or the plan does not work.
    """
    task = game.house.task_desc
    game.reset()
    if game.won:
        raise DataError(f"{task!r} is solved at the start")
    plan = solve(game, limit)
    if plan is None:
        raise DataError(f"{task!r}: no plan of {limit} commands")
    reached = False
    for command in plan:
        _, _, reached = game.step(command)
    if not reached:
        raise DataError(f"{task!r}: the plan does not reach the goal: {plan}")
    return len(plan)


def prove_all(table: GameTable) -> dict[tuple[str, str], list[int]]:
    """Return split and task type to the lengths of the plans.

    Raises:
        DataError: A game cannot be proven, or is not what the index says.
    """
    lengths: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, entry in enumerate(table.games):
        problem = table.problem(position)
        if content_sha256(problem) != entry.sha256:
            raise DataError(f"{entry.id}: the game is not what the index says")
        try:
            length = prove(Game(build_house(problem), wording=WORDINGS[entry.version]))
        except DataError as error:
            raise DataError(f"{entry.id}: {error}") from error
        lengths[entry.split, entry.task_type].append(length)
        if (position + 1) % 500 == 0:
            _LOG.info("%d of %d games proven", position + 1, len(table))
    return lengths


@click.command()
@click.argument("folder", required=False)
def main(folder: str | None) -> None:
    """Prove the bundled games, or those of FOLDER."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    table = open_folder(folder) if folder else bundled_games()
    lengths = prove_all(table)
    for (split, task_type), steps in sorted(lengths.items()):
        mean = sum(steps) / len(steps)
        _LOG.info(
            "%-13s %-31s %5d games, plans of %.1f commands, at most %d",
            *(split, task_type, len(steps), mean, max(steps)),
        )


if __name__ == "__main__":
    main()
