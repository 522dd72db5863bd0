"""Speed and size of the ALFWorld engine, beside ALFWorld on TextWorld where that is installed.

Run ``python benchmarks/bench_alfworld.py``; for the ratios in an environment with the extra
``alfworld``. Both engines play the same bundled games and say the same commands, a walk over the
admissible ones; of repeated measurements the best counts, on both sides. A step includes
observation, admissible commands and goal check; a reset of TextWorld is what a new episode of
another game costs it, a load and a reset.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import gymnasium as gym
from rich.console import Console
from rich.table import Table

import fedenv  # noqa: F401 (registers the ids)
from fedenv.alfworld.bundled import bundled_games
from fedenv.alfworld.engine import Game
from fedenv.alfworld.house import House, build_house
from fedenv.alfworld.problem import Problem
from fedenv.alfworld.textworld_engine import TextWorldGame, TextWorldWorker
from fedenv.errors import ConfigError
from fedenv.seeding import frozen_rng

GAMES, STEPS = 40, 50
EPISODES = 500
THEIR_GAMES, THEIR_STEPS = 6, 20
REPEATS = 5


def walk(game: Game, number: int) -> list[str]:
    """Return the commands of one episode."""
    rng = frozen_rng("bench_alfworld", number)
    _, admissible = game.reset()
    commands = []
    for _ in range(STEPS):
        commands.append(admissible[rng.randint(len(admissible))])
        _, admissible, _ = game.step(commands[-1])
    return commands


def best(function: Callable[[], object]) -> float:
    """Return the shortest time of a call, in seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def play(game: Game, commands: list[str]) -> None:
    for command in commands:
        game.step(command)


def bytes_per_env(house: House, commands: list[str], count: int = 200) -> float:
    """Return the memory of one more game over a compiled house, in the middle of an episode."""
    tracemalloc.start()
    games = []
    for _ in range(count):
        games.append(Game(house))
        games[-1].reset()
        play(games[-1], commands[: STEPS // 2])
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / count


def bytes_per_house(problems: list[Problem]) -> float:
    """Return the memory of one more compiled game."""
    tracemalloc.start()
    houses = [build_house(problem) for problem in problems]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(houses)


def theirs(problems: list[Problem], walks: list[list[str]]) -> tuple[float, float]:
    """Return seconds of one step and of one new episode in TextWorld, each in its best game."""
    worker = TextWorldWorker()
    games = [TextWorldGame(p.to_pddl(), p.task_desc, worker=worker) for p in problems]
    games[0].reset()  # the process starts and imports
    resets, steps = [], []
    for game, commands in zip(games[1:], walks[1:], strict=True):
        start = time.perf_counter()
        game.reset()
        middle = time.perf_counter()
        for command in commands[:THEIR_STEPS]:
            game.step(command)
        resets.append(middle - start)
        steps.append((time.perf_counter() - middle) / THEIR_STEPS)
    worker.close()
    return min(steps), min(resets)


def steps_per_second(env: gym.Env) -> float:
    """Return steps per second of random walks through ``gym.make``, in the first 500 games."""
    draws = frozen_rng("bench_alfworld", "env").random_sample(1000).tolist()
    steps, start = 0, time.perf_counter()
    for index in range(EPISODES):
        _, info = env.reset(options={"task_index": index})
        ended = False
        while not ended:
            commands = info["admissible_actions"]
            command = commands[int(draws[steps % 1000] * len(commands))]
            _, _, terminated, truncated, info = env.step(command)
            ended = terminated or truncated
            steps += 1
    return steps / (time.perf_counter() - start)


def through_gymnasium(env_id: str) -> list[tuple[str, str, str]]:
    env = gym.make(env_id, partition={"name": "uniform", "min_tasks": EPISODES})
    env.reset(seed=0)  # once, as trainers do; later resets continue the stream
    first, again = (steps_per_second(env) for _ in range(2))
    return [
        (f"{env_id}: steps/s, {EPISODES} games never met before", f"{first:,.0f}", ""),
        (f"{env_id}: steps/s, met before", f"{again:,.0f}", ""),
    ]


def open_index() -> object:
    """Open the 3,827 bundled games as a process does it first."""
    bundled_games.cache_clear()
    return bundled_games().splits, bundled_games().digest


def rows() -> list[tuple[str, str, str]]:
    """Measure, and return (measurement, value, goal)."""
    table = bundled_games()
    problems = [table.problem(i * len(table) // GAMES) for i in range(GAMES)]
    texts = [problem.to_pddl() for problem in problems]
    games = [Game(build_house(problem)) for problem in problems]
    walks = [walk(game, number) for number, game in enumerate(games)]
    parse = best(lambda: [Problem.parse(text, "") for text in texts]) / GAMES
    build = best(lambda: [build_house(problem) for problem in problems]) / GAMES
    reset = best(lambda: [game.reset() for game in games for _ in range(STEPS)]) / GAMES / STEPS
    episodes = best(lambda: [(g.reset(), play(g, w)) for g, w in zip(games, walks, strict=True)])
    step = (episodes / GAMES - reset) / STEPS
    try:
        their_step, their_reset = theirs(problems[: THEIR_GAMES + 1], walks[: THEIR_GAMES + 1])
        faster = (f", {their_step / step:,.0f}×", f", {their_reset / reset:,.0f}×")
        said = f"{1 / their_step:.1f} steps/s, {their_reset:.2f} s"
    except ConfigError:
        faster, said = ("", ""), "not installed (extra alfworld)"
    opening = best(open_index)
    kilobytes = bytes_per_env(games[0].house, walks[0]) / 1024
    return [
        (f"ALFWorld: steps/s, {GAMES} bundled games", f"{1 / step:,.0f}{faster[0]}", "≥ 1,000×"),
        ("ALFWorld: reset", f"{reset * 1e6:.0f} µs{faster[1]}", "≥ 5,000×"),
        ("ALFWorld: TextWorld in the same run: steps, load and reset", said, ""),
        ("ALFWorld: PDDL text to facts", f"{parse * 1e3:.1f} ms", ""),
        ("ALFWorld: facts to compiled game", f"{build * 1e3:.1f} ms", ""),
        ("ALFWorld: memory of a compiled game", f"{bytes_per_house(problems) / 1024:.0f} KB", ""),
        ("ALFWorld: memory of an env over it", f"{kilobytes:.1f} KB", "≤ 20 KB"),
        ("ALFWorld: opening the 3,827 bundled games", f"{opening:.2f} s", "≤ 0.5 s"),
        *through_gymnasium("FedALFWorld-v0"),
        *through_gymnasium("FedALFWorld-InventorySplit-v0"),
    ]


def main() -> None:
    """Print the rows."""
    table = Table("measurement", "value", "goal")
    for row in rows():
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
