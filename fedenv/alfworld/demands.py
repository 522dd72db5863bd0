"""What a goal asks for, in a form that a planner and a scripted agent can work with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fedenv.alfworld.goals import TASK_TYPES
from fedenv.alfworld.pddl import Expression, read
from fedenv.errors import DataError

PLACE, LIGHT, CLEAN, HEAT, COOL, TWO = TASK_TYPES
_STATES = {"isclean": CLEAN, "ishot": HEAT, "iscool": COOL}


@dataclass(frozen=True)
class Demand:
    """One of the six goals.

    Attributes:
        task_type: One of ``goals.TASK_TYPES``.
        item: Kind of the thing, lower case.
        place: Kind of the receptacle, or of the lamp for ``look_at_obj_in_light``, lower case.
    """

    task_type: str
    item: str
    place: str

    @property
    def count(self) -> int:
        """How many things are asked for."""
        return 2 if self.task_type == TWO else 1


def read_demand(goal: str) -> Demand:
    """Return what a goal asks for.

    Args:
        goal: A goal as in ``Problem.goal``.

    Raises:
        DataError: It is none of the six (sliced things, movable receptacles).
    """
    facts = list(_facts(read(goal)))
    heads = {fact[0] for fact in facts}
    kinds = {fact[1]: fact[2].removesuffix("type") for fact in facts if fact[0] == "objecttype"}
    places = [fact[2].removesuffix("type") for fact in facts if fact[0] == "receptacletype"]
    held = [kinds[fact[2]] for fact in facts if fact[0] == "holds" and fact[2] in kinds]
    lamps = [kinds[fact[1]] for fact in facts if fact[0] == "istoggled" and fact[1] in kinds]
    other = heads & {"issliced", "isreceptacleobject", "inreceptacleobject"}
    treated = [task for state, task in _STATES.items() if state in heads]
    if not other and held and lamps:
        return Demand(LIGHT, held[0], lamps[0])
    if not other and len(set(places)) == 1 and len(set(kinds.values())) == 1 and len(treated) < 2:
        item = next(iter(kinds.values()))
        if len(kinds) == 1:
            return Demand(treated[0] if treated else PLACE, item, places[0])
        if len(kinds) == 2 and not treated:
            return Demand(TWO, item, places[0])
    raise DataError(f"expected a goal of one of the types {', '.join(TASK_TYPES)}; got {goal}")


def _facts(expression: Expression) -> Iterator[tuple[str, ...]]:
    """Yield every fact of a goal, lower case."""
    if isinstance(expression, str):
        return
    if all(isinstance(part, str) for part in expression):
        yield tuple(str(part).lower() for part in expression)
    for part in expression:
        yield from _facts(part)
