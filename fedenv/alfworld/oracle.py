"""The planner that knows everything: proof that a game can be solved, and an upper bound.

`plan` is a function of the true state and a client's rule. It tries every thing, appliance and
place that the goal leaves open and returns the shortest of these plans; within one choice it walks
straight: fetch, treat, bring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations

from fedenv.alfworld.demands import CLEAN, COOL, HEAT, LIGHT, Demand, read_demand
from fedenv.alfworld.household import STATE_OF, Catalog, House, Rule
from fedenv.alfworld.problem import Item, Problem, Receptacle

STEP_LIMIT = 50
APPLIANCE = {CLEAN: "sinkbasin", HEAT: "microwave", COOL: "fridge"}
TRAIT = {CLEAN: "cleanable", HEAT: "heatable", COOL: "coolable"}
VERB = {CLEAN: "clean", HEAT: "heat", COOL: "cool"}
STOCK = Rule()
"""ALFWorld's own conditions."""


class _BlockedError(Exception):
    """This choice does not lead to the goal."""


def solve(problem: Problem, rule: Rule = STOCK, limit: int = STEP_LIMIT) -> list[str] | None:
    """Return commands that solve a game from its start; see `plan`.

    Raises:
        DataError: The goal is none of the six.
    """
    return plan(House.start(problem), Catalog(problem), read_demand(problem.goal), rule, limit)


def plan(
    house: House, catalog: Catalog, demand: Demand, rule: Rule = STOCK, limit: int = STEP_LIMIT
) -> list[str] | None:
    """Return commands that reach the goal, the shortest of the plans that are tried.

    Args:
        house: The true state; it is not changed.
        catalog: Look-up tables of the same problem.
        demand: The goal.
        rule: What the client's house asks besides ALFWorld's conditions.
        limit: Longer plans do not count.

    Returns:
        The commands, none where the goal is reached already; None where no plan was found.
    """
    if house.solved(demand, catalog):
        return []
    best: list[str] | None = None
    for choice in _choices(house, catalog, demand):
        walk = _Walk(house.copy(), catalog, rule)
        try:
            walk.follow(demand, *choice)
        except _BlockedError:
            continue
        if not walk.house.solved(demand, catalog):
            continue
        if len(walk.steps) <= (limit if best is None else len(best) - 1):
            best = walk.steps
    return best


_Choice = tuple[tuple[Item, ...], Receptacle | None, Receptacle]


def _choices(house: House, catalog: Catalog, demand: Demand) -> Iterator[_Choice]:
    """Yield things, appliance and place in every combination that may differ in length."""
    things = [
        thing
        for thing in catalog.things[demand.item]
        if thing.id == house.hand
        or ("pickupable" in thing.traits and _reachable(house, catalog, thing))
    ]
    if demand.task_type == LIGHT:
        lamps = [lamp for lamp in catalog.things[demand.place] if "toggleable" in lamp.traits]
        spots = {(lamp.id, place) for lamp in lamps for place in house.within[lamp.id]}
        for thing in things:
            for _, spot in sorted(spots):
                if catalog.receptacles[spot].location:
                    yield (thing,), None, catalog.receptacles[spot]
        return
    state, trait = STATE_OF.get(demand.task_type), TRAIT.get(demand.task_type)
    things = [thing for thing in things if trait is None or trait in thing.traits]
    appliances: Sequence[Receptacle | None] = [None]
    if state is not None:
        appliances = catalog.places[APPLIANCE[demand.task_type]]
    near = {house.at, *(a.location for a in appliances if a)}
    near |= {catalog.receptacles[r].location for t in things for r in house.within[t.id]}
    for place in _distinct(house, catalog.places[demand.place], things, near):
        inside = [t for t in things if place.id in house.within[t.id]] if state is None else []
        outside = [thing for thing in things if thing not in inside]
        wanted = demand.count - len(inside)
        for group in permutations(outside, max(wanted, 0)):
            if all(catalog.fits(thing, place) for thing in group):
                yield from ((group, appliance, place) for appliance in appliances)


def _reachable(house: House, catalog: Catalog, thing: Item) -> bool:
    return any(catalog.receptacles[r].location for r in house.within[thing.id])


def _distinct(
    house: House, places: Iterable[Receptacle], things: Sequence[Item], near: set[str]
) -> Iterator[Receptacle]:
    """Yield the places, of those that cost the same only the first."""
    known: set[tuple[object, ...]] = set()
    for place in places:
        shut = place.openable and place.id not in house.opened
        where = place.location if place.location in near else ""
        inside = tuple(thing.id for thing in things if place.id in house.within[thing.id])
        key = (shut, where, inside)
        if key not in known:
            known.add(key)
            yield place


class _Walk:
    """One way through the house: changes the state and writes down the commands."""

    def __init__(self, house: House, catalog: Catalog, rule: Rule) -> None:
        self.house = house
        self.steps: list[str] = []
        self._catalog = catalog
        self._names = catalog.names
        self._rule = rule

    def follow(
        self,
        demand: Demand,
        things: Sequence[Item],
        appliance: Receptacle | None,
        place: Receptacle,
    ) -> None:
        """Fetch the things, treat them, and bring them to the place."""
        if appliance is not None and self._rule.clean_empty and demand.task_type == CLEAN:
            self._clear(appliance, set(things))
        for thing in things:
            if thing.id != self.house.hand:
                self._free_hand()
                self._take(thing)
            if appliance is not None:
                self._treat(thing, demand.task_type, appliance)
            if demand.task_type == LIGHT:
                self._switch_on(demand.place, place)
            else:
                self._put(thing, place)

    def _go(self, receptacle: Receptacle) -> None:
        if not receptacle.location:
            raise _BlockedError
        if self.house.at != receptacle.location:
            self.steps.append(f"go to {self._names[receptacle.id]}")
            self.house.at = receptacle.location

    def _door(self, receptacle: Receptacle, opened: bool) -> None:
        if (receptacle.id in self.house.opened) == opened or not receptacle.openable:
            return
        self.steps.append(f"{'open' if opened else 'close'} {self._names[receptacle.id]}")
        self.house.opened ^= {receptacle.id}

    def _take(self, thing: Item) -> None:
        homes = [self._catalog.receptacles[r] for r in self.house.within[thing.id]]
        homes = [home for home in homes if home.location]
        if not homes:
            raise _BlockedError
        here = [home for home in homes if home.location == self.house.at]
        home = (here or homes)[0]
        self._go(home)
        self._door(home, True)
        if self._rule.hidden(home, thing):
            self.steps.append(f"examine {self._names[home.id]}")
        self.steps.append(f"take {self._names[thing.id]} from {self._names[home.id]}")
        left = tuple(r for r in self.house.within[thing.id] if r != home.id)
        self.house.within[thing.id] = left
        self.house.hand = thing.id

    def _put(self, thing: Item, place: Receptacle) -> None:
        self._go(place)
        self._door(place, True)
        self.steps.append(f"move {self._names[thing.id]} to {self._names[place.id]}")
        self.house.within[thing.id] = tuple({*self.house.within[thing.id], place.id})
        self.house.hand = None

    def _treat(self, thing: Item, task_type: str, appliance: Receptacle) -> None:
        if (STATE_OF[task_type], thing.id) in self.house.states:
            return
        self._go(appliance)
        door = self._rule.door(task_type)
        if door is not None:
            self._door(appliance, door)
        names = f"{self._names[thing.id]} with {self._names[appliance.id]}"
        self.steps.append(f"{VERB[task_type]} {names}")
        undone = {HEAT: "isCool", COOL: "isHot"}.get(task_type)
        self.house.states |= {(STATE_OF[task_type], thing.id)}
        self.house.states -= {(undone or "", thing.id)}

    def _switch_on(self, kind: str, place: Receptacle) -> None:
        self._go(place)
        for lamp in self._catalog.things[kind]:
            if place.id in self.house.within[lamp.id] and "toggleable" in lamp.traits:
                if not self.house.shines(lamp):
                    self.steps.append(f"use {self._names[lamp.id]}")
                    self.house.states |= {("isToggled", lamp.id)}
                return
        raise _BlockedError

    def _free_hand(self) -> None:
        if self.house.hand is None:
            return
        thing = self._catalog.items[self.house.hand]
        self._put(thing, self._elsewhere(thing, None))

    def _clear(self, basin: Receptacle, wanted: set[Item]) -> None:
        """Take everything out of a basin but the one thing that is cleaned."""
        for thing in self._catalog.items.values():
            if basin.id in self.house.within[thing.id] and thing not in wanted:
                self._free_hand()
                self._take(thing)
                self._put(thing, self._elsewhere(thing, basin))

    def _elsewhere(self, thing: Item, apart: Receptacle | None) -> Receptacle:
        """Return where to put a thing that is in the way: here if possible, not behind a door."""
        places = [
            r
            for r in self._catalog.receptacles.values()
            if r != apart and self._catalog.fits(thing, r)
        ]
        if not places:
            raise _BlockedError
        return min(places, key=lambda r: (r.location != self.house.at, r.openable, r.id))
