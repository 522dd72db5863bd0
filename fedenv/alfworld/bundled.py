"""The games in the wheel: 3,553 to train, 140 in seen and 134 in unseen rooms.

They were made by ``generator.py`` on the floor plans of ``scenes.py``: the same task types and
numbers as ALFWorld's own games, other games. ``data/games.json.gz`` holds one line a game.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from fedenv.alfworld.games import Game, GameTable
from fedenv.alfworld.goals import TASK_TYPES
from fedenv.alfworld.problem import Problem
from fedenv.alfworld.records import Record
from fedenv.alfworld.vocabulary import FOLDER
from fedenv.data import read_bytes

GAMES = "games.json.gz"
FORMAT = 1


@lru_cache(maxsize=1)
def bundled_games() -> GameTable:
    """Return the bundled games."""
    rows: list[list[Any]] = json.loads(read_bytes(FOLDER / GAMES))["games"]

    def read(position: int) -> Problem:
        return Record.from_json(rows[position][2:]).problem()

    games = [
        Game(sha256, TASK_TYPES[kind], split, f"FloorPlan{scene}")
        for split, sha256, scene, kind, *_ in rows
    ]
    return GameTable(games, read)
