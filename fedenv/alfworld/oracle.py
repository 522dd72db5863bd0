"""The planner that knows everything: proof that a game can be solved, and an upper bound.

`plan` is a function of the true state and of a client's stages. It tries every way in which the
goal can be reached (which thing, which appliance, which place), walks each one straight (fetch,
treat, bring) on a copy of the state, and returns the shortest. Every step of a walk is one that
works in this client's house: what does not work as it stands is tried again after a look around, a
turn of the door, or with the basin cleared. So it needs to be told no rule.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations, product
from typing import Any

import gymnasium
import numpy as np

from fedenv.alfworld import grammar as g
from fedenv.alfworld import rules
from fedenv.alfworld.conditions import AT, FLAG, HOLDS, IN, Fact
from fedenv.alfworld.engine import Game
from fedenv.alfworld.grammar import Command
from fedenv.alfworld.house import NOWHERE, House
from fedenv.alfworld.stages import STOCK, Stages
from fedenv.alfworld.state import NOTHING, State
from fedenv.alfworld.walk import TREATED_BY, BlockedError, Walk, fork, reachable
from fedenv.env import FedTextEnv
from fedenv.errors import ConfigError

STEP_LIMIT = 50


class OracleAgent:
    """Plays the plan for the true state of the environment that it is in."""

    def __init__(self, env: gymnasium.Env[str, str], rng: np.random.Generator) -> None:
        inner = env.unwrapped
        if not isinstance(inner, FedTextEnv):
            raise ConfigError(f"the oracle needs an environment of fedenv, got {inner!r}")
        self._env = inner
        self._plan: deque[str] = deque()

    def reset(self, observation: str, info: Mapping[str, Any]) -> None:
        """Plan the whole episode."""
        game = getattr(self._env.episode, "game", None)
        assert isinstance(game, Game)
        self._plan = deque(solve(game) or ())

    def act(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return the next action (an empty text once the plan has ended)."""
        return self._plan.popleft() if self._plan else ""


def solve(game: Game, limit: int = STEP_LIMIT) -> list[str] | None:
    """Return commands that lead a game from its current state to its goal; see `plan`."""
    found = plan(game.house, game.state, game.stages, limit)
    if found is None:
        return None
    return [g.write(command, game.house, game.wording) for command in found]


def plan(
    house: House, state: State, stages: Stages = STOCK, limit: int = STEP_LIMIT
) -> list[Command] | None:
    """Return commands that reach the goal, the shortest of the ways that are tried.

    Args:
        house: The game.
        state: Where it stands; not changed.
        stages: The client's stages.
        limit: Longer plans do not count.

    Returns:
        The commands, none where the goal is reached already; None where no way was found. Goals
        that need a knife are not planned.
    """
    if house.goal.holds(state):
        return []
    best: list[Command] | None = None
    for targets in _distinct(house, state, map(_merged, product(*house.goal.clauses))):
        for order, appliances in product(permutations(targets), _appliances(house, targets)):
            for clear in (False, True):
                most = limit if best is None else len(best) - 1
                walk = Walk(house, fork(state), stages, most)
                try:
                    walk.follow([(item, targets[item]) for item in order], appliances, clear)
                except BlockedError:
                    continue
                if house.goal.holds(walk.state):
                    best = walk.steps
                    break
    return best


_Targets = dict[int, tuple[Fact, ...]]
"""Item to the facts that shall hold of it; for -1, where the agent shall be."""


def _merged(ways: Iterable[Sequence[Fact]]) -> _Targets | None:
    """Return the facts of one way by item; None if the oracle cannot bring one about."""
    targets: dict[int, set[Fact]] = {}
    for fact in (fact for way in ways for fact in way):
        if not fact.positive:
            continue
        if fact.kind not in (AT, FLAG, HOLDS, IN) or fact[:3:2] == (FLAG, rules.SLICED):
            return None
        targets.setdefault(NOTHING if fact.kind == AT else fact.first, set()).add(fact)
    return {item: tuple(sorted(facts)) for item, facts in sorted(targets.items())}


def _appliances(house: House, targets: _Targets) -> Iterator[dict[int, int]]:
    """Yield, in every combination, the receptacle that brings each of the states about."""
    bits = {fact.second for facts in targets.values() for fact in facts if fact.kind == FLAG}
    treated = sorted(bits & TREATED_BY.keys())
    for chosen in product(*(reachable(house, TREATED_BY[bit][1]) for bit in treated)):
        yield dict(zip(treated, chosen, strict=True))


def _distinct(house: House, state: State, ways: Iterable[_Targets | None]) -> Iterator[_Targets]:
    """Yield the ways, of those that lead to places that cost the same only the first."""
    near = {state.location}
    kinds = {kind for _, kind in TREATED_BY.values()}
    near.update(
        location for r, location in enumerate(house.locations) if house.receptacle_kinds[r] in kinds
    )
    known: set[tuple[object, ...]] = set()
    for targets in ways:
        if targets is None:
            continue
        around = near | {
            house.locations[r]
            for r, contents in enumerate(state.contents)
            if any(item in contents for item in targets)
        }
        key: list[object] = []
        for fact in (fact for facts in targets.values() for fact in facts):
            if fact.kind != IN:
                key.append(fact)
                continue
            spot, r = house.locations[fact.second], fact.second
            where = spot if spot in around or spot == NOWHERE else None
            door = (r in house.openable, r in state.opened)
            key.append((fact.first, house.receptacle_kinds[r], where, door, fact.holds(state)))
        if tuple(key) not in known:
            known.add(tuple(key))
            yield targets
