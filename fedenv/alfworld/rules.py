"""Preconditions and effects of ALFWorld's actions, as its domain grants them.

One hand; a door matters for taking and putting, not for heating, cooling, cleaning or using; only a
sink's basin cleans; a lamp is only ever switched on; only what is held can be examined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fedenv.alfworld import grammar as g
from fedenv.alfworld.conditions import AT, FLAG, HOLDS, HOLDS_ANY, IN, OPENED, PLACE
from fedenv.alfworld.grammar import Command
from fedenv.alfworld.house import NOWHERE, STATE_BITS, TRAIT_BITS, House
from fedenv.alfworld.state import NOTHING, State, with_, without

PICKUPABLE, TOGGLEABLE, SLICEABLE = (
    TRAIT_BITS[name] for name in ("pickupable", "toggleable", "sliceable")
)
CLEANED, HOT, COLD, TOGGLED, SLICED = (
    STATE_BITS[name] for name in ("isClean", "isHot", "isCool", "isToggled", "isSliced")
)
# Verb to the trait of the item, the kind of the receptacle, the state gained and the state lost.
_TREATMENTS = {
    g.CLEAN: (TRAIT_BITS["cleanable"], "sinkbasin", CLEANED, 0),
    g.HEAT: (TRAIT_BITS["heatable"], "microwave", HOT, COLD),
    g.COOL: (TRAIT_BITS["coolable"], "fridge", COLD, HOT),
}
ALWAYS = (Command(g.LOOK), Command(g.INVENTORY), Command(g.HELP))
KNIVES = frozenset(("knife", "butterknife"))
# Verb to the kinds of facts that it changes.
CHANGES = {
    g.GO: frozenset((AT,)),
    g.OPEN: frozenset((OPENED,)),
    g.CLOSE: frozenset((OPENED,)),
    g.TAKE: frozenset((IN, HOLDS, HOLDS_ANY, PLACE)),
    g.PUT: frozenset((IN, HOLDS, HOLDS_ANY, PLACE)),
    **dict.fromkeys((g.USE, g.SLICE, *_TREATMENTS), frozenset((FLAG,))),
    **dict.fromkeys((g.EXAMINE, g.INSPECT, g.LOOK, g.INVENTORY, g.HELP), frozenset[int]()),
}
Contents = Callable[[int], Sequence[int]]


def accessible(house: House, state: State, receptacle: int) -> bool:
    """Tell whether things can be taken out of and put into a receptacle: it has no closed door."""
    return receptacle not in house.openable or receptacle in state.opened


def possible(house: House, state: State, command: Command, noticed: Contents) -> bool:
    """Tell whether the domain allows a command.

    Args:
        house: The game.
        state: Where it stands.
        command: What is tried.
        noticed: Receptacle to the items that the agent can take out of it.
    """
    verb, item, other = command
    here, held = state.location, state.held
    if command in ALWAYS:
        return True
    if verb == g.INSPECT:
        return item == held
    if verb == g.SLICE:
        return (
            other == held
            and house.item_kinds[other] in KNIVES
            and bool(house.traits[item] & SLICEABLE)
            and item in state.places[here]
        )
    if verb == g.USE:
        return bool(house.traits[item] & TOGGLEABLE) and any(
            item in state.contents[receptacle] for receptacle in house.present[here]
        )
    if verb == g.GO:
        return house.locations[other] not in (here, NOWHERE)
    if house.locations[other] != here:
        return False
    if verb == g.EXAMINE:
        return True
    if verb == g.OPEN:
        return other in house.openable and other not in state.opened
    if verb == g.CLOSE:
        return other in house.openable and other in state.opened
    if verb == g.TAKE:
        return (
            held == NOTHING
            and bool(house.traits[item] & PICKUPABLE)
            and accessible(house, state, other)
            and item in noticed(other)
        )
    if item != held:
        return False
    if verb == g.PUT:
        return other in house.accepts[item] and accessible(house, state, other)
    trait, kind, _, _ = _TREATMENTS[verb]
    return bool(house.traits[item] & trait) and house.receptacle_kinds[other] == kind


def nearby(
    house: House, state: State, noticed: Contents, usable: Contents | None = None
) -> list[Command]:
    """Return the commands that the domain allows here, except going and those of `ALWAYS`.

    Args:
        house: The game.
        state: Where it stands.
        noticed: Receptacle to the items that can be taken out of it.
        usable: Receptacle to the items in it, of which lamps can be used; None for what is there.
    """
    usable = usable or state.contents.__getitem__
    here, held = state.location, state.held
    found: list[Command] = []
    for receptacle in house.present[here]:
        found.append(Command(g.EXAMINE, other=receptacle))
        if receptacle in house.openable:
            verb = g.CLOSE if receptacle in state.opened else g.OPEN
            found.append(Command(verb, other=receptacle))
        for item in usable(receptacle):
            use = Command(g.USE, item)
            if house.traits[item] & TOGGLEABLE and use not in found:
                found.append(use)
        if not accessible(house, state, receptacle):
            continue
        if held == NOTHING:
            items = noticed(receptacle)
            takes = (i for i in items if house.traits[i] & PICKUPABLE)
            found += (Command(g.TAKE, item, receptacle) for item in takes)
        elif receptacle in house.accepts[held]:
            found.append(Command(g.PUT, held, receptacle))
    return found if held == NOTHING else found + _with_held(house, state)


def _with_held(house: House, state: State) -> list[Command]:
    """Return what can be done with the held item, except putting it down."""
    here, held = state.location, state.held
    found = [Command(g.INSPECT, held)]
    for verb, (trait, kind, _, _) in _TREATMENTS.items():
        if house.traits[held] & trait:
            fits = (r for r in house.present[here] if house.receptacle_kinds[r] == kind)
            found += (Command(verb, held, receptacle) for receptacle in fits)
    if house.item_kinds[held] in KNIVES:
        sliceable = (i for i in state.places[here] if house.traits[i] & SLICEABLE)
        found += (Command(g.SLICE, item, held) for item in sliceable)
    return found


def apply(house: House, state: State, command: Command) -> None:
    """Change the state as a possible command does."""
    verb, item, other = command
    here = state.location
    if verb == g.GO:
        state.location = house.locations[other]
        state.examined.clear()
    elif verb == g.OPEN:
        state.opened.add(other)
        state.examined.discard(other)
    elif verb == g.CLOSE:
        state.opened.discard(other)
    elif verb == g.EXAMINE:
        state.examined.add(other)
    elif verb == g.TAKE:
        state.contents[other] = without(state.contents[other], item)
        state.places[here] = without(state.places[here], item)
        state.removed.add((item, other))
        state.held = item
    elif verb == g.PUT:
        state.contents[other] = with_(state.contents[other], item)
        state.places[here] = with_(state.places[here], item)
        state.removed.discard((item, other))
        state.held = NOTHING
    elif verb == g.USE:
        state.flags[item] |= TOGGLED
    elif verb == g.SLICE:
        state.flags[item] |= SLICED
    elif verb in _TREATMENTS:
        _, _, gained, lost = _TREATMENTS[verb]
        state.flags[item] = (state.flags[item] | gained) & ~lost
