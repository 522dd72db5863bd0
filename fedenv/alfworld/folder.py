"""Games from a folder of the user's: read and proven once, then opened from an index.

The index holds, for every trial of the tree, what :class:`~fedenv.alfworld.games.Game` says of it
or why it is not used. It is looked for beside the data (``fedenv-index.json.gz``, where
`save_index` writes it) and in the user's cache folder (where an opening without an index leaves
one, so that data on a read-only disk are indexed once, too). The name in the cache comes from the
sorted paths and sizes of the game files; where only their times differ (a copied tree), the
contents are compared.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from fedenv import data
from fedenv.alfworld.engine import Game as Play
from fedenv.alfworld.gamefiles import (
    MALFORMED,
    UNREADABLE,
    Trial,
    Unusable,
    find_tree,
    find_trials,
    parse_game,
    read_bytes,
)
from fedenv.alfworld.games import Game, GameTable
from fedenv.alfworld.goals import TASK_TYPES
from fedenv.alfworld.house import build_house
from fedenv.alfworld.oracle import STEP_LIMIT, solve
from fedenv.alfworld.problem import Problem
from fedenv.alfworld.records import content_sha256
from fedenv.errors import DataError
from fedenv.family import Progress
from fedenv.fingerprint import digest
from fedenv.version import __version__

FORMAT = 1
"""Raised whenever the content of the index, or what makes a game usable, changes."""

_MADE_BY = [FORMAT, __version__]

INDEX = "fedenv-index.json.gz"
_LOG = logging.getLogger(__name__)
_Row = list[Any]  # path, size, time, SHA-256 of the file, then a game's fields or a reason


class FolderGames(GameTable):
    """The games of a tree.

    Args:
        tree: The folder of the splits.
        rows: The rows of its index.
    """

    def __init__(self, tree: Path, rows: Sequence[_Row]) -> None:
        used = [row for row in rows if isinstance(row[4], list)]
        self.skipped: Mapping[str, int] = Counter(r[4] for r in rows if isinstance(r[4], str))
        """How many trials are not used, by reason."""

        def read(position: int) -> Problem:
            path, size, time, *_ = used[position]
            sha256, *_ = used[position][4]
            trial = Trial(path, size, time)
            try:
                problem, _ = parse_game(read_bytes(tree, trial))
            except Unusable as error:
                raise DataError(f"{tree / path}: {error}; it was sound when indexed") from error
            if content_sha256(problem) != sha256:
                raise DataError(f"{tree / path}: changed since it was indexed; start again")
            return problem

        games = [
            Game(sha256, task_type, row[0].split("/")[0], scene, version)
            for row in used
            for sha256, task_type, scene, version in [row[4]]
        ]
        super().__init__(games, read)


def open_folder(folder: str, cache: Path | None = None) -> FolderGames:
    """Return the games of a folder in the public format; indexes it if no index fits.

    Args:
        folder: The folder of ``alfworld-download``, or its ``json_2.1.1``.
        cache: Where indexes of read-only data are kept; None for the user's cache folder.

    Raises:
        DataError: There is no tree, or no game in it can be used.
    """
    tree = find_tree(folder)
    return _open(tree, tuple(find_trials(tree)), cache or user_cache_path("fedenv"))


def save_index(folder: str, progress: Progress) -> tuple[Path, FolderGames]:
    """Read all games of a folder and write the index beside them.

    Args:
        folder: The folder of ``alfworld-download``, or its ``json_2.1.1``.
        progress: Told how many games have been read.

    Returns:
        Where the index is, and the games.

    Raises:
        DataError: There is no tree, no usable game in it, or nothing can be written there.
    """
    tree = find_tree(folder)
    rows = _build(tree, find_trials(tree), progress)
    _write(tree / INDEX, rows)
    return tree / INDEX, FolderGames(tree, rows)


@lru_cache(maxsize=4)
def _open(tree: Path, trials: tuple[Trial, ...], cache: Path) -> FolderGames:
    name = digest([[trial.path, trial.size] for trial in trials])
    places = (tree / INDEX, cache / "alfworld" / f"{name}.json.gz")
    for place in places:
        rows = _fitting(place, tree, trials)
        if rows is not None:
            return FolderGames(tree, rows)
    _LOG.info("%s: reading %d trials once", tree, len(trials))
    rows = _build(tree, trials, _log_progress)
    try:
        _write(places[-1], rows)
    except DataError as error:
        _LOG.warning("the index of %s is not kept: %s", tree, error)
    return FolderGames(tree, rows)


def _log_progress(what: str, done: int, total: int) -> None:
    if done % 500 == 0 or done == total:
        _LOG.info("%s: %d of %d", what, done, total)


def _fitting(place: Path, tree: Path, trials: Sequence[Trial]) -> list[_Row] | None:
    """Return the rows of an index; None where there is none that fits the trials."""
    if not place.is_file():
        return None
    try:
        content = data.parse_json(data.read_bytes(place), place)
        rows: list[_Row] = content["rows"]
        if content["made_by"] != _MADE_BY:
            raise DataError(f"{place}: made by another version")
        if [(row[0], row[1]) for row in rows] != [(t.path, t.size) for t in trials]:
            raise DataError(f"{place}: made of other games")
        for row, trial in zip(rows, trials, strict=True):
            if row[4] == UNREADABLE or (row[2] != trial.time and row[3] != _sha256(tree, trial)):
                raise DataError(f"{place}: {trial.path} has changed")
    except (DataError, LookupError, TypeError) as error:
        _LOG.warning("an index is not used: %s", error)
        return None
    return rows


def _sha256(tree: Path, trial: Trial) -> str | None:
    try:
        return hashlib.sha256(read_bytes(tree, trial)).hexdigest()
    except Unusable:
        return None


def _write(place: Path, rows: Sequence[_Row]) -> None:
    content = {"made_by": _MADE_BY, "rows": rows}
    data.write_gzip(place, json.dumps(content, separators=(",", ":")).encode("ascii"))


def _build(tree: Path, trials: Sequence[Trial], progress: Progress) -> list[_Row]:
    rows: list[_Row] = []
    known: set[str] = set()
    for done, trial in enumerate(trials):
        progress("reading games", done, len(trials))
        sha256: str | None = None
        found: list[str] | str
        try:
            content = read_bytes(tree, trial)
            sha256 = hashlib.sha256(content).hexdigest()
            found = _judge(trial, content)
            if found[0] in known:
                raise Unusable("the same game twice")
            known.add(found[0])
        except Unusable as error:
            _LOG.debug("%s is not used: %s", trial.path, error)
            found = error.reason
        rows.append([trial.path, trial.size, trial.time, sha256, found])
    progress("reading games", len(trials), len(trials))
    reasons = Counter(row[4] for row in rows if isinstance(row[4], str))
    if reasons.total():
        shown = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        _LOG.warning("%s: %d of %d trials not used: %s", tree, reasons.total(), len(rows), shown)
    if reasons.total() == len(rows):
        raise DataError(
            f"{tree}: expected games that can be solved, found none in {len(rows)} trials: "
            f"{dict(sorted(reasons.items())) or 'no trial at all'}"
        )
    return rows


def _judge(trial: Trial, content: bytes) -> list[str]:
    """Return digest, task type, floor plan and language of a game.

    Raises:
        Unusable: It is broken, of another type, or cannot be solved in time.
    """
    task_type = trial.path.split("/")[1].partition("-")[0]
    if task_type not in TASK_TYPES:
        raise Unusable("another task type", task_type)
    problem, wording = parse_game(content)
    try:
        play = Play(build_house(problem), wording=wording)
    except MALFORMED as error:
        raise Unusable("broken problem", str(error)) from error
    if play.won:
        raise Unusable("solved at the start")
    if solve(play) is None:
        raise Unusable(f"no plan of {STEP_LIMIT} steps")
    return [content_sha256(problem), task_type, trial.scene, wording.version]
