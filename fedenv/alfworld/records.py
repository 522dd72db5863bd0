"""One bundled game as it is stored: a floor plan, a task, and where the movable things lie.

A record is one JSON list. Where things lie is a text of four characters a thing: class, receptacle
(positions in the floor plan's sorted lists) and the offset from the receptacle's middle in x and z.
:meth:`Record.problem` makes the whole problem of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

from fedenv.alfworld.goals import TASK_TYPES, goal_expression
from fedenv.alfworld.problem import TRAITS, Item, Problem, Receptacle
from fedenv.alfworld.scenes import Pose, Scene, centimetres, class_of, position, scenes
from fedenv.alfworld.templates import task_sentence
from fedenv.alfworld.vocabulary import Vocabulary, vocabulary
from fedenv.fingerprint import canonical_json

REACH = 40
"""Centimetres that a thing lies at most from the middle of its receptacle, in x and in z."""

_HEIGHT = 5
_FIRST = 35  # "#": characters from here on are printed as they are


class Thing(NamedTuple):
    """A movable thing: positions of class and receptacle in the scene's lists, and centimetres."""

    kind: int
    receptacle: int
    dx: int
    dz: int


@dataclass(frozen=True)
class Record:
    """One game.

    Attributes:
        scene: Number of the floor plan.
        task_type: One of ``goals.TASK_TYPES``.
        item: Class of the thing that the task is about.
        place: Class of the receptacle, or of the lamp, that the task is about.
        template: 0 or 1: which sentence puts the task.
        start: Where the agent stands.
        things: What lies where, sorted.
        inside: Pairs of positions in ``things``: the first lies in the second, too.
    """

    scene: int
    task_type: str
    item: str
    place: str
    template: int
    start: Pose
    things: tuple[Thing, ...]
    inside: tuple[tuple[int, int], ...]

    @property
    def task(self) -> tuple[str, int, str, str]:
        """What is asked where: two games of the same task are two trials of it."""
        return self.task_type, self.scene, self.item, self.place

    def problem(self) -> Problem:
        """Return the facts of the game."""
        known, scene = vocabulary(), scenes()[self.scene]
        items = sorted([*self._items(known, scene), *_fixtures(known, scene)], key=lambda i: i.id)
        receptacles = tuple(
            Receptacle(name, kind, pose.id, openable=kind in known.openable)
            for name, pose in scene.receptacles.items()
            for kind in (class_of(name),)
        )
        kinds = {item.kind for item in items}
        places = {receptacle.kind for receptacle in receptacles}
        light = self.task_type == "look_at_obj_in_light"
        return Problem(
            name="plan_bundled",
            start=self.start.id,
            receptacles=receptacles,
            items=tuple(items),
            can_contain=tuple(
                (place, kind)
                for place in sorted(places)
                for kind in sorted(kinds & known.can_contain[place])
            ),
            goal=goal_expression(
                self.task_type, self.item, "" if light else self.place, self.place if light else ""
            ),
            task_desc=task_sentence(self.task_type, self.template, self.item, self.place),
        )

    def _items(self, known: Vocabulary, scene: Scene) -> list[Item]:
        receptacles = list(scene.receptacles)
        ids = [thing_id(thing, scene, receptacles) for thing in self.things]
        outer = dict(self.inside)
        return [
            Item(
                name,
                scene.classes[thing.kind],
                (receptacles[thing.receptacle],),
                (scene.receptacles[receptacles[thing.receptacle]].id,),
                (ids[outer[i]],) if i in outer else (),
                _traits(known, scene.classes[thing.kind]),
            )
            for i, (name, thing) in enumerate(zip(ids, self.things, strict=True))
        ]

    def to_json(self) -> list[Any]:
        """Return the record in the form in which it is stored."""
        things = "".join(
            chr(_FIRST + value)
            for kind, receptacle, dx, dz in self.things
            for value in (kind, receptacle, dx + REACH, dz + REACH)
        )
        inside = "".join(chr(_FIRST + i) for pair in self.inside for i in pair)
        kind = TASK_TYPES.index(self.task_type)
        return [self.scene, kind, self.item, self.place, self.template, self.start, things, inside]

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Record:
        """Return the record that a stored list stands for."""
        scene, kind, item, place, template, start, things, inside = values
        numbers = [ord(character) - _FIRST for character in things]
        pairs = [ord(character) - _FIRST for character in inside]
        return cls(
            scene,
            TASK_TYPES[kind],
            item,
            place,
            template,
            Pose(*start),
            tuple(
                Thing(*numbers[i : i + 2], *(n - REACH for n in numbers[i + 2 : i + 4]))
                for i in range(0, len(numbers), 4)
            ),
            tuple(zip(pairs[::2], pairs[1::2], strict=True)),
        )


def thing_id(thing: Thing, scene: Scene, receptacles: Sequence[str]) -> str:
    """Return the id of a movable thing.

    Args:
        thing: The thing.
        scene: Where it is.
        receptacles: The ids of the scene's receptacles, sorted.
    """
    x, y, z = centimetres(receptacles[thing.receptacle])
    return f"{scene.classes[thing.kind]}|{position(x + thing.dx, y + _HEIGHT, z + thing.dz)}"


def content_sha256(problem: Problem) -> str:
    """Return the SHA-256 of all that a game says, in hex digits; its name is left out."""
    content = canonical_json(astuple(problem)[1:])
    return hashlib.sha256(content.encode("ascii")).hexdigest()


def _fixtures(known: Vocabulary, scene: Scene) -> list[Item]:
    return [
        Item(
            fixture.id,
            class_of(fixture.id),
            (fixture.receptacle,) if fixture.receptacle else (),
            (fixture.pose.id,),
            traits=("toggleable",) if class_of(fixture.id) in known.toggleable else (),
        )
        for fixture in scene.fixtures
    ]


def _traits(known: Vocabulary, kind: str) -> tuple[str, ...]:
    classes = {
        "isReceptacleObject": known.movable,
        "cleanable": known.cleanable,
        "heatable": known.heatable,
        "coolable": known.coolable,
        "sliceable": known.sliceable,
    }
    return tuple(t for t in TRAITS if t == "pickupable" or kind in classes.get(t, ()))
