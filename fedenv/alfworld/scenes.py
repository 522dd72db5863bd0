"""The 120 floor plans on which the bundled games are set: 30 of each of four rooms.

Receptacles, the points from which they are reached, and the classes of objects are AI2-THOR's, as
the ``alfworld`` package carries them (MIT; see NOTICE). What real games hold besides and the
package does not place (stove burners, coffee machine, lamps, windows) was added once by
``fixtures.py``. Everything is in ``data/scenes.json.gz``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from fedenv.alfworld.vocabulary import FOLDER
from fedenv.data import read_bytes

SCENES = "scenes.json.gz"
ROOMS = ("Kitchen", "", "LivingRoom", "Bedroom", "Bathroom")
"""Room of a floor plan by the hundreds of its number."""

HELD_OUT = range(1, 7)
"""The last two digits of the floor plans that no training game is set on, in every room."""


class Pose(NamedTuple):
    """Where the agent stands: grid steps of 0.25 m, quarter turns, degrees downwards."""

    x: int
    z: int
    rotation: int
    horizon: int

    @property
    def id(self) -> str:
        """The location's name in AI2-THOR's way."""
        return f"loc|{self.x}|{self.z}|{self.rotation}|{self.horizon}"


@dataclass(frozen=True)
class Fixture:
    """An object that is part of the room.

    Attributes:
        id: ``Class|x|y|z``.
        pose: From where it is seen.
        receptacle: What it stands on, None where it stands on nothing.
    """

    id: str
    pose: Pose
    receptacle: str | None


@dataclass(frozen=True)
class Scene:
    """One floor plan.

    Attributes:
        number: 1-30 kitchens, 201-230 living rooms, 301-330 bedrooms, 401-430 bathrooms.
        classes: Classes of all things in the room, sorted.
        points: Grid points on which the agent can stand, sorted.
        receptacles: Id to the pose from which it is reached, sorted by id.
        fixtures: Objects that stay where they are, sorted by id.
    """

    number: int
    classes: tuple[str, ...]
    points: tuple[tuple[int, int], ...]
    receptacles: Mapping[str, Pose]
    fixtures: tuple[Fixture, ...]

    @property
    def room(self) -> str:
        """Kitchen, LivingRoom, Bedroom or Bathroom."""
        return ROOMS[self.number // 100]

    @property
    def held_out(self) -> bool:
        """Whether the floor plan is kept for games of unseen rooms."""
        return self.number % 100 in HELD_OUT


def class_of(thing: str) -> str:
    """Return the class of an id; of ``Sink|+01.10|+00.91|-01.60|SinkBasin`` it is SinkBasin."""
    name, *_, last = thing.split("|")
    return f"{name}Basin" if last.endswith("Basin") else name


def position(x: int, y: int, z: int) -> str:
    """Return a position, in centimetres, as it stands in an id."""
    return "|".join(
        f"{'-' if v < 0 else '+'}{abs(v) // 100:02d}.{abs(v) % 100:02d}" for v in (x, y, z)
    )


def centimetres(thing: str) -> tuple[int, int, int]:
    """Return the position in an id, in centimetres."""
    x, y, z = (int(part.replace(".", "")) for part in thing.split("|")[1:4])
    return x, y, z


def to_scene(record: Mapping[str, Any]) -> Scene:
    """Return the scene that a line of the data stands for."""
    receptacles = {**record["receptacles"], **record["added"]}
    return Scene(
        record["number"],
        tuple(record["classes"]),
        tuple((x, z) for x, z in record["points"]),
        MappingProxyType({name: Pose(*receptacles[name]) for name in sorted(receptacles)}),
        tuple(Fixture(name, Pose(*pose), home) for name, pose, home in record["fixtures"]),
    )


@lru_cache(maxsize=1)
def scenes() -> Mapping[int, Scene]:
    """Return all floor plans by number."""
    lines = read_bytes(FOLDER / SCENES).decode("ascii").splitlines()
    found = [to_scene(json.loads(line)) for line in lines]
    return MappingProxyType({scene.number: scene for scene in found})
