"""The sentences that ALFWorld answers with, word for word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fedenv.alfworld import grammar as g
from fedenv.alfworld.grammar import Command, Wording
from fedenv.alfworld.house import NOWHERE, TRAIT_BITS, House
from fedenv.alfworld.rules import CLEANED, COLD, HOT, SLICED, TOGGLED, Contents
from fedenv.alfworld.state import NOTHING, State

BANNER = "-= Welcome to TextWorld, ALFRED! =-"
NOTHING_HAPPENS = "Nothing happens."
_HOLDS_THINGS, _TOGGLEABLE = TRAIT_BITS["isReceptacleObject"], TRAIT_BITS["toggleable"]
_SLICEABLE = TRAIT_BITS["sliceable"]
# The first row whose states all hold gives the word before the name.
_LOOKS = (
    (CLEANED | HOT | SLICED, "hot and clean sliced"),
    (CLEANED | COLD | SLICED, "cool and clean sliced"),
    (CLEANED | SLICED, "clean sliced"),
    (HOT | SLICED, "hot sliced"),
    (COLD | SLICED, "cool sliced"),
    (CLEANED | HOT, "hot and clean"),
    (CLEANED | COLD, "cool and clean"),
    (HOT, "hot"),
    (CLEANED, "clean"),
    (COLD, "cold"),
)
HELP = """Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


def listing(names: Sequence[str]) -> str:
    """Return names joined as in ``"x, y, and z"``; two also get the comma; none is "nothing"."""
    if len(names) < 2:
        return names[0] if names else "nothing"
    return f"{', '.join(names[:-1])}, and {names[-1]}"


def _things(names: Iterable[str]) -> str:
    return listing([f"a {name}" for name in names])


def intro(house: House, state: State) -> str:
    """Return the first observation: banner, room and task."""
    if house.present[state.location]:
        room = look(house, state)
    else:
        placed = zip(house.receptacle_names, house.locations, strict=True)
        names = (name for name, location in placed if location != NOWHERE)
        room = _in_the_middle(names)
    return f"{BANNER}\n\n{room}\n\nYour task is to: {house.task_desc}."


def look(house: House, state: State) -> str:
    """Return the answer to "look": of things lying here only those taken out of a receptacle."""
    here = house.present[state.location]
    if not here:
        return _in_the_middle(())
    beside = (
        house.item_names[item]
        for item in state.places[state.location]
        for receptacle in here
        if (item, receptacle) in state.removed
    )
    facing = listing([house.receptacle_names[receptacle] for receptacle in here])
    return f"You are facing the {facing}. Next to it, you see {_things(beside)}."


def receptacle_text(house: House, state: State, receptacle: int, printed: Contents) -> str:
    """Return what is seen in or on a receptacle."""
    name = house.receptacle_names[receptacle]
    if receptacle not in house.openable:
        return f"On the {name}, you see {_items(house, printed(receptacle))}."
    if receptacle in state.opened:
        return f"The {name} is open. In it, you see {_items(house, printed(receptacle))}."
    return f"The {name} is closed."


def item_text(house: House, state: State, item: int) -> str:
    """Return what a held item looks like."""
    name, flags, traits = house.item_names[item], state.flags[item], house.traits[item]
    if traits & _HOLDS_THINGS:
        return f"This is a normal {name}. In it, you see {_items(house, house.nested[item])}."
    for mask, words in _LOOKS:
        if flags & mask == mask:
            return f"This is a {words} {name}."
    if traits & _TOGGLEABLE and flags & TOGGLED:
        return f"This {name} is on."
    if traits & _SLICEABLE and flags & SLICED:
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."


def feedback(
    house: House, state: State, command: Command, wording: Wording, printed: Contents
) -> str:
    """Return the answer to a command that was just carried out.

    Args:
        house: The game.
        state: After the command.
        command: What was done.
        wording: Which version of the sentences.
        printed: Receptacle to the items whose names are printed as its contents.
    """
    verb, item, other = command
    if verb == g.GO:
        return (
            f"You arrive at {_arrival(house, other, wording)}. "
            f"{receptacle_text(house, state, other, printed)}"
        )
    if verb == g.OPEN:
        text = receptacle_text(house, state, other, printed)
        return f"You open the {house.receptacle_names[other]}. {text}"
    if verb == g.CLOSE:
        return f"You close the {house.receptacle_names[other]}."
    if verb == g.EXAMINE:
        return receptacle_text(house, state, other, printed)
    if verb == g.TAKE:
        return f"You pick up the {house.item_names[item]} from the {house.receptacle_names[other]}."
    if verb == g.PUT:
        return wording.put_feedback.format(
            item=house.item_names[item], receptacle=house.receptacle_names[other]
        )
    if verb == g.LOOK:
        return look(house, state)
    if verb == g.INVENTORY:
        if state.held == NOTHING:
            return "You are not carrying anything."
        return f"You are carrying: a {house.item_names[state.held]}."
    if verb == g.HELP:
        return HELP
    if verb == g.INSPECT:
        return item_text(house, state, item)
    if verb == g.USE:
        return f"You turn on the {house.item_names[item]}."
    if verb == g.SLICE:
        return f"You sliced the {house.item_names[item]} with the {house.item_names[other]}."
    return f"You {verb} the {house.item_names[item]} using the {house.receptacle_names[other]}."


def _arrival(house: House, receptacle: int, wording: Wording) -> str:
    if wording.arrive_at_receptacle:
        return house.receptacle_names[receptacle]
    return house.location_names[house.locations[receptacle]]


def _items(house: House, items: Iterable[int]) -> str:
    return _things([house.item_names[item] for item in items])


def _in_the_middle(names: Iterable[str]) -> str:
    return f"You are in the middle of a room. Looking quickly around you, you see {_things(names)}."
