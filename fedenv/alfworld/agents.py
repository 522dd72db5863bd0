"""A scripted agent for ALFWorld that reads only what any agent reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from fedenv.alfworld.goals import TASK_TYPES
from fedenv.alfworld.observations import (
    FAILED,
    Request,
    kind_of,
    read_closed,
    read_contents,
    read_places,
    read_request,
    read_takes,
)
from fedenv.alfworld.vocabulary import vocabulary

PLACE, LIGHT, CLEAN, HEAT, COOL, TWO = TASK_TYPES
_APPLIANCES = {CLEAN: ("clean", "sinkbasin"), HEAT: ("heat", "microwave"), COOL: ("cool", "fridge")}
_AS_IT_IS, _TURN, _TURNED = range(3)
_PUT = ("move {} to {}", "put {} in/on {}")


class KeywordAgent:
    """Searches the likely places for the thing, treats it, and brings it where it belongs.

    It remembers what it was shown. Open furniture comes before doors, and what may hold the thing
    (by common sense: the public word tables) before what may not. Where everything was seen without
    success it looks again more closely (``examine``). If an appliance does not work it tries with
    the door the other way. Offered commands are a second source of what lies where; it works
    without them.
    """

    def __init__(self, env: gymnasium.Env[str, str], rng: np.random.Generator) -> None:
        self._begin(None, [])

    def reset(self, observation: str, info: Mapping[str, Any]) -> None:
        """Read the task and the places."""
        places = read_places(observation, info["admissible_actions"])
        self._begin(read_request(observation), places)
        self._notice(observation, info)

    def act(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return the next action; "look" where the agent is at its wits' end."""
        self._notice(observation, info)
        self._last = self._next(info["admissible_actions"])
        return self._last

    def _begin(self, request: Request | None, places: list[str]) -> None:
        self._request = request
        self._places = sorted(places, key=self._unlikely)
        self._seen: dict[str, tuple[str, ...]] = {}
        self._closed: set[str] = set()
        self._examined: set[str] = set()
        self._wrong: set[tuple[str, str]] = set()
        self._treated: set[str] = set()
        self._at = self._hand = self._goal = self._last = ""
        self._door = _AS_IT_IS
        self._wording = 0

    def _unlikely(self, place: str) -> tuple[bool, bool, int, str, int]:
        """Return the key by which places are searched, the likely ones first."""
        kind, _, number = place.rpartition(" ")
        request = self._request
        table = {name.lower(): things for name, things in vocabulary().can_contain.items()}
        may_hold = {thing.lower() for thing in table.get(kind, ())}
        fits = request is not None and request.item in may_hold and kind != request.place
        door = kind in {name.lower() for name in vocabulary().openable}
        return not fits, door, -len(may_hold), kind, int(number)

    def _notice(self, observation: str, info: Mapping[str, Any]) -> None:
        verb, _, rest = self._last.partition(" ")
        if observation == FAILED:
            self._fail(verb, rest)
        elif verb == "go":
            self._at = rest.removeprefix("to ")
        elif verb == "open":
            self._closed.discard(rest)
        elif verb == "examine":
            self._examined.add(rest)
        elif verb == "take":
            self._hand = rest.partition(" from ")[0]
            self._forget(self._hand)
        elif verb in ("move", "put"):
            self._hand = ""
        elif verb in ("clean", "heat", "cool"):
            self._treated.add(self._hand)
        closed, listed = read_closed(observation), read_contents(observation)
        if closed:
            self._closed.add(closed)
        if listed:
            self._seen[listed[0]] = listed[1]
        if not self._hand:
            for place, things in read_takes(info["admissible_actions"]).items():
                known = self._seen.get(place, ())
                self._seen[place] = (*known, *(t for t in things if t not in known))
        self._last = ""

    def _fail(self, verb: str, rest: str) -> None:
        if verb == "go":  # it stands there already: some places are reached from one spot
            self._at = rest.removeprefix("to ")
        elif verb == "take":
            thing, _, place = rest.partition(" from ")
            self._wrong.add((thing, place))
        elif verb in ("move", "put"):
            self._wording = 1 - self._wording
        elif verb in ("clean", "heat", "cool"):
            if self._door == _TURNED:
                self._treated.add(self._hand)  # it cannot be helped
            self._door = _TURN if self._door == _AS_IT_IS else _AS_IT_IS
        elif verb == "open":
            self._closed.discard(rest)
            self._seen.setdefault(rest, ())
        elif verb == "examine":
            self._examined.add(rest)
            self._seen.setdefault(rest, ())

    def _forget(self, thing: str) -> None:
        for place, things in self._seen.items():
            self._seen[place] = tuple(other for other in things if other != thing)

    def _next(self, admissible: list[str]) -> str:
        request = self._request
        if request is None:
            return "look"
        if self._hand:
            if request.task_type == LIGHT:
                lamp, place = self._find(request.place)
                return self._reach(place, f"use {lamp}") if lamp else self._search()
            if request.task_type in _APPLIANCES and self._hand not in self._treated:
                return self._treat(*_APPLIANCES[request.task_type])
            return self._bring(admissible)
        if request.task_type == TWO and not self._goal:
            self._goal = next(filter(self._holding, self._kind(request.place)), "")
        thing, place = self._find(request.item)
        if thing:
            return self._reach(place, f"take {thing} from {place}", inside=True)
        return self._search()

    def _kind(self, kind: str) -> list[str]:
        """Return the places of a kind."""
        return [place for place in self._places if kind_of(place) == kind]

    def _find(self, kind: str) -> tuple[str, str]:
        """Return a thing of a kind and where it was seen, not where it belongs; or empty texts."""
        for place in self._places:
            for thing in self._seen.get(place, ()) if place != self._goal else ():
                if kind_of(thing) == kind and (thing, place) not in self._wrong:
                    return thing, place
        return "", ""

    def _reach(self, place: str, command: str, inside: bool = False) -> str:
        """Return the command if the agent is at a place, else what brings it nearer."""
        if self._at != place:
            return f"go to {place}"
        return f"open {place}" if inside and place in self._closed else command

    def _treat(self, verb: str, kind: str) -> str:
        appliance = next(iter(self._kind(kind)), "")
        if not appliance:
            return self._search()
        if self._at == appliance and self._door == _TURN:
            self._door = _TURNED
            return f"{'open' if appliance in self._closed else 'close'} {appliance}"
        return self._reach(appliance, f"{verb} {self._hand} with {appliance}")

    def _bring(self, admissible: list[str]) -> str:
        assert self._request is not None
        self._goal = self._goal or next(iter(self._kind(self._request.place)), "")
        if not self._goal:
            return self._search()
        commands = [form.format(self._hand, self._goal) for form in _PUT]
        offered = [command for command in commands if command in admissible]
        return self._reach(self._goal, [*offered, commands[self._wording]][0], inside=True)

    def _holding(self, place: str) -> int:
        """Return how many of the asked things were seen in a place."""
        item = self._request.item if self._request else ""
        return sum(kind_of(thing) == item for thing in self._seen.get(place, ()))

    def _search(self) -> str:
        for place in self._places:
            if place not in self._seen:
                if place in self._closed:
                    return self._reach(place, f"open {place}", inside=True)
                return self._reach(place, f"examine {place}")
        for place in self._places:
            if place not in self._examined:
                return self._reach(place, f"examine {place}", inside=True)
        return "look"
