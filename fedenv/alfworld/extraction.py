"""Reads the floor plans and word tables out of the ``alfworld`` package into the shipped data.

For maintainers; nothing at run time imports this module. The package is unpacked, not imported
(importing it creates folders and sets variables)::

    pip download alfworld==0.4.2 --no-deps && unzip alfworld-0.4.2-*.whl -d unpacked
    python -m fedenv.alfworld.extraction unpacked/alfworld

The result is the same to the byte on every machine.
"""

from __future__ import annotations

import json
import logging
import runpy
from pathlib import Path
from typing import Any

import click
import numpy as np

from fedenv.alfworld.fixtures import add_fixtures
from fedenv.alfworld.goals import TASK_TYPES
from fedenv.alfworld.scenes import SCENES
from fedenv.alfworld.vocabulary import FOLDER, VOCABULARY, vocabulary
from fedenv.data import write_gzip
from fedenv.errors import DataError

GRID = 0.25
"""Metres between two points on which the agent can stand."""

_LOG = logging.getLogger(__name__)


def read_vocabulary(package: Path) -> dict[str, Any]:
    """Return the word tables of an unpacked ``alfworld`` package, JSON only."""
    constants = runpy.run_path(str(package / "gen" / "constants.py"))
    actions = {name.lower(): words for name, words in constants["VAL_ACTION_OBJECTS"].items()}
    classes = {
        "movable": constants["MOVABLE_RECEPTACLES"],
        "openable": constants["OPENABLE_CLASS_LIST"],
        **actions,
    }
    return {
        "objects": sorted(constants["OBJECTS"]),
        "classes": {name: sorted(words) for name, words in sorted(classes.items())},
        "can_contain": _sorted(constants["VAL_RECEPTACLE_OBJECTS"]),
        "rooms": _sorted({name: constants["GOALS_VALID"][name] for name in TASK_TYPES}),
    }


def _sorted(table: dict[str, set[str]]) -> dict[str, list[str]]:
    return {key: sorted(words) for key, words in sorted(table.items())}


def read_layouts(package: Path) -> list[dict[str, Any]]:
    """Return number, classes, receptacles and points of every floor plan, by number.

    Positions are counted in steps of the grid, rotations in quarter turns.
    """
    folder = package / "gen" / "layouts"
    numbers = sorted(
        int(path.name.removeprefix("FloorPlan").removesuffix("-objects.json"))
        for path in folder.glob("FloorPlan*-objects.json")
    )
    if not numbers:
        raise DataError(f"{folder}: expected FloorPlan<n>-objects.json; is this alfworld unpacked?")
    return [_layout(folder, number) for number in numbers]


def _layout(folder: Path, number: int) -> dict[str, Any]:
    def read(part: str) -> Any:
        return json.loads((folder / f"FloorPlan{number}-{part}.json").read_text("utf-8"))

    points = np.load(folder / f"FloorPlan{number}-layout.npy")
    return {
        "number": number,
        "classes": sorted(set(read("objects"))),
        "points": sorted([_steps(x), _steps(z)] for x, z in points.tolist()),
        "receptacles": {
            name: [_steps(x), _steps(z), int(rotation) // 90 % 4, int(horizon)]
            for name, (x, z, rotation, horizon) in sorted(read("openable").items())
        },
    }


def _steps(metres: float) -> int:
    steps = round(metres / GRID)
    if abs(steps * GRID - metres) > 1e-6:
        raise DataError(f"{metres} m is not on the grid of {GRID} m")
    return steps


@click.command()
@click.argument("package", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(package: Path) -> None:
    """Write the shipped tables and floor plans from an unpacked PACKAGE."""
    logging.basicConfig(level=logging.INFO)
    tables = json.dumps(read_vocabulary(package), indent=1) + "\n"
    (FOLDER / VOCABULARY).write_text(tables, encoding="utf-8")
    vocabulary.cache_clear()
    scenes = [add_fixtures(layout) for layout in read_layouts(package)]
    lines = "".join(json.dumps(scene, separators=(",", ":")) + "\n" for scene in scenes)
    write_gzip(FOLDER / SCENES, lines.encode("ascii"))
    _LOG.info("wrote %d floor plans to %s", len(scenes), FOLDER)


if __name__ == "__main__":
    main()
