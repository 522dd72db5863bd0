"""The command language: text to command and back, in the two wordings of the public data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fedenv.alfworld.house import House

GO, OPEN, CLOSE, TAKE, PUT = "go to", "open", "close", "take", "put"
EXAMINE, INSPECT, USE, SLICE = "examine", "inspect", "use", "slice"
HEAT, COOL, CLEAN = "heat", "cool", "clean"
LOOK, INVENTORY, HELP = "look", "inventory", "help"
_ON_RECEPTACLE = frozenset((GO, OPEN, CLOSE, EXAMINE))
_ON_ITEM = {"examine": INSPECT, "use": USE}
_WITH_RECEPTACLE = frozenset((HEAT, COOL, CLEAN))


class Command(NamedTuple):
    """One action over the numbers of a house.

    Attributes:
        verb: `GO`, … ; "examine" of a receptacle is `EXAMINE`, of an item `INSPECT`.
        item: The item, or -1.
        other: The receptacle, for `SLICE` the knife, or -1.
    """

    verb: str
    item: int = -1
    other: int = -1


@dataclass(frozen=True)
class Wording:
    """One version of ALFWorld's words for moving and putting, and its commands without a name.

    Attributes:
        version: The first version of the public data that uses it.
        put: The first word of putting something down.
        into: What stands between item and receptacle.
        put_feedback: Answer to it, with ``{item}`` and ``{receptacle}``.
        arrive_at_receptacle: Whether "You arrive at" names the receptacle or the location.
        always: The commands that can be said everywhere.
    """

    version: str
    put: str
    into: str
    put_feedback: str
    arrive_at_receptacle: bool
    always: tuple[str, ...]


MOVE = Wording(
    version="2.1.2",
    put="move",
    into=" to ",
    put_feedback="You move the {item} to the {receptacle}.",
    arrive_at_receptacle=True,
    always=(LOOK, INVENTORY, HELP),
)
PUT_IN_ON = Wording(
    version="2.1.1",
    put="put",
    into=" in/on ",
    put_feedback="You put the {item} in/on the {receptacle}.",
    arrive_at_receptacle=False,
    always=(LOOK, INVENTORY),
)
WORDINGS = {wording.version: wording for wording in (MOVE, PUT_IN_ON)}


def parse(text: str, house: House, wording: Wording) -> Command | None:
    """Return the command that a text stands for, or None if it stands for none in this house.

    Args:
        text: One line without spaces around it. Names and words are exact, as in TextWorld.
        house: Whose names are meant.
        wording: Which version of the language is spoken.
    """
    word, _, rest = text.partition(" ")
    if text.startswith("go to "):
        word, rest = GO, text[6:]
    if not rest:
        return Command(word) if word in wording.always else None
    items, receptacles = house.item_numbers, house.receptacle_numbers
    if word in _ON_RECEPTACLE and rest in receptacles:
        return Command(word, other=receptacles[rest])
    if word in _ON_ITEM and rest in items:
        return Command(_ON_ITEM[word], items[rest])
    if word == TAKE:
        verb, between = TAKE, " from "
    elif word == wording.put:
        verb, between = PUT, wording.into
    elif word == SLICE or word in _WITH_RECEPTACLE:
        verb, between = word, " with "
    else:
        return None
    first, _, second = rest.partition(between)
    others = items if verb == SLICE else receptacles
    if first in items and second in others:
        return Command(verb, items[first], others[second])
    return None


def write(command: Command, house: House, wording: Wording) -> str:
    """Return the text that stands for a command."""
    verb, item, other = command
    if verb in _ON_RECEPTACLE:
        return f"{verb} {house.receptacle_names[other]}"
    if verb == TAKE:
        return f"take {house.item_names[item]} from {house.receptacle_names[other]}"
    if verb == PUT:
        return (
            f"{wording.put} {house.item_names[item]}{wording.into}{house.receptacle_names[other]}"
        )
    if verb in _WITH_RECEPTACLE:
        return f"{verb} {house.item_names[item]} with {house.receptacle_names[other]}"
    if verb == SLICE:
        return f"slice {house.item_names[item]} with {house.item_names[other]}"
    if verb == INSPECT:
        return f"examine {house.item_names[item]}"
    return f"use {house.item_names[item]}" if verb == USE else verb
