"""From PDDL problem text to a `Problem`: every fact is kept, left out knowingly, or an error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from fedenv.alfworld.pddl import Expression, read, unmangle, write
from fedenv.alfworld.problem import STATES, TRAITS, Item, Problem, Receptacle
from fedenv.errors import DataError

# Predicate (lower case) to the types of its arguments.
_KEPT = {
    "atlocation": ("agent", "location"),
    "receptacleatlocation": ("receptacle", "location"),
    "objectatlocation": ("object", "location"),
    "receptacletype": ("receptacle", "rtype"),
    "objecttype": ("object", "otype"),
    "cancontain": ("rtype", "otype"),
    "openable": ("receptacle",),
    "opened": ("receptacle",),
    "inreceptacle": ("object", "receptacle"),
    "inreceptacleobject": ("object", "object"),
    **{name.lower(): ("object",) for name in (*TRAITS, *STATES)},
}
# No action, sentence or goal of ALFWorld depends on these; their ids still count in names.
_IGNORED = {
    *("wasinreceptacle", "isreceptacleobjectfull", "checked", "examined", "full", "moveable"),
    "ison",
}


class _Facts:
    """Declared names with their types, and the facts of a problem by lower-case predicate."""

    def __init__(self, sections: Mapping[str, tuple[Expression, ...]]) -> None:
        self.names: dict[str, tuple[str, str]] = {}
        # The keys of a dict are a set in the order of the text.
        self.rows: dict[str, dict[tuple[str, ...], None]] = defaultdict(dict)
        self.mentioned: set[str] = set()
        waiting: list[str] = []
        words = iter(sections[":objects"][1:])
        for word in words:
            if not isinstance(word, str):
                raise _broken("a list of names and types under :objects", write(word))
            if word != "-":
                waiting.append(word)
                continue
            kind = str(next(words, "")).lower()
            self.names.update({name.lower(): (name, kind) for name in waiting})
            waiting = []
        for fact in sections[":init"][1:]:
            self._add(fact)

    def _add(self, fact: Expression) -> None:
        predicate, *arguments = fact if isinstance(fact, tuple) and fact else ("",)
        key = str(predicate).lower()
        if key == "=":  # costs and distances
            return
        if key in _IGNORED:
            self.mentioned.update(word.lower() for word in arguments if isinstance(word, str))
            return
        if key not in _KEPT:
            raise _broken("a fact of ALFWorld's domain under :init", write(fact))
        found = [self.names.get(str(word).lower(), ("", "")) for word in arguments]
        if tuple(kind for _, kind in found) != _KEPT[key]:
            expected = f"({predicate} {' '.join(_KEPT[key])}) with declared names of these types"
            raise _broken(expected, write(fact))
        self.mentioned.update(name.lower() for name, _ in found)
        self.rows[key][tuple(name for name, _ in found)] = None

    def members(self, kind: str) -> list[str]:
        """Return the names of one type that any fact mentions, in declared spelling."""
        return [
            name for key, (name, k) in self.names.items() if k == kind and key in self.mentioned
        ]

    def values(self, predicate: str) -> dict[str, list[str]]:
        """Return first argument to second arguments of a predicate."""
        found: dict[str, list[str]] = defaultdict(list)
        for first, second in self.rows[predicate]:
            found[first].append(second)
        return found

    def single(self, predicate: str) -> dict[str, str]:
        """Return first argument to second argument, which may be only one."""
        found = self.values(predicate)
        for first, seconds in found.items():
            if len(seconds) > 1:
                raise _broken(f"one {predicate} of {first}", ", ".join(seconds))
        return {first: seconds[0] for first, seconds in found.items()}

    def flags(self, predicates: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return name to those of the one-place predicates that hold, in the given order."""
        found: dict[str, tuple[str, ...]] = defaultdict(tuple)
        for predicate in predicates:
            for (name,) in self.rows[predicate.lower()]:
                found[name] += (predicate,)
        return found


def parse_problem(text: str, task_desc: str) -> Problem:
    """Read a problem text (see `Problem.parse`)."""
    name, sections = _sections(text)
    facts = _Facts(sections)
    agents = [name for name, kind in facts.names.values() if kind == "agent"]
    starts = [place for _, place in facts.rows["atlocation"]]
    if len(agents) != 1 or len(starts) != 1:
        raise _broken("one agent at one location", f"{len(agents)} agents, {len(starts)} places")
    goal = sections[":goal"]
    if len(goal) != 2:
        raise _broken("one expression under :goal", write(goal))
    pairs = {(_kind(place), _kind(item)) for place, item in facts.rows["cancontain"]}
    return Problem(
        name=name,
        start=unmangle(starts[0]),
        receptacles=_receptacles(facts),
        items=_items(facts),
        can_contain=tuple(sorted(pairs)),
        goal=write(goal[1]),
        task_desc=task_desc,
    )


def _sections(text: str) -> tuple[str, dict[str, tuple[Expression, ...]]]:
    """Return the problem's name, and its parts by their lower-case heads."""
    problem = read(text)
    sections = {
        str(part[0]).lower(): part for part in problem[1:] if isinstance(part, tuple) and part
    }
    missing = [head for head in ("problem", ":objects", ":init", ":goal") if head not in sections]
    if missing or problem[0] != "define":
        raise _broken("(define (problem …) (:objects …) (:init …) (:goal …))", text[:60])
    return str(sections["problem"][1]), sections


def _receptacles(facts: _Facts) -> tuple[Receptacle, ...]:
    kinds, places = facts.single("receptacletype"), facts.single("receptacleatlocation")
    flags = facts.flags(("openable", "opened"))
    found = (
        Receptacle(
            id=unmangle(name),
            kind=_kind(kinds.get(name, "")),
            location=unmangle(places.get(name, "")),
            openable="openable" in flags[name],
            opened="opened" in flags[name],
        )
        for name in facts.members("receptacle")
    )
    return tuple(sorted(found, key=lambda receptacle: receptacle.id))


def _items(facts: _Facts) -> tuple[Item, ...]:
    kinds = facts.single("objecttype")
    traits, states = facts.flags(TRAITS), facts.flags(STATES)
    relations = ("inreceptacle", "objectatlocation", "inreceptacleobject")
    within, places, inside = (facts.values(relation) for relation in relations)

    def ids(names: list[str]) -> tuple[str, ...]:
        return tuple(sorted(map(unmangle, names)))

    found = (
        Item(
            id=unmangle(name),
            kind=_kind(kinds.get(name, "")),
            receptacles=ids(within[name]),
            locations=ids(places[name]),
            inside=ids(inside[name]),
            traits=traits[name],
            states=states[name],
        )
        for name in facts.members("object")
    )
    return tuple(sorted(found, key=lambda item: item.id))


def _kind(type_name: str) -> str:
    return type_name[:-4] if type_name.lower().endswith("type") else type_name


def _broken(expected: str, got: str) -> DataError:
    return DataError(
        f"problem text: expected {expected}, got {got!r}; take the pddl_problem text of "
        "an ALFWorld game (version 0.4.x) as it is"
    )
