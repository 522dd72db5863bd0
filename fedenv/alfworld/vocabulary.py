"""The words of the household: what is openable, what may lie where, which task fits which room.

The tables are facts of ALFRED (Shridhar et al., 2020) as the ``alfworld`` package carries them
(MIT; see NOTICE); ``extraction.py`` writes them to ``data/vocabulary.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent / "data"
VOCABULARY = "vocabulary.json"


@dataclass(frozen=True)
class Vocabulary:
    """Classes of things and their tables.

    Attributes:
        objects: Every class that has a type in the domain.
        movable: Classes that are carried and may hold other things.
        openable: Classes that are opened and closed.
        can_contain: Receptacle class to the classes that may be put there.
        heatable: Classes that the microwave heats.
        coolable: Classes that the fridge cools.
        cleanable: Classes that the sink cleans.
        sliceable: Classes that a knife slices.
        toggleable: Classes that are switched on.
        rooms: Task type to the rooms in which it is set.
    """

    objects: tuple[str, ...]
    movable: frozenset[str]
    openable: frozenset[str]
    can_contain: Mapping[str, frozenset[str]]
    heatable: frozenset[str]
    coolable: frozenset[str]
    cleanable: frozenset[str]
    sliceable: frozenset[str]
    toggleable: frozenset[str]
    rooms: Mapping[str, frozenset[str]]

    @property
    def receptacles(self) -> frozenset[str]:
        """Classes of furniture that hold things and stay where they are."""
        return frozenset(self.can_contain) - self.movable


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """Return the shipped vocabulary."""
    tables = json.loads((FOLDER / VOCABULARY).read_text(encoding="utf-8"))
    sets = {name: frozenset(words) for name, words in tables["classes"].items()}
    return Vocabulary(
        objects=tuple(tables["objects"]),
        can_contain=_sets(tables["can_contain"]),
        rooms=_sets(tables["rooms"]),
        **sets,
    )


def _sets(table: Mapping[str, list[str]]) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({key: frozenset(words) for key, words in table.items()})
