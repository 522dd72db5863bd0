"""What of a client's house may differ from ALFWorld's: encoding, matching and rendering.

A step goes through four stages, and a family of clients replaces one of them: *content* (the
`Problem` that a house is built from, changed before it is built), *encoding* (what the agent
notices in a receptacle), *matching* (which commands work), *rendering* (what is printed). The
classes here are ALFWorld itself; subclasses say what a client has instead. Stages hold no episode:
all that changes is in the `State`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fedenv.alfworld.grammar import Command
from fedenv.alfworld.house import House
from fedenv.alfworld.state import State


class Encoding:
    """What the agent notices: what is listed, and what can be taken."""

    def noticed(self, house: House, state: State, receptacle: int) -> Sequence[int]:
        """Return the items of an accessible receptacle that the agent notices, ascending."""
        return state.contents[receptacle]


class Matching:
    """Which of the commands that the domain allows work; the others change nothing."""

    def works(self, house: House, state: State, command: Command) -> bool:
        """Tell whether a command that the domain allows works in this house."""
        return True


class Rendering:
    """What is printed as the contents of a receptacle."""

    def printed(
        self, house: House, state: State, receptacle: int, encoding: Encoding
    ) -> Sequence[int]:
        """Return the items whose names are printed as the contents of a receptacle."""
        return encoding.noticed(house, state, receptacle)


@dataclass(frozen=True)
class Stages:
    """One client's stages after the content."""

    encoding: Encoding = field(default_factory=Encoding)
    matching: Matching = field(default_factory=Matching)
    rendering: Rendering = field(default_factory=Rendering)


STOCK = Stages()
