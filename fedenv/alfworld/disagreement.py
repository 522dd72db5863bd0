"""Disagreement of houses: the same commands, what each house answers compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fedenv import seeding
from fedenv.alfworld.engine import Game
from fedenv.alfworld.episode import AlfredEpisode
from fedenv.alfworld.oracle import solve
from fedenv.alfworld.walk import fork
from fedenv.comparison import Measure
from fedenv.disagreement import ProbeSource
from fedenv.errors import ConfigError
from fedenv.family import World

GAMES = 64
"""Of so many validation games the default probes are taken, as many as the paper evaluates on."""

WALK = 20
"""Commands of the random walk in each of them."""


@dataclass(frozen=True)
class CommandProbe:
    """One command in one state.

    Attributes:
        task: Position of the game.
        walk: Commands of an episode; those before ``step`` lead to the state.
        step: Which of them is the probe.
    """

    task: int
    walk: tuple[str, ...]
    step: int


@dataclass(frozen=True)
class Answer:
    """What a house answers, and which commands work afterwards."""

    observation: str
    admissible: frozenset[str]


class Playable(Protocol):
    """What is asked of a kernel."""

    def begin(self, task: int, episode_seed: int) -> AlfredEpisode:
        """Start an episode."""


def differs(one: Answer, other: Answer) -> float:
    """Return 1.0 where the next observations differ, else 0.0."""
    return float(one.observation != other.observation)


def admissible_jaccard(one: Answer, other: Answer) -> float:
    """Return the Jaccard index of the commands that work afterwards."""
    union = len(one.admissible | other.admissible)
    return len(one.admissible & other.admissible) / union if union else 1.0


class CommandDisagreement:
    """Disagreement of ALFWorld kernels.

    A state is what the commands before lead to by ALFWorld's own rules, in the client's house: all
    kernels are asked in the same state (with Inventory Split, up to what does not exist).
    Default probes are every command of two walks through each of the first 64 validation games: the
    oracle's plan in ALFWorld's own house, and a random walk over the commands that work there.
    """

    probe_noun = ("command", "commands")
    measures = (
        Measure(
            "observation_disagreement",
            "next observation differs",
            "share of (state, command) pairs after which the two houses print different texts",
            0.0,
            differs,
        ),
        Measure(
            "admissible_jaccard",
            "admissible Jaccard",
            "commands that work afterwards in both houses over those that work in either",
            1.0,
            admissible_jaccard,
        ),
    )

    def probes(self, world: World, source: ProbeSource) -> list[CommandProbe]:
        """Return the commands of a source.

        Raises:
            ConfigError: There are none, or they are lines without a game.
        """
        if source.lines is not None:
            raise ConfigError(
                "expected episodes to replay: a command alone says not in which game and state it "
                "is given; record some (fedenv rollout) and pass the file as --trajectories"
            )
        if source.records is None:
            walks = list(_validation_walks(world))
        else:
            walks = []
            for record in source.records:
                try:
                    task = world.splits.position(record.task_id)
                except KeyError:
                    raise ConfigError(
                        f"expected episodes on the games of {world.data_digest}, got one on "
                        f"{record.task_id!r}; record it in this environment family and data"
                    ) from None
                walks.append((task, tuple(step.action for step in record.steps)))
        found = [CommandProbe(task, walk, n) for task, walk in walks for n in range(len(walk))]
        if not found:
            raise ConfigError("expected commands to replay, found none")
        return found

    def describe(self, probe: CommandProbe) -> dict[str, Any]:
        """Return a command and what came before it as JSON."""
        return {
            "task": probe.task,
            "before": list(probe.walk[: probe.step]),
            "command": probe.walk[probe.step],
        }

    def answers(self, kernel: Playable, probes: Sequence[CommandProbe]) -> list[Answer]:
        """Return what each command is answered."""
        asked: dict[tuple[int, tuple[str, ...]], int] = {}
        for probe in probes:
            key = (probe.task, probe.walk)
            asked[key] = max(asked.get(key, 0), probe.step)
        played = {key: list(_play(kernel, *key, last)) for key, last in asked.items()}
        return [played[probe.task, probe.walk][probe.step] for probe in probes]

    def reported(self, variant: str, knobs: Mapping[str, Any]) -> Mapping[str, float]:
        """Return nothing: the paper has no such variants."""
        return {}


def _play(kernel: Playable, task: int, walk: tuple[str, ...], last: int) -> Iterator[Answer]:
    game = kernel.begin(task, 0).game
    stock = Game(game.house, wording=game.wording)
    for command in walk[: last + 1]:
        game.resume(fork(stock.state))
        observation, admissible, _ = game.step(command)
        yield Answer(observation, frozenset(admissible))
        stock.step(command)


def _validation_walks(world: World) -> Iterator[tuple[int, tuple[str, ...]]]:
    kernel = world.kernel(None, 0)
    for task in world.splits.of("val")[:GAMES]:
        episode = kernel.begin(task, 0)
        assert isinstance(episode, AlfredEpisode)
        yield task, tuple(solve(episode.game) or ())
        game, walk = episode.game, list[str]()
        _, admissible = game.reset()
        for n in range(WALK):
            draw = seeding.index_for(len(admissible), "alfworld", "disagreement", task, n)
            walk.append(admissible[draw])
            _, admissible, _ = game.step(walk[-1])
        yield task, tuple(walk)


DISAGREEMENT = CommandDisagreement()
