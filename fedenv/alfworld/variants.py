"""The environment-level variants: what of ALFWorld's house each client has otherwise.

Four stages, one variant each: content (Inventory Split), encoding (Visibility Mask), matching (Door
Rule), rendering (Shifted Contents). Commands, sentences and reward stay; only transitions differ.
A client's rule follows from its index: from frozen draws named by (variant, federation seed,
client, class), from the paper's Algorithm 6 where there is a pool (Door Rule), or from the index
itself (Shifted Contents).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fedenv import seeding
from fedenv.alfworld import grammar, rules
from fedenv.alfworld.grammar import Command
from fedenv.alfworld.house import NOWHERE, House
from fedenv.alfworld.problem import Problem
from fedenv.alfworld.stages import STOCK, Encoding, Matching, Rendering, Stages
from fedenv.alfworld.state import State
from fedenv.alfworld.vocabulary import vocabulary
from fedenv.errors import ConfigError

STAGES = ("content", "encoding", "matching", "rendering")
LAMPS = frozenset(("desklamp", "floorlamp"))
_NAMED = re.compile(r"\?\w+ (\w+)Type\b", re.IGNORECASE)


@dataclass(frozen=True)
class InventorySplit:
    """Content: some classes of portable things do not exist in the client's houses.

    What a game's goal names and lamps exist for every client, so that every task stays solvable;
    furniture and other things that cannot be carried stay, too.

    Attributes:
        absent: The classes, in lower case.
    """

    absent: frozenset[str]

    def apply(self, problem: Problem) -> Problem:
        """Return a game without the things that this client does not have."""
        kept = {kind.lower() for kind in _NAMED.findall(problem.goal)} | LAMPS
        if "sliced" in problem.goal.lower():
            kept |= rules.KNIVES
        gone = {
            item.id
            for item in problem.items
            if "pickupable" in item.traits and item.kind.lower() in self.absent - kept
        }
        items = (
            replace(item, inside=tuple(other for other in item.inside if other not in gone))
            for item in problem.items
            if item.id not in gone
        )
        return replace(problem, items=tuple(items))


@dataclass(frozen=True)
class VisibilityMask(Encoding):
    """Encoding: on arriving and opening, things of some classes are overlooked until ``examine``.

    What is overlooked is neither listed nor can it be taken. A lamp can be used all the same.

    Attributes:
        overlooked: The classes, in lower case.
    """

    overlooked: frozenset[str]

    def noticed(self, house: House, state: State, receptacle: int) -> Sequence[int]:
        """Return all items of an examined receptacle, else those of the classes that are seen."""
        contents = state.contents[receptacle]
        if receptacle in state.examined:
            return contents
        return tuple(item for item in contents if house.item_kinds[item] not in self.overlooked)


@dataclass(frozen=True)
class DoorRule(Matching):
    """Matching: when an appliance heats or cools, and whether a basin with things in it cleans.

    Attributes:
        heat: The door with which a microwave heats: ``"open"`` or ``"closed"``.
        cool: The door with which a fridge cools.
        empty_basin: Whether a basin cleans only while nothing that can be carried lies in it.
    """

    heat: str
    cool: str
    empty_basin: bool

    def works(self, house: House, state: State, command: Command) -> bool:
        """Tell whether the appliance does it; one without a door always does."""
        verb, _, place = command
        if verb == grammar.CLEAN:
            return not self.empty_basin or not any(
                house.traits[item] & rules.PICKUPABLE for item in state.contents[place]
            )
        if verb not in (grammar.HEAT, grammar.COOL) or place not in house.openable:
            return True
        door = self.heat if verb == grammar.HEAT else self.cool
        return (place in state.opened) is (door == "open")


@dataclass(frozen=True)
class ShiftedContents(Rendering):
    """Rendering: a receptacle is printed with the contents of another one of its class.

    Attributes:
        shift: How many numbers further the printed one is ("cabinet 1" shows "cabinet 1 + shift"),
            round and round.
    """

    shift: int

    def printed(
        self, house: House, state: State, receptacle: int, encoding: Encoding
    ) -> Sequence[int]:
        """Return the items whose names are printed as the contents of a receptacle."""
        kind = house.receptacle_kinds[receptacle]
        same = [
            other
            for other, spot in enumerate(house.locations)
            if house.receptacle_kinds[other] == kind and spot != NOWHERE
        ]  # in the order of sorted ids, which is that of falling numbers
        shown = same[(same.index(receptacle) - self.shift) % len(same)]
        return encoding.noticed(house, state, shown)


DOOR_RULES = (
    DoorRule("open", "open", True),
    DoorRule("closed", "closed", False),
    DoorRule("open", "closed", True),
    DoorRule("closed", "open", False),
)


@dataclass(frozen=True)
class Variant:
    """One family of client-specific environments.

    Attributes:
        name: Key in ``VARIANTS``.
        stage: The stage that differs between clients; None for ALFWorld's own house.
        knobs: Names and defaults of the keyword arguments that only this variant has.
        pool: The rules that clients are assigned from, where there is a pool.
    """

    name: str
    stage: str | None = None
    knobs: Mapping[str, Any] = field(default_factory=dict)
    pool: tuple[DoorRule, ...] = ()


VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("none"),
        Variant("inventory-split", "content", {"keep_ratio": 0.5}),
        Variant("visibility-mask", "encoding", {"visible_ratio": 0.5}),
        Variant("door-rule", "matching", {"pool_size": 4}, DOOR_RULES),
        Variant("shifted-contents", "rendering"),
    )
}


@dataclass(frozen=True)
class ClientHouse:
    """What one client has otherwise.

    Attributes:
        pool_index: Its entry of the pool; None without a pool.
        change: What its variant's stage does, JSON only; empty for ALFWorld's own house.
        content: How its games are changed before they are compiled; None for not at all.
        stages: The other three stages.
    """

    pool_index: int | None = None
    change: Mapping[str, Any] = field(default_factory=dict)
    content: InventorySplit | None = None
    stages: Stages = STOCK


REFERENCE = ClientHouse()


def client_house(
    variant: Variant, knobs: Mapping[str, Any], client_id: int, federation_seed: int
) -> ClientHouse:
    """Return what a client has otherwise, in every round.

    Args:
        variant: The family.
        knobs: The variant's knobs, resolved.
        client_id: 0-based client index.
        federation_seed: The paper's seed sigma_0.
    """
    if variant.name == "inventory-split":
        absent = _left_out(variant.name, federation_seed, client_id, knobs["keep_ratio"])
        change = {"absent": sorted(absent)}
        return ClientHouse(None, change, InventorySplit(absent)) if absent else REFERENCE
    if variant.name == "visibility-mask":
        overlooked = _left_out(variant.name, federation_seed, client_id, knobs["visible_ratio"])
        change = {"overlooked": sorted(overlooked)}
        stages = Stages(encoding=VisibilityMask(overlooked))
        return ClientHouse(None, change, stages=stages) if overlooked else REFERENCE
    if variant.name == "door-rule":
        index = seeding.pool_index(client_id, knobs["pool_size"], federation_seed)
        rule = variant.pool[index]
        return ClientHouse(index, asdict(rule), stages=Stages(matching=rule))
    if variant.name == "shifted-contents":
        shifted = ShiftedContents(client_id + 1)
        return ClientHouse(None, asdict(shifted), stages=Stages(rendering=shifted))
    return REFERENCE


def _left_out(variant: str, federation_seed: int, client_id: int, ratio: float) -> frozenset[str]:
    """Return the classes that a client goes without: one frozen draw per class, at most `ratio`."""
    kinds = (kind.lower() for kind in vocabulary().objects)
    path = ("alfworld", variant, federation_seed, client_id)
    return frozenset(kind for kind in kinds if seeding.uniform_for(*path, kind) >= ratio)


def rule_label(rule: DoorRule) -> str:
    """Return a short name of an entry of the pool, for tables and figures."""
    basin = ", empty basin" if rule.empty_basin else ""
    return f"heat {rule.heat}, cool {rule.cool}{basin}"


def resolve_knobs(variant: Variant, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a variant's knobs with defaults filled in.

    Raises:
        ConfigError: A knob has the wrong type or is out of range.
    """
    knobs = {}
    for name, default in variant.knobs.items():
        value = given.get(name)
        knobs[name] = default if value is None else value
    size = knobs.get("pool_size")
    if size is not None and not (type(size) is int and 1 <= size <= len(variant.pool)):
        raise ConfigError(f"pool_size must be an integer in 1..{len(variant.pool)}, got {size!r}")
    for name in ("keep_ratio", "visible_ratio"):
        if name in knobs:
            value = knobs[name]
            if type(value) not in (int, float) or not 0.0 <= value <= 1.0:
                raise ConfigError(f"{name} must be a number in [0, 1], got {value!r}")
            knobs[name] = float(value)
    return knobs
