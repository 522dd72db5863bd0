"""One game compiled for play: things and places as small numbers, shared by all its episodes.

Numbers follow the order in which TextWorld goes through facts (sorted mangled ids in lower case),
so that lists in sentences come out in its order without sorting.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fedenv.alfworld.conditions import Goal
from fedenv.alfworld.grounding import compile_goal
from fedenv.alfworld.pddl import mangle
from fedenv.alfworld.problem import STATES, TRAITS, Problem
from fedenv.errors import DataError

TRAIT_BITS = {name: 1 << bit for bit, name in enumerate(TRAITS)}
STATE_BITS = {name: 1 << bit for bit, name in enumerate(STATES)}
NOWHERE = -1


@dataclass(frozen=True, eq=False)
class House:
    """What does not change during a game, and how it starts. Immutable; threads may share it.

    Items, receptacles and locations are numbered from 0; a tuple over them is indexed by number.

    Attributes:
        task_desc: What follows "Your task is to: ".
        item_names: Names as the agent reads them, e.g. ``"mug 2"``.
        receptacle_names: The same for receptacles.
        location_names: ``"loc 7"``; only the older wording shows them.
        item_kinds: Classes in lower case.
        receptacle_kinds: Classes in lower case.
        traits: Per item, the sum of its `TRAIT_BITS`.
        accepts: Per item, the receptacles that it may be put in.
        locations: Per receptacle, where it stands; `NOWHERE` if it cannot be reached.
        present: Per location, the receptacles that stand there.
        elsewhere: Per location, the receptacles that one can go to from there, sorted by name.
        openable: Receptacles with a door.
        nested: Per item, the items inside it.
        goal: The goal over this house's numbers.
        start: Location at the start.
        contents: Per receptacle, the items in it at the start.
        places: Per location, the items that can be sliced there at the start.
        opened: Receptacles that are open at the start.
        flags: Per item, the sum of its `STATE_BITS` at the start.
        item_numbers: Name to item.
        receptacle_numbers: Name to receptacle.
    """

    task_desc: str
    item_names: tuple[str, ...]
    receptacle_names: tuple[str, ...]
    location_names: tuple[str, ...]
    item_kinds: tuple[str, ...]
    receptacle_kinds: tuple[str, ...]
    traits: tuple[int, ...]
    accepts: tuple[frozenset[int], ...]
    locations: tuple[int, ...]
    present: tuple[tuple[int, ...], ...]
    elsewhere: tuple[tuple[int, ...], ...]
    openable: frozenset[int]
    nested: tuple[tuple[int, ...], ...]
    goal: Goal
    start: int
    contents: tuple[tuple[int, ...], ...]
    places: tuple[tuple[int, ...], ...]
    opened: frozenset[int]
    flags: bytes
    item_numbers: dict[str, int] = field(repr=False)
    receptacle_numbers: dict[str, int] = field(repr=False)


def build_house(problem: Problem) -> House:
    """Compile a problem.

    Raises:
        DataError: An id is not declared or not unique, or the goal is not one over the domain.
    """
    items = sorted(problem.items, key=lambda item: mangle(item.id).lower())
    receptacles = sorted(problem.receptacles, key=lambda place: mangle(place.id).lower())
    spots = {problem.start, *(place.location for place in receptacles)}
    spots.update(spot for item in items for spot in item.locations)
    item_of = _numbers([item.id for item in items])
    receptacle_of = _numbers([place.id for place in receptacles])
    location_of = _numbers(sorted(spots - {""}, key=lambda spot: mangle(spot).lower()))
    if len({*item_of, *receptacle_of}) < len(item_of) + len(receptacle_of):
        raise DataError("expected different ids for items and receptacles, got one id twice")
    names = display_names([*item_of, *receptacle_of, *location_of])
    by_kind: dict[str, set[int]] = {}
    for place in receptacles:
        by_kind.setdefault(place.kind.lower(), set()).add(receptacle_of[place.id.lower()])
    takers: dict[str, set[int]] = {}
    for place_kind, item_kind in problem.can_contain:
        takers.setdefault(item_kind.lower(), set()).update(by_kind.get(place_kind.lower(), ()))
    frozen = {kind: frozenset(members) for kind, members in takers.items()}
    contents: list[list[int]] = [[] for _ in receptacles]
    places: list[list[int]] = [[] for _ in location_of]
    nested: list[list[int]] = [[] for _ in items]
    for number, item in enumerate(items):
        for target, ids, index in (
            (contents, item.receptacles, receptacle_of),
            (places, item.locations, location_of),
            (nested, item.inside, item_of),
        ):
            for other in ids:
                target[_find(index, other, item.id)].append(number)
    locations = tuple(
        location_of[p.location.lower()] if p.location else NOWHERE for p in receptacles
    )
    by_name = sorted(receptacle_of.values(), key=lambda r: names[receptacles[r].id.lower()])
    return House(
        task_desc=problem.task_desc,
        item_names=tuple(names[key] for key in item_of),
        receptacle_names=tuple(names[key] for key in receptacle_of),
        location_names=tuple(names[key] for key in location_of),
        item_kinds=tuple(item.kind.lower() for item in items),
        receptacle_kinds=tuple(place.kind.lower() for place in receptacles),
        traits=tuple(sum(TRAIT_BITS[trait] for trait in item.traits) for item in items),
        accepts=tuple(frozen.get(item.kind.lower(), frozenset()) for item in items),
        locations=locations,
        present=tuple(
            tuple(r for r, spot in enumerate(locations) if spot == location)
            for location in range(len(location_of))
        ),
        elsewhere=tuple(
            tuple(r for r in by_name if locations[r] not in (location, NOWHERE))
            for location in range(len(location_of))
        ),
        openable=frozenset(r for r, place in enumerate(receptacles) if place.openable),
        nested=tuple(map(tuple, nested)),
        goal=compile_goal(problem, item_of, receptacle_of, location_of),
        start=location_of[problem.start.lower()],
        contents=tuple(map(tuple, contents)),
        places=tuple(map(tuple, places)),
        opened=frozenset(r for r, place in enumerate(receptacles) if place.opened),
        flags=bytes(sum(STATE_BITS[state] for state in item.states) for item in items),
        item_numbers={names[key]: number for key, number in item_of.items()},
        receptacle_numbers={names[key]: number for key, number in receptacle_of.items()},
    )


def display_names(ids: list[str]) -> dict[str, str]:
    """Return id to name, numbered as ALFWorld does it.

    Ids are numbered within their class in sorted order, the first one gets the highest number; a
    basin adds "basin" to its class. An id without ``|`` gets no number, but a space at its end.
    """
    classes = {key: _class_name(key) for key in sorted(ids, key=mangle)}
    left = Counter(classes.values())
    names = {}
    for key, name in classes.items():
        if "|" in key:
            names[key] = f"{name} {left[name]}"
            left[name] -= 1
        else:
            names[key] = f"{key} "
    return names


def _class_name(key: str) -> str:
    name, bar, _ = key.partition("|")
    if not bar:
        return ""
    return name + "basin" if "basin" in key else name


def _numbers(ids: list[str]) -> dict[str, int]:
    return {key.lower(): number for number, key in enumerate(ids)}


def _find(index: dict[str, int], key: str, item: str) -> int:
    try:
        return index[key.lower()]
    except KeyError:
        raise DataError(
            f"item {item}: expected the id of a receptacle, location or item of the same problem, "
            f"got {key!r}; legal: {', '.join(sorted(index))}"
        ) from None
