"""What changes during an episode; a few hundred bytes over the shared house."""

from __future__ import annotations

from fedenv.alfworld.house import House

NOTHING = -1


class State:
    """The changing facts of one episode, in the numbers of its `House`.

    Attributes:
        location: Where the agent stands.
        held: The item in its hand, or `NOTHING`.
        contents: Per receptacle, the items in it, ascending.
        opened: Receptacles that are open.
        flags: Per item, the sum of its ``STATE_BITS``.
        places: Per location, the items that can be sliced there, ascending.
        removed: (item, receptacle) where the item was taken out and not put back.
        examined: Receptacles that were examined since the agent arrived or opened them. ALFWorld
            itself does not care; stages of a client may.
    """

    __slots__ = (
        *("contents", "examined", "flags", "held", "location", "opened", "places", "removed"),
    )

    def __init__(self, house: House) -> None:
        self.location = house.start
        self.held = NOTHING
        self.contents = list(house.contents)
        self.opened = set(house.opened)
        self.flags = bytearray(house.flags)
        self.places = list(house.places)
        self.removed: set[tuple[int, int]] = set()
        self.examined: set[int] = set()


def without(members: tuple[int, ...], member: int) -> tuple[int, ...]:
    """Return ascending members without one, which may be missing."""
    return tuple(other for other in members if other != member)


def with_(members: tuple[int, ...], member: int) -> tuple[int, ...]:
    """Return ascending members with one more, which may be there already."""
    return members if member in members else tuple(sorted((*members, member)))
