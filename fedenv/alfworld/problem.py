"""The facts of one game: what stands where, what can be done with it, and the goal.

A `Problem` is the compact form of ALFWorld's PDDL problem text, one value for a game wherever it
comes from: `Problem.parse` reads a real file, a generator builds one directly, and
`Problem.to_pddl` writes the text that ALFWorld itself would load. Ids are those of AI2-THOR
(``Mug|+01.84|+01.63|+00.54``); kinds are class names without the suffix ``Type``.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAITS = (
    *("pickupable", "isReceptacleObject", "cleanable", "heatable", "coolable"),
    *("toggleable", "sliceable"),
)
STATES = ("isClean", "isHot", "isCool", "isToggled", "isSliced")


@dataclass(frozen=True)
class Receptacle:
    """A fixed place that holds things.

    Attributes:
        id: AI2-THOR id; a sink's basin ends in ``|SinkBasin``.
        kind: Class, e.g. ``"Cabinet"``; empty if the text gives none.
        location: Where the agent stands at it, ``"loc|x|z|rotation|horizon"``; several may share
            one. Empty if it cannot be reached: then it is never mentioned, but counts in names.
        openable: Whether it has a door. Real files leave this out for doors that are blocked.
        opened: Whether the door is open at the start.
    """

    id: str
    kind: str
    location: str = ""
    openable: bool = False
    opened: bool = False


@dataclass(frozen=True)
class Item:
    """A thing, whether it can be carried or not.

    Attributes:
        id: AI2-THOR id.
        kind: Class, e.g. ``"Mug"``; empty if the text gives none.
        receptacles: Ids of the receptacles that it is in. Usually one or none, but two overlapping
            ones may both count (a mug in the coffee machine on the countertop).
        locations: Where it can be sliced, and is "next to" the agent after it was taken away
            there. Usually the location of its receptacle.
        inside: Ids of the movable receptacles (items) that it is in; nothing changes that.
        traits: Sorted as in `TRAITS`.
        states: What holds at the start, sorted as in `STATES`.
    """

    id: str
    kind: str
    receptacles: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """One game. Equal facts are equal values: the tuples are sorted by id.

    Attributes:
        name: Name of the problem, e.g. ``"plan_trial_T20190908_231731_054988"``.
        start: Location of the agent at the start.
        receptacles: All fixed places, sorted by id.
        items: All things, sorted by id. Every id counts in the numbering of names ("mug 2"), also
            of what stands nowhere.
        can_contain: Sorted pairs (receptacle kind, item kind): what may be put where.
        goal: The goal as a PDDL expression on one line, e.g. from `fedenv.alfworld.goals`.
        task_desc: What follows "Your task is to: ", without the full stop.
    """

    name: str
    start: str
    receptacles: tuple[Receptacle, ...]
    items: tuple[Item, ...]
    can_contain: tuple[tuple[str, str], ...]
    goal: str
    task_desc: str

    @classmethod
    def parse(cls, problem_text: str, task_desc: str) -> Problem:
        """Read the problem text of a game (``pddl_problem`` or ``initial_state.pddl``).

        Raises:
            DataError: The text is no problem of ALFWorld's domain; the message names the fact.
        """
        from fedenv.alfworld.reading import parse_problem

        return parse_problem(problem_text, task_desc)

    def to_pddl(self) -> str:
        """Return the problem text in the form of the real files; `parse` gives back this value."""
        from fedenv.alfworld.writing import problem_text

        return problem_text(self)
