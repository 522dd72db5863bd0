"""A set of games: an index that is opened at once, and problems that are read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

from fedenv.alfworld.grammar import MOVE
from fedenv.alfworld.problem import Problem
from fedenv.fingerprint import digest_lines
from fedenv.tasks import Task, TaskSplits

TASK_PREFIX = "alfworld-"
SPLITS = MappingProxyType({"train": "train", "val": "valid_seen", "test": "valid_unseen"})
"""Our name of each split to ALFWorld's."""

RECENT = 64
"""How many problems are kept decoded."""


@dataclass(frozen=True, slots=True)
class Game:
    """What is known of a game without reading it.

    Attributes:
        sha256: Digest of all that the game says, in hex digits; the same game has the same one
            wherever it lies.
        task_type: One of ``goals.TASK_TYPES``.
        split: ``"train"``, ``"valid_seen"`` or ``"valid_unseen"``.
        scene: Floor plan, e.g. ``"FloorPlan14"``.
        version: Key of ``grammar.WORDINGS``: the language of its commands.
    """

    sha256: str
    task_type: str
    split: str
    scene: str
    version: str = MOVE.version

    @property
    def id(self) -> str:
        """The task's id; it says nothing about the task."""
        return f"{TASK_PREFIX}{self.sha256[:16]}"


class GameTable:
    """All games of a data set.

    Args:
        games: The games; a game's place in this list is its position in ``splits``.
        read: Returns the problem of the game at a position.
    """

    def __init__(self, games: Sequence[Game], read: Callable[[int], Problem]) -> None:
        self.games = tuple(games)
        self.problem: Callable[[int], Problem] = lru_cache(maxsize=RECENT)(read)
        """The problem of the game at a position; read when first asked for."""

    def __len__(self) -> int:
        return len(self.games)

    @cached_property
    def splits(self) -> TaskSplits:
        """The games as tasks, by task type, in three splits; an empty split is left out."""
        positions: dict[str, tuple[int, ...]] = {}
        for name, theirs in SPLITS.items():
            found = tuple(i for i, game in enumerate(self.games) if game.split == theirs)
            if found:
                positions[name] = found
        tasks = tuple(Task(game.id, game.task_type) for game in self.games)
        return TaskSplits(tasks, positions)

    @cached_property
    def digest(self) -> str:
        """Name of the games: their content, split, order and grammar, wherever they lie."""
        return digest_lines(
            "\t".join((game.sha256, game.task_type, game.split, game.scene, game.version))
            for game in self.games
        )

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many games each split has, by task type; both in ALFWorld's words."""
        table: dict[str, dict[str, int]] = {split: {} for split in SPLITS.values()}
        for game in self.games:
            row = table[game.split]
            row[game.task_type] = row.get(game.task_type, 0) + 1
        return table
