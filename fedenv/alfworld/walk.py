"""One straight way through a house, step by step, as the oracle tries it out.

Every step is one that works in the client's house: what does not work as it stands is tried again
after a look around or a turn of the door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedenv.alfworld import grammar as g
from fedenv.alfworld import rules
from fedenv.alfworld.conditions import AT, FLAG, IN, Fact
from fedenv.alfworld.grammar import Command
from fedenv.alfworld.house import NOWHERE, House
from fedenv.alfworld.stages import Stages
from fedenv.alfworld.state import NOTHING, State

TREATED_BY = {
    rules.CLEANED: (g.CLEAN, "sinkbasin"),
    rules.HOT: (g.HEAT, "microwave"),
    rules.COLD: (g.COOL, "fridge"),
}
"""State to the verb that brings it about, and the kind of receptacle that does it."""


class BlockedError(Exception):
    """This way does not lead to the goal, or not sooner than a known one."""


def fork(state: State) -> State:
    """Return a copy of a state that can be changed without changing it."""
    copy = State.__new__(State)
    copy.location, copy.held = state.location, state.held
    copy.contents, copy.places = list(state.contents), list(state.places)
    copy.opened, copy.examined = set(state.opened), set(state.examined)
    copy.flags, copy.removed = bytearray(state.flags), set(state.removed)
    return copy


def reachable(house: House, kind: str) -> list[int]:
    """Return the receptacles of a kind (lower case) that the agent can go to."""
    kinds = enumerate(house.receptacle_kinds)
    return [r for r, other in kinds if other == kind and house.locations[r] != NOWHERE]


class Walk:
    """One way through the house: changes a state and writes down the commands."""

    def __init__(self, house: House, state: State, stages: Stages, limit: int) -> None:
        self.state = state
        self.steps: list[Command] = []
        self._house = house
        self._stages = stages
        self._limit = limit

    def follow(
        self,
        targets: Sequence[tuple[int, Sequence[Fact]]],
        appliances: Mapping[int, int],
        clear: bool,
    ) -> None:
        """Bring the facts about, item by item in this order.

        Args:
            targets: Items and the facts that shall hold of them.
            appliances: State to the receptacle that brings it about.
            clear: Whether to take everything else out of an appliance before it is used.
        """
        for item, facts in targets:
            if all(fact.holds(self.state) for fact in facts):
                continue
            for fact in facts:
                if fact.kind == AT:
                    self._stand(fact.first)
            if item == NOTHING:
                continue
            if any(f.kind == FLAG and f.second == rules.TOGGLED for f in facts):
                self._switch_on(item)
                continue
            states = [f.second for f in facts if f.kind == FLAG and not f.holds(self.state)]
            if clear:
                for bit in states:
                    self._clear(appliances[bit], item)
            self._take(item)
            for bit in states:
                self._treat(item, TREATED_BY[bit][0], appliances[bit])
            for fact in facts:
                if fact.kind == IN:
                    self._put(item, fact.second)

    def _works(self, command: Command) -> bool:
        house, state, stages = self._house, self.state, self._stages

        def noticed(receptacle: int) -> Sequence[int]:
            return stages.encoding.noticed(house, state, receptacle)

        return rules.possible(house, state, command, noticed) and stages.matching.works(
            house, state, command
        )

    def _do(self, command: Command) -> None:
        if len(self.steps) >= self._limit or not self._works(command):
            raise BlockedError
        rules.apply(self._house, self.state, command)
        self.steps.append(command)

    def _go(self, receptacle: int) -> None:
        if self._house.locations[receptacle] != self.state.location:
            self._do(Command(g.GO, other=receptacle))

    def _stand(self, location: int) -> None:
        if self.state.location != location:
            present = self._house.present[location]
            if not present:
                raise BlockedError
            self._go(present[0])

    def _open(self, receptacle: int) -> None:
        if not rules.accessible(self._house, self.state, receptacle):
            self._do(Command(g.OPEN, other=receptacle))

    def _homes(self, item: int) -> list[int]:
        """Return the receptacles that hold an item and can be reached, those here first."""
        locations = self._house.locations
        holding = (r for r, contents in enumerate(self.state.contents) if item in contents)
        found = [r for r in holding if locations[r] != NOWHERE]
        return sorted(found, key=lambda r: (locations[r] != self.state.location, r))

    def _take(self, item: int) -> None:
        if self.state.held == item:
            return
        self._free_hand()
        homes = self._homes(item)
        if not homes:
            raise BlockedError
        self._go(homes[0])
        self._open(homes[0])
        command = Command(g.TAKE, item, homes[0])
        if not self._works(command):
            self._do(Command(g.EXAMINE, other=homes[0]))
        self._do(command)

    def _put(self, item: int, receptacle: int) -> None:
        self._go(receptacle)
        self._open(receptacle)
        self._do(Command(g.PUT, item, receptacle))

    def _treat(self, item: int, verb: str, appliance: int) -> None:
        self._go(appliance)
        command = Command(verb, item, appliance)
        if not self._works(command) and appliance in self._house.openable:
            is_open = appliance in self.state.opened
            self._do(Command(g.CLOSE if is_open else g.OPEN, other=appliance))
        self._do(command)

    def _switch_on(self, lamp: int) -> None:
        homes = self._homes(lamp)
        if not homes:
            raise BlockedError
        self._go(homes[0])
        self._do(Command(g.USE, lamp))

    def _free_hand(self) -> None:
        if self.state.held != NOTHING:
            self._put(self.state.held, self._elsewhere(self.state.held, NOWHERE))

    def _clear(self, appliance: int, item: int) -> None:
        for other in self.state.contents[appliance]:
            if other != item:
                self._take(other)
                self._put(other, self._elsewhere(other, appliance))

    def _elsewhere(self, item: int, apart: int) -> int:
        """Return where to put an item that is in the way: here if possible, not behind a door."""
        house = self._house
        found = [r for r in house.accepts[item] if r != apart and house.locations[r] != NOWHERE]
        if not found:
            raise BlockedError
        here = self.state.location
        return min(found, key=lambda r: (house.locations[r] != here, r in house.openable, r))
