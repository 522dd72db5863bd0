"""What a floor plan's layout does not place, placed once: burners, lamps, windows and the like.

The layouts of the ``alfworld`` package list the receptacles that could be reached when it was made,
and the classes of all things in the room. Real games hold the rest too. Its places are drawn from
frozen streams named by the floor plan, near the furniture where such a thing belongs.

Used by ``extraction.py`` when the shipped data are made, never at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedenv.alfworld.scenes import Pose, centimetres, class_of, position
from fedenv.alfworld.vocabulary import vocabulary
from fedenv.seeding import Draw

AT_THE_COUNTER = ("CoffeeMachine", "StoveBurner", "Toaster")
ON_THE_WALL = ("HandTowelHolder", "ToiletPaperHanger", "TowelHolder")
BURNERS = ((-20, -20), (-20, 20), (20, -20), (20, 20))
"""Centimetres of the four burners from the middle of the stove."""

STANDS_ON = {
    "DeskLamp": ("Desk", "SideTable", "Dresser", "Shelf", "DiningTable", "CoffeeTable"),
    "HousePlant": ("SideTable", "CoffeeTable", "DiningTable", "Dresser", "CounterTop", "Shelf"),
    "Television": ("TVStand", "Dresser", "SideTable", "Desk"),
}
"""Fixtures that stand on furniture, if the room has any of it."""

SEVERAL = {"Chair": 3, "Window": 2, "Painting": 2, "Curtains": 2, "DeskLamp": 2}
"""At most how many of a fixture there are; of the others there is one."""

HORIZONS = (0, 15, 30, 45, 60)
FACING = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Direction (x, z) of each quarter turn."""


def add_fixtures(layout: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layout with the added receptacles (``added``) and objects (``fixtures``)."""
    known = vocabulary()
    receptacles = {name: Pose(*pose) for name, pose in layout["receptacles"].items()}
    placed = set(map(class_of, receptacles))
    missing = [c for c in layout["classes"] if c in known.receptacles and c not in placed]
    added: dict[str, Pose] = {}
    for name in missing:
        added |= _receptacles(name, layout, receptacles)
    everything = {**receptacles, **added}
    kept = {o for name in map(class_of, everything) for o in known.can_contain[name]}
    fixtures: list[tuple[str, Pose, str | None]] = []
    for name in layout["classes"]:
        if name in known.objects and name not in known.receptacles and name not in kept:
            fixtures += _objects(name, layout, everything)
    return {
        **layout,
        "added": {name: list(added[name]) for name in sorted(added)},
        "fixtures": [[name, list(pose), home] for name, pose, home in sorted(fixtures)],
    }


def _receptacles(
    name: str, layout: Mapping[str, Any], receptacles: Mapping[str, Pose]
) -> dict[str, Pose]:
    draw = Draw("alfworld", "fixtures", layout["number"], name)
    counters = [c for c in sorted(receptacles) if class_of(c) == "CounterTop"]
    if name not in AT_THE_COUNTER or not counters:
        pose = _pose(layout["points"], draw, (45, 60))
        at = _before(pose, 120 if name in ON_THE_WALL else 0)
        tail = f"|{name}" if name.endswith("Basin") else ""
        return {f"{name.removesuffix('Basin')}|{position(*at)}{tail}": pose}
    counter = draw.pick(counters)
    pose = receptacles[counter]
    x, y, z = centimetres(counter)
    if name == "CoffeeMachine":  # reached from where the counter is, as in real games
        return {f"{name}|{position(x + draw.below(80) - 40, y, z + draw.below(20) - 10)}": pose}
    first, second = _nearest(layout["points"], pose, 2)
    if name == "Toaster":
        at = (x + draw.below(80) - 40, y, z + draw.below(20) - 10)
        return {f"{name}|{position(*at)}": Pose(*first, pose.rotation, 45)}
    burners = {}
    for i, (dx, dz) in enumerate(BURNERS):
        point = (first, second)[i // 2]
        burner = f"{name}|{position(x + 60 + dx, y, z + dz)}"
        burners[burner] = Pose(*point, pose.rotation, (60, 30)[i % 2])
    return burners


def _objects(
    name: str, layout: Mapping[str, Any], receptacles: Mapping[str, Pose]
) -> list[tuple[str, Pose, str | None]]:
    draw = Draw("alfworld", "fixtures", layout["number"], name)
    for basin, pose in sorted(receptacles.items()):
        if class_of(basin) == f"{name}Basin":
            return [(basin.rpartition("|")[0], pose, None)]
    if name == "StoveKnob":
        burners = [b for b in sorted(receptacles) if class_of(b) == "StoveBurner"]
        return [(_beside(burner, name), receptacles[burner], None) for burner in burners]
    count = 1 + draw.below(SEVERAL.get(name, 1))
    homes = [r for r in sorted(receptacles) if class_of(r) in STANDS_ON.get(name, ())]
    found: dict[str, tuple[str, Pose, str | None]] = {}
    while len(found) < count:
        home = draw.pick(homes) if homes else None
        pose = receptacles[home] if home else _pose(layout["points"], draw, HORIZONS)
        x, y, z = centimetres(home) if home else _before(pose, 20 * draw.below(8))
        thing = f"{name}|{position(x + draw.below(40) - 20, y + 5, z + draw.below(40) - 20)}"
        found[thing] = (thing, pose, home)
    return list(found.values())


def _beside(thing: str, name: str) -> str:
    x, y, z = centimetres(thing)
    return f"{name}|{position(x, y - 9, z + 12)}"


def _pose(points: Sequence[Sequence[int]], draw: Draw, horizons: Sequence[int]) -> Pose:
    x, z = draw.pick(points)
    return Pose(x, z, draw.below(4), draw.pick(horizons))


def _before(pose: Pose, height: int) -> tuple[int, int, int]:
    """Return the position half a metre before the agent, in centimetres."""
    dx, dz = FACING[pose.rotation]
    return 25 * pose.x + 50 * dx, height, 25 * pose.z + 50 * dz


def _nearest(points: Sequence[Sequence[int]], pose: Pose, count: int) -> list[tuple[int, int]]:
    """Return the points nearest to a pose, without its own."""
    others = [(x, z) for x, z in points if (x, z) != (pose.x, pose.z)]
    return sorted(others, key=lambda p: ((p[0] - pose.x) ** 2 + (p[1] - pose.z) ** 2, p))[:count]
