"""A ``json_2.1.1`` tree as ``alfworld-download`` makes it, and what one of its games says.

The tree is ``<split>/<task>/<trial>/game.tw-pddl``; a game file is JSON with the texts
``pddl_problem`` and ``grammar`` and the flag ``solvable``. Both command languages of the public
data are known by the grammar's template of putting something down.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedenv import data
from fedenv.alfworld.grammar import MOVE, PUT_IN_ON, Wording
from fedenv.alfworld.problem import Problem
from fedenv.errors import DataError

GAME = "game.tw-pddl"
TREE = "json_2.1.1"
SPLITS = ("train", "valid_seen", "valid_unseen")
LEFT_OUT = ("movable", "Sliced")
"""Tasks with these words in their folder's name are no games of ALFWorld."""

MALFORMED = (LookupError, RecursionError, TypeError, ValueError)
"""What reading a problem text may raise; a DataError is a ValueError."""

UNREADABLE = "cannot be read"
_TEMPLATE = re.compile(r'action\s+PutObject\s*\{\s*template\s*::\s*"([^"\n]*)"')
_TEMPLATES = {"move {o} to {r}": MOVE, "put {o} in/on {r}": PUT_IN_ON}
_TASK = re.compile(r'"rhs"\s*:\s*("Your task is to: (?:[^"\\]|\\.)*")')
_SENTENCE = re.compile(r"Your task is to: (.*)\.", re.DOTALL)


class Unusable(Exception):
    """Why a game is not used: one of a few reasons, and the details."""

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(f"{reason}: {details}" if details else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial of the tree.

    Attributes:
        path: Relative to the tree, with ``/``.
        size: Bytes of its game file; -1 where there is none.
        time: When the game file was changed, in ns; 0 where there is none.
    """

    path: str
    size: int
    time: int

    @property
    def split(self) -> str:
        """The first part of the path."""
        return self.path.split("/")[0]

    @property
    def scene(self) -> str:
        """The floor plan, as the task's folder names it; empty where it does not."""
        number = self.path.split("/")[1].rpartition("-")[2]
        return f"FloorPlan{number}" if number.isdecimal() else ""


def find_tree(folder: str | Path) -> Path:
    """Return the tree in a folder: the folder itself, or its ``json_2.1.1``.

    Raises:
        DataError: Neither holds one of the three splits.
    """
    path = Path(folder).resolve()
    for candidate in (path, path / TREE):
        if any((candidate / split).is_dir() for split in SPLITS):
            return candidate
    raise DataError(
        f"data={str(folder)!r}: expected a folder with {', '.join(SPLITS)} (any of them), or with "
        f"{TREE} that has them; found {_shown(path)}. alfworld-download makes such a folder"
    )


def _shown(path: Path) -> str:
    if not path.is_dir():
        return "no such folder"
    names = sorted(entry.name for entry in path.iterdir())
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "nothing"


def find_trials(tree: Path) -> list[Trial]:
    """Return the trials of a tree, by split and sorted path.

    Raises:
        DataError: A folder cannot be read.
    """
    try:
        return [trial for split in SPLITS for trial in sorted(_trials(tree, split), key=_path)]
    except OSError as error:
        raise DataError(f"{tree}: cannot be read ({error})") from error


def folder_stamp(folder: str | Path) -> data.Stamp:
    """Return what tells one state of a tree from another by its few upper folders.

    A task added or removed is noticed, a changed game is not; games are compared with the index
    when they are read.

    Raises:
        DataError: There is no tree.
    """
    tree = find_tree(folder)
    return data.stamp([tree, *(tree / split for split in SPLITS if (tree / split).is_dir())])


def _path(trial: Trial) -> str:
    return trial.path


def _trials(tree: Path, split: str) -> Iterator[Trial]:
    for task in _folders(tree / split):
        for trial in _folders(tree / split / task):
            path = f"{split}/{task}/{trial}"
            try:
                state = os.stat(tree / path / GAME)
            except FileNotFoundError:
                yield Trial(path, -1, 0)
            else:
                yield Trial(path, state.st_size, state.st_mtime_ns)


def _folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def read_bytes(tree: Path, trial: Trial) -> bytes:
    """Return the content of a trial's game file.

    Raises:
        Unusable: There is none, or it cannot be read.
    """
    if any(word in trial.path for word in LEFT_OUT):
        raise Unusable("sliced or movable receptacle")
    if trial.size < 0:
        raise Unusable(f"no {GAME}")
    try:
        return (tree / trial.path / GAME).read_bytes()
    except OSError as error:
        raise Unusable(UNREADABLE, str(error)) from error


def parse_game(content: bytes) -> tuple[Problem, Wording]:
    """Return what a game file says, and in which language its commands are.

    Raises:
        Unusable: The file is broken, is not marked solvable, or speaks another language.
    """
    game = _parse_json(content)
    if not isinstance(game, dict):
        raise Unusable("broken JSON", f"expected an object, got {type(game).__name__}")
    if game.get("solvable") is not True:
        raise Unusable("not marked solvable")
    texts = game.get("pddl_problem"), game.get("grammar")
    problem, grammar = texts
    if not isinstance(problem, str) or not isinstance(grammar, str):
        raise Unusable("broken game", "pddl_problem and grammar must be texts")
    template = _TEMPLATE.search(grammar)
    wording = _TEMPLATES.get(template[1] if template else "")
    if wording is None:
        legal = " or ".join(map(repr, _TEMPLATES))
        raise Unusable("unknown commands", f"expected {legal}, got {template and template[1]!r}")
    try:
        return Problem.parse(problem, _task(grammar)), wording
    except MALFORMED as error:
        raise Unusable("broken problem", str(error)) from error


def _task(grammar: str) -> str:
    found = _TASK.search(grammar)
    sentence = _SENTENCE.fullmatch(_parse_json(found[1].encode())) if found else None
    if sentence is None:
        raise Unusable("no task", "the grammar has no sentence 'Your task is to: ….'")
    return sentence[1]


def _parse_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unusable("broken JSON", str(error)) from error
