"""The true state of a game as the oracle plans with it, and what a client's rule adds to it.

Only what a plan needs is here: where the agent stands, what it holds, which doors are open, where
the things are and what was done to them. Sentences and admissible commands are the engine's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from fedenv.alfworld.demands import CLEAN, COOL, HEAT, LIGHT, Demand
from fedenv.alfworld.pddl import mangle
from fedenv.alfworld.problem import Item, Problem, Receptacle

STATE_OF = {CLEAN: "isClean", HEAT: "isHot", COOL: "isCool"}


@dataclass(frozen=True)
class Rule:
    """What a client's house asks besides ALFWorld's own conditions; by default nothing.

    Attributes:
        heat_door: Whether the microwave must be open (True) or closed (False) to heat.
        cool_door: The same of the fridge, to cool.
        clean_empty: Whether nothing may lie in the basin while something is cleaned.
        hidden: Tells of a kind of receptacle and a kind of thing whether such a thing can only be
            taken from there after the receptacle was examined.
    """

    heat_door: bool | None = None
    cool_door: bool | None = None
    clean_empty: bool = False
    hidden: Callable[[Receptacle, Item], bool] = lambda receptacle, item: False

    def door(self, task_type: str) -> bool | None:
        """Return how an appliance's door must be; None where it does not matter."""
        return {HEAT: self.heat_door, COOL: self.cool_door}.get(task_type)


@dataclass
class House:
    """The state of one game.

    Attributes:
        problem: The game.
        at: Location of the agent.
        hand: Id of the thing that it holds.
        opened: Ids of the open receptacles.
        within: Id of a thing to the ids of the receptacles that it is in.
        states: Pairs (state, id of a thing) that hold, e.g. ``("isHot", …)``.
    """

    problem: Problem
    at: str
    hand: str | None
    opened: frozenset[str]
    within: dict[str, tuple[str, ...]]
    states: frozenset[tuple[str, str]]

    @classmethod
    def start(cls, problem: Problem) -> House:
        """Return the state in which a game starts."""
        return cls(
            problem,
            problem.start,
            None,
            frozenset(r.id for r in problem.receptacles if r.opened),
            {item.id: item.receptacles for item in problem.items},
            frozenset((state, item.id) for item in problem.items for state in item.states),
        )

    def copy(self) -> House:
        """Return a copy that can be changed without changing this one."""
        return replace(self, within=dict(self.within))

    def solved(self, demand: Demand, catalog: Catalog) -> bool:
        """Tell whether the goal is reached."""
        things = catalog.things[demand.item]
        if demand.task_type == LIGHT:
            lamps = (lamp for lamp in catalog.things[demand.place] if self.shines(lamp))
            lit = any(
                catalog.receptacles[place].location == self.at
                for lamp in lamps
                for place in self.within[lamp.id]
            )
            return lit and any(thing.id == self.hand for thing in things)
        state = STATE_OF.get(demand.task_type)
        done = [t for t in things if state is None or (state, t.id) in self.states]
        full = Counter(place for thing in done for place in self.within[thing.id])
        return any(full[place.id] >= demand.count for place in catalog.places[demand.place])

    def shines(self, lamp: Item) -> bool:
        """Tell whether a lamp was switched on."""
        return "toggleable" in lamp.traits and ("isToggled", lamp.id) in self.states


class Catalog:
    """Look-up tables of a problem: names, and what there is of each kind (lower case)."""

    def __init__(self, problem: Problem) -> None:
        self.receptacles = {receptacle.id: receptacle for receptacle in problem.receptacles}
        self.items = {item.id: item for item in problem.items}
        self.names = numbered_names([*self.receptacles, *self.items])
        self.may_contain = {(place.lower(), kind.lower()) for place, kind in problem.can_contain}
        self.places: dict[str, list[Receptacle]] = defaultdict(list)
        self.things: dict[str, list[Item]] = defaultdict(list)
        for receptacle in problem.receptacles:
            if receptacle.location:
                self.places[receptacle.kind.lower()].append(receptacle)
        for item in problem.items:
            self.things[item.kind.lower()].append(item)

    def fits(self, item: Item, receptacle: Receptacle) -> bool:
        """Tell whether a thing may be put into a receptacle."""
        kinds = (receptacle.kind.lower(), item.kind.lower())
        return kinds in self.may_contain and bool(receptacle.location)


def numbered_names(ids: Iterable[str]) -> dict[str, str]:
    """Return id to name: ``mug 2``; the first of a class in the order of ids is the highest.

    Args:
        ids: All receptacles and things of a game.
    """
    classes: dict[str, list[str]] = defaultdict(list)
    for word, name in sorted((mangle(name).lower(), name) for name in ids):
        basin = "basin" if "basin" in word else ""
        classes[word.partition("_bar_")[0] + basin].append(name)
    return {
        name: f"{kind} {len(members) - i}"
        for kind, members in classes.items()
        for i, name in enumerate(members)
    }
