"""From a goal expression to the facts to look at, once per game.

A goal expression (``exists``, ``forall``, ``and``, ``or``, ``not``, ``=`` over the domain's facts)
is grounded over the things of the game. What no action can change is decided at once; what is left
is a list of clauses, each of which asks for one of several alternatives, each a tuple of facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fedenv.alfworld.conditions import AT, FLAGS, FLUENTS, HOLDS, IN, PLACE, Fact, Goal
from fedenv.alfworld.pddl import Expression, mangle, read, write
from fedenv.alfworld.problem import TRAITS, Problem
from fedenv.errors import DataError

MAX_ALTERNATIVES = 5_000
_STATIC = (
    *("receptacletype", "objecttype", "cancontain", "openable", "receptacleatlocation"),
    *("inreceptacleobject", *(trait.lower() for trait in TRAITS)),
)

Alternative = frozenset[Fact]
_TRUE: frozenset[Alternative] = frozenset((frozenset(),))
_FALSE: frozenset[Alternative] = frozenset()


def compile_goal(
    problem: Problem,
    items: Mapping[str, int],
    receptacles: Mapping[str, int],
    locations: Mapping[str, int],
) -> Goal:
    """Ground the goal of a problem.

    Args:
        problem: The game.
        items: Lower-case id to number.
        receptacles: Lower-case id to number.
        locations: Lower-case id to number.

    Raises:
        DataError: The goal uses something that the domain does not have, or can never hold.
    """
    grounder = _Grounder(problem, items, receptacles, locations)
    clauses = grounder.clauses(read(problem.goal.lower()), {}, True)
    if _FALSE in clauses:
        raise DataError(
            f"goal: expected one that something in the game can fulfil, got {problem.goal!r}; "
            "nothing in the game is of the kinds that it names"
        )
    ordered = {
        tuple(sorted(tuple(sorted(facts)) for facts in clause))
        for clause in clauses
        if frozenset() not in clause
    }
    return Goal(tuple(sorted(ordered)))


class _Grounder:
    def __init__(
        self,
        problem: Problem,
        items: Mapping[str, int],
        receptacles: Mapping[str, int],
        locations: Mapping[str, int],
    ) -> None:
        kinds = {"object": items, "receptacle": receptacles, "location": locations}
        self.numbers = {mangle(key): n for index in kinds.values() for key, n in index.items()}
        self.domains = {kind: [mangle(key) for key in index] for kind, index in kinds.items()}
        self.domains["agent"] = ["agent1"]
        self.rows: dict[str, set[tuple[str, ...]]] = {name: set() for name in _STATIC}
        for predicate, *names in _static_facts(problem):
            self.rows[predicate].add(tuple(mangle(name).lower() for name in names))
        self.fixed = {
            (mangle(item.id).lower(), mangle(place).lower())
            for item in problem.items
            if "pickupable" not in item.traits
            for place in item.receptacles
        }
        self.movable = {name for (name,) in self.rows["pickupable"]}

    def clauses(
        self, part: Expression, bound: Mapping[str, str], positive: bool
    ) -> list[frozenset[Alternative]]:
        """Return what must hold one by one, each with its alternatives."""
        head = part[0] if isinstance(part, tuple) and part else ""
        if head == "not":
            return self.clauses(part[1], bound, not positive)
        if head == ("and" if positive else "or"):
            return [clause for one in part[1:] for clause in self.clauses(one, bound, positive)]
        if head == ("forall" if positive else "exists"):
            each = self._assignments(_variables(part[1]), "", bound)
            return [self.ground(part[2], values, positive) for values in each]
        return [self.ground(part, bound, positive)]

    def ground(
        self, part: Expression, bound: Mapping[str, str], positive: bool
    ) -> frozenset[Alternative]:
        """Return the alternatives under which an expression (or its negation) holds."""
        head = part[0] if isinstance(part, tuple) and part else ""
        if head == "not":
            return self.ground(part[1], bound, not positive)
        if head in ("and", "or"):
            parts = self._cheap_first(part[1:])
            inner = (self.ground(one, bound, positive) for one in parts)
            return _all(inner) if (head == "and") is positive else _any(inner)
        if head not in ("exists", "forall"):
            return self._atom(part, bound, positive)
        names, body = _variables(part[1]), part[2]
        while isinstance(body, tuple) and body[0] == head:
            names, body = [*names, *_variables(body[1])], body[2]
        only_some = (head == "exists") is positive
        hint = body if only_some and positive else ""
        each = self._assignments(names, hint, bound)
        inner = (self.ground(body, values, positive) for values in each)
        return _any(inner) if only_some else _all(inner)

    def _assignments(
        self, names: list[tuple[str, str]], hint: Expression, bound: Mapping[str, str]
    ) -> Iterable[Mapping[str, str]]:
        """Return all values of some variables, less those that cannot fulfil the hint."""
        if not names:
            yield bound
            return
        (name, kind), *rest = names
        for value in self._candidates(name, kind, hint, bound):
            yield from self._assignments(rest, hint, {**bound, name: value})

    def _candidates(
        self, name: str, kind: str, hint: Expression, bound: Mapping[str, str]
    ) -> Iterable[str]:
        """Return the values of a variable; of a hint "and", they fit the unchanging facts."""
        if kind not in self.domains:
            raise _unknown(f"type {kind}")
        values: Iterable[str] = self.domains[kind]
        for atom in hint[1:] if isinstance(hint, tuple) and hint[0] == "and" else ():
            if atom[0] not in self.rows or name not in atom[1:]:
                continue
            words = [word if word == name else bound.get(word, word) for word in map(str, atom[1:])]
            column = words.index(name)
            fits = {
                row[column]
                for row in self.rows[str(atom[0])]
                if all(w.startswith("?") or w == r for w, r in zip(words, row, strict=False))
            }
            values = [value for value in values if value in fits]
        return values

    def _cheap_first(self, parts: Iterable[Expression]) -> list[Expression]:
        return sorted(parts, key=lambda part: part[0] not in self.rows)

    def _atom(
        self, part: Expression, bound: Mapping[str, str], positive: bool
    ) -> frozenset[Alternative]:
        if not isinstance(part, tuple) or not all(isinstance(word, str) for word in part):
            raise _unknown(write(part))
        head, *words = map(str, part)
        row = tuple(bound.get(word, word) for word in words)
        if head == "=":
            return _TRUE if (row[0] == row[1]) is positive else _FALSE
        if head in self.rows:
            return _TRUE if (row in self.rows[head]) is positive else _FALSE
        if head == "inreceptacle" and row[0] not in self.movable:
            return _TRUE if (row in self.fixed) is positive else _FALSE
        if head not in FLUENTS:
            raise _unknown(head)
        return frozenset((frozenset((self._fact(head, row, positive),)),))

    def _fact(self, head: str, row: tuple[str, ...], positive: bool) -> Fact:
        kind = FLUENTS[head]
        if len(row) != (2 if kind in (IN, AT, HOLDS, PLACE) else 1):
            raise _unknown(write((head, *row)))
        try:
            numbers = [self.numbers[word] for word in row if word != "agent1"]
        except KeyError as error:
            raise _unknown(str(error)) from None
        first, second = [*numbers, FLAGS.get(head, 0), 0][:2]
        return Fact(kind, first, second, positive)


def _static_facts(problem: Problem) -> Iterable[tuple[str, ...]]:
    for place in problem.receptacles:
        yield "receptacletype", place.id, f"{place.kind}Type"
        if place.location:
            yield "receptacleatlocation", place.id, place.location
        if place.openable:
            yield "openable", place.id
    for item in problem.items:
        yield "objecttype", item.id, f"{item.kind}Type"
        yield from ((trait.lower(), item.id) for trait in item.traits)
        yield from (("inreceptacleobject", item.id, outer) for outer in item.inside)
    for place_kind, item_kind in problem.can_contain:
        yield "cancontain", f"{place_kind}Type", f"{item_kind}Type"


def _variables(names: Expression) -> list[tuple[str, str]]:
    """Return (variable, type) pairs of a typed list."""
    found: list[tuple[str, str]] = []
    waiting: list[str] = []
    words = iter(map(str, names))
    for word in words:
        if word == "-":
            kind = next(words, "")
            found += ((name, kind) for name in waiting)
            waiting = []
        else:
            waiting.append(word)
    return found


def _any(parts: Iterable[frozenset[Alternative]]) -> frozenset[Alternative]:
    found: set[Alternative] = set()
    for part in parts:
        found |= part
        if frozenset() in found:
            return _TRUE
    return frozenset(found)


def _all(parts: Iterable[frozenset[Alternative]]) -> frozenset[Alternative]:
    found = _TRUE
    for part in parts:
        found = frozenset(one | other for one in found for other in part)
        if not found:
            return _FALSE
        if len(found) > MAX_ALTERNATIVES:
            raise DataError(
                f"goal: expected at most {MAX_ALTERNATIVES} ways to fulfil it, got more; "
                "use a goal of ALFWorld's library"
            )
    return found


def _unknown(what: str) -> DataError:
    return DataError(
        f"goal: expected and, or, not, exists, forall, = and the facts "
        f"{', '.join((*_STATIC, *FLUENTS))}, got {what}"
    )
