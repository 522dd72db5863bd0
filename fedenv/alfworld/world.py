"""ALFWorld as a family of federated environments: what the core asks of it."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from fedenv.alfworld.bundled import bundled_games
from fedenv.alfworld.engine import Game
from fedenv.alfworld.episode import ADMISSIBLE, AlfredEpisode
from fedenv.alfworld.folder import FolderGames, open_folder, save_index
from fedenv.alfworld.gamefiles import find_tree, folder_stamp
from fedenv.alfworld.games import GameTable
from fedenv.alfworld.goals import TASK_TYPES
from fedenv.alfworld.grammar import WORDINGS
from fedenv.alfworld.house import House, build_house
from fedenv.alfworld.problem import Problem
from fedenv.alfworld.textworld_engine import TextWorldGame, TextWorldWorker
from fedenv.alfworld.variants import (
    REFERENCE,
    STAGES,
    VARIANTS,
    ClientHouse,
    InventorySplit,
    Variant,
    client_house,
    resolve_knobs,
    rule_label,
)
from fedenv.alfworld.vocabulary import FOLDER
from fedenv.errors import ConfigError, DataError, unknown_name
from fedenv.family import COMMON_ARGUMENTS, DerivedFile, Progress
from fedenv.fingerprint import digest
from fedenv.partitions.labels import Labels
from fedenv.tasks import TaskSplits

ENGINES = ("fast", "textworld")
HOUSES_KEPT = 1024
"""How many compiled games are kept."""

LABELS, BUNDLED_LABELS = "labels.json", "labels.json.gz"
KNOBS: Mapping[str, str] = {
    "engine": '"fast" or "textworld" (ALFWorld itself, extra alfworld)',
    "admissible": '"true" (commands that work), "rendered" (what is printed suggests), "none"',
}
VARIANT_KNOBS: Mapping[str, str] = {
    "keep_ratio": "share of the other portable classes that a client has, a number in [0, 1]",
    "visible_ratio": "share of the classes that are seen at once, a number in [0, 1]",
    "pool_size": "number of rules that clients are assigned from, 1 to 4",
}


class Houses:
    """The games of a data set, compiled when first asked for, and processes of ALFWorld itself."""

    def __init__(self, games: GameTable) -> None:
        self.games = games
        self.house = lru_cache(maxsize=HOUSES_KEPT)(self._build)
        self._idle: list[TextWorldWorker] = []

    def problem(self, position: int, content: InventorySplit | None) -> Problem:
        """Return the facts of a game, as a client has them."""
        problem = self.games.problem(position)
        return problem if content is None else content.apply(problem)

    def worker(self) -> TextWorldWorker:
        """Return a process that plays no game now."""
        try:
            return self._idle.pop()
        except IndexError:
            return TextWorldWorker()

    def release(self, worker: TextWorldWorker) -> None:
        """Take back a process whose game nobody plays any more."""
        self._idle.append(worker)

    def _build(self, position: int, content: InventorySplit | None) -> House:
        return build_house(self.problem(position, content))


class AlfredKernel:
    """One client's house rules (or ALFWorld's own) over shared games."""

    def __init__(self, houses: Houses, client: ClientHouse, stage: str, knobs: _Knobs) -> None:
        self._houses = houses
        self._client = client
        self._stage = stage
        self._knobs = knobs
        self.pool_index = client.pool_index

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """Digest of each stage."""
        changes: dict[str, Any] = {stage: {} for stage in STAGES}
        if self._client.change:
            changes[self._stage] = dict(self._client.change)
        changes["rendering"] = {**changes["rendering"], "admissible": self._knobs.admissible}
        changes["matching"] = {**changes["matching"], "engine": self._knobs.engine}
        return {stage: digest([stage, changes[stage]]) for stage in STAGES}

    @cached_property
    def digest(self) -> str:
        """Name of the whole kernel."""
        return digest(dict(self.digests))

    def begin(self, task: int, episode_seed: int) -> AlfredEpisode:
        """Start the game at a position; nothing in ALFWorld is drawn."""
        houses, content = self._houses, self._client.content
        wording = WORDINGS[houses.games.games[task].version]
        game = Game(houses.house(task, content), self._client.stages, wording)
        if self._knobs.engine == "fast":
            return AlfredEpisode(game, self._knobs.admissible)
        problem = houses.problem(task, content)
        worker = houses.worker()
        original = TextWorldGame(problem.to_pddl(), problem.task_desc, wording, worker)
        episode = AlfredEpisode(game, self._knobs.admissible, original)
        weakref.finalize(episode, houses.release, worker)  # once nobody plays the episode
        return episode


@dataclass(frozen=True)
class _Knobs:
    engine: str
    admissible: str
    own: Mapping[str, Any]


@dataclass(frozen=True)
class AlfredWorld:
    """One set of games with one set of knobs."""

    houses: Houses
    variant: Variant
    choices: _Knobs
    folder: str | None

    @property
    def knobs(self) -> Mapping[str, Any]:
        """Every knob with its value."""
        choices = self.choices
        return {"engine": choices.engine, "admissible": choices.admissible, **choices.own}

    @property
    def data_digest(self) -> str:
        """Digest of the games' contents, splits and command languages."""
        return self.houses.games.digest

    @property
    def splits(self) -> TaskSplits:
        """The games and their split."""
        return self.houses.games.splits

    @property
    def pool_labels(self) -> tuple[str, ...]:
        """A short name of each rule that clients are assigned from."""
        return tuple(map(rule_label, self.variant.pool[: self.choices.own.get("pool_size", 0)]))

    def labels(self) -> Labels | None:
        """Read the labels file beside the data.

        Raises:
            DataError: The file is broken or was made for other data.
        """
        bundled = FOLDER / BUNDLED_LABELS
        path = bundled if self.folder is None else find_tree(self.folder) / LABELS
        if not path.is_file():
            return None
        labels = Labels.load(path)
        if labels.provenance.data_digest != self.data_digest:
            raise DataError(
                f"{path}: these labels were made for data {labels.provenance.data_digest}, the "
                f"data here is {self.data_digest}; make new labels or remove the file"
            )
        return labels

    def kernel(self, client_id: int | None, federation_seed: int) -> AlfredKernel:
        """Return a client's kernel; for None ALFWorld's own."""
        client = REFERENCE
        if client_id is not None:
            client = client_house(self.variant, self.choices.own, client_id, federation_seed)
        return AlfredKernel(self.houses, client, self.variant.stage or STAGES[0], self.choices)


class AlfredFamily:
    """Opens ALFWorld worlds."""

    @property
    def knobs(self) -> Mapping[str, Mapping[str, str]]:
        """Per variant: legal knob names and what they mean."""
        return {
            name: {**KNOBS, **{knob: VARIANT_KNOBS[knob] for knob in variant.knobs}}
            for name, variant in VARIANTS.items()
        }

    @property
    def agents(self) -> Mapping[str, str]:
        """The scripted agents of ALFWorld."""
        return {
            "keyword": "fedenv.alfworld.agents:KeywordAgent",
            "oracle": "fedenv.alfworld.oracle:OracleAgent",
        }

    @property
    def category_titles(self) -> Mapping[str, str]:
        """The task types under the names that the paper's tables give them."""
        titles = ("Pick", "Look", "Clean", "Heat", "Cool", "Pick2")
        return dict(zip(TASK_TYPES, titles, strict=True))

    @property
    def disagreement(self) -> str:
        """The same commands, compared by what is answered."""
        return "fedenv.alfworld.disagreement:DISAGREEMENT"

    def stamp(self, data: str | None) -> Hashable:
        """Return what tells one state of the data from another."""
        if data is None:
            return None
        labels = find_tree(data) / LABELS
        stamp = folder_stamp(data)
        return stamp if not labels.is_file() else (stamp, labels.stat().st_mtime_ns)

    def describe_data(self, data: str | None) -> Mapping[str, int | str]:
        """Open games and count them by split and task type."""
        games = _open(data)
        counts: dict[str, int | str] = {}
        for split, kinds in games.counts.items():
            counts[f"games of {split}"] = sum(kinds.values())
            counts[f"… by task type ({split})"] = ", ".join(
                f"{title} {kinds.get(kind, 0)}" for kind, title in self.category_titles.items()
            )
        if isinstance(games, FolderGames):
            counts.update({f"not used: {why}": n for why, n in sorted(games.skipped.items())})
        return {**counts, "digest": games.digest}

    def derive_lookalikes(self, data: str | None) -> DerivedFile:
        """Refuse: ALFWorld has no lookalikes."""
        raise ConfigError("ALFWorld has no lookalikes; expected a WebShop data set")

    def index_data(self, data: str, progress: Progress) -> Mapping[str, int | str]:
        """Save the index of a folder in the public format."""
        path, games = save_index(data, progress)
        return {"index": str(path), "number of games": len(games), "digest": games.digest}

    def open(self, variant: str, data: str | None, knobs: Mapping[str, Any]) -> AlfredWorld:
        """Open the bundled games or a folder in the public format."""
        family = VARIANTS[variant]
        legal = self.knobs[variant]
        for name in knobs:
            if name not in legal:
                listing = "\n".join(f"  {knob}: {meaning}" for knob, meaning in legal.items())
                raise ConfigError(
                    f"unknown argument {name!r}; legal here: {', '.join(COMMON_ARGUMENTS)}, "
                    f"and\n{listing}"
                )
        engine = _choice("engine", knobs.get("engine"), ENGINES)
        admissible = _choice("admissible", knobs.get("admissible"), ADMISSIBLE)
        if engine == "textworld" and family.stage not in (None, "content"):
            possible = [v.name for v in VARIANTS.values() if v.stage in (None, "content")]
            raise ConfigError(
                f"engine 'textworld' plays ALFWorld's own rules, variant {variant!r} changes its "
                f"{family.stage}; legal with it: {', '.join(possible)}; or take engine 'fast'"
            )
        choices = _Knobs(engine, admissible, resolve_knobs(family, knobs))
        return AlfredWorld(_houses(data, self.stamp(data)), family, choices, data)


def _choice(name: str, value: Any, legal: tuple[str, ...]) -> str:
    if value is None:
        return legal[0]
    if value not in legal:
        raise unknown_name(name, value, legal)
    return str(value)


def _open(data: str | None) -> GameTable:
    return bundled_games() if data is None else open_folder(data)


@lru_cache(maxsize=8)
def _houses(data: str | None, stamp: Hashable) -> Houses:
    return Houses(_open(data))


FAMILY = AlfredFamily()
