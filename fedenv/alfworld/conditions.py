"""A goal as a short list of facts to look at: what `grounding` makes of a goal expression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from fedenv.alfworld.problem import STATES

if TYPE_CHECKING:
    from fedenv.alfworld.state import State

IN, AT, HOLDS, HOLDS_ANY, FLAG, OPENED, PLACE = range(7)
FLAGS = {name.lower(): 1 << bit for bit, name in enumerate(STATES)}
FLUENTS = {
    "inreceptacle": IN,
    "atlocation": AT,
    "holds": HOLDS,
    "holdsany": HOLDS_ANY,
    "opened": OPENED,
    "objectatlocation": PLACE,
    **dict.fromkeys(FLAGS, FLAG),
}


class Fact(NamedTuple):
    """A fact to look at: its kind (`IN`, …), up to two numbers, and whether it shall hold."""

    kind: int
    first: int
    second: int
    positive: bool

    def holds(self, state: State) -> bool:
        """Tell whether the state is as asked."""
        kind, first, second, positive = self
        if kind == IN:
            found = first in state.contents[second]
        elif kind == FLAG:
            found = bool(state.flags[first] & second)
        elif kind == HOLDS:
            found = state.held == first
        elif kind == AT:
            found = state.location == first
        elif kind == HOLDS_ANY:
            found = state.held >= 0
        elif kind == OPENED:
            found = first in state.opened
        else:
            found = first in state.places[second]
        return found is positive


@dataclass(frozen=True)
class Goal:
    """All clauses shall hold; a clause holds if all facts of one of its alternatives do.

    Attributes:
        clauses: Sorted, without repetition.
    """

    clauses: tuple[tuple[tuple[Fact, ...], ...], ...]

    @cached_property
    def kinds(self) -> frozenset[int]:
        """The kinds of facts that the goal asks for."""
        return frozenset(fact.kind for clause in self.clauses for facts in clause for fact in facts)

    def holds(self, state: State) -> bool:
        """Tell whether the goal is reached."""
        for alternatives in self.clauses:
            for facts in alternatives:
                for fact in facts:
                    if not fact.holds(state):
                        break
                else:
                    break
            else:
                return False
        return True

    def progress(self, state: State) -> tuple[int, int]:
        """Return how many facts hold and how many are asked for.

        Per clause the alternative counts that lacks the fewest; for "heat some potato and put it
        in the sink" the facts are "it is hot" and "it is in a sink", of one and the same potato.
        """
        done = asked = 0
        for alternatives in self.clauses:
            counts = [
                (sum(not f.holds(state) for f in facts), len(facts)) for facts in alternatives
            ]
            missing, length = min(counts)
            done, asked = done + length - missing, asked + length
        return done, asked
