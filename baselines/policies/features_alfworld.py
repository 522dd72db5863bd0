"""What the small policy notices in ALFWorld, and what it remembers of a game.

It knows no task types and no templates: the first thing that the task names is what it is about,
the last one is where it ends, and a few words tell what has to happen in between. Places that were
seen, what was in them, doors, what is held and what was done with it are remembered, as the text
tells each only once.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from baselines.policies.features import Candidates

STEP_LIMIT = 50
VERBS = (
    *("go", "open", "close", "take", "move", "put", "examine", "use", "heat", "clean", "cool"),
    *("slice", "look", "inventory", "help"),
)
TREATMENTS = ("clean", "heat", "cool")
TOLD = {"clean": "clean", "hot": "heat", "heat": "heat", "cool": "cool", "cold": "cool"}
BUCKETS = 40
ACTION_NAMES = (
    *VERBS,
    *("thing asked", "thing is goal", "place is goal", "place asked", "verb asked"),
    *("done before", "failed before", "repeats last"),
    *("place new", "place closed", "place here", "place holds asked", "place is full"),
    *("first new place", "same kind seen"),
    *("thing held", "thing treated", "thing placed"),
    *(f"place kind {i}" for i in range(BUCKETS)),
)
LATE = (10, 20, 30, 40, 45)
STATE_NAMES = (
    *("step", *(f"step at least {late}" for late in LATE)),
    *(f"asked to {verb}" for verb in TREATMENTS),
    *("asked to look", "asked for two"),
    *("holding", "holding asked", "holding treated", "asked seen", "two asked seen"),
    *("placed one", "placed two", "goal seen", "at goal", "here closed", "here asked"),
    *("new places", "failed", "item treated"),
)
_A = {name: i for i, name in enumerate(ACTION_NAMES)}
_TASK = "Your task is to: "
_NAME = re.compile(r"\b([a-z]+ \d+)")
_LISTED = re.compile(r"(?:On the|The) ([a-z]+ \d+)(?: is open\. In it)?, you see (.*?)\.(?:\s|$)")
_CLOSED = re.compile(r"The ([a-z]+ \d+) is closed\.")
_WORDS = re.compile(r"[a-z]+")
_HELPERS = frozenset(
    (
        *("a", "an", "and", "at", "examine", "find", "in", "it", "look", "of", "on", "put", "some"),
        *("the", "them", "to", "two", "under", "with", *TOLD),
    )
)
FAILED = "Nothing happens."


@dataclass(frozen=True, slots=True)
class _Task:
    """A task sentence: its first and last noun, and the words that tell what to do."""

    thing: str
    goal: str
    treatment: str
    look: bool
    two: bool


@lru_cache(maxsize=1 << 12)
def _read_task(sentence: str) -> _Task:
    words = _WORDS.findall(sentence.lower())
    nouns = [word for word in words if word not in _HELPERS] or [""]
    treatment = next((TOLD[word] for word in words if word in TOLD), "")
    look = bool({"look", "examine"}.intersection(words))
    return _Task(nouns[0], nouns[-1], treatment, look, "two" in words)


@dataclass(frozen=True, slots=True)
class _Command:
    """An offered command, taken apart: ``take mug 1 from shelf 2``."""

    verb: str
    thing: str
    place: str
    row: np.ndarray


@lru_cache(maxsize=1 << 15)
def _read_command(text: str, task: _Task) -> _Command:
    verb = text.partition(" ")[0]
    names = _NAME.findall(text)
    thing, place = "", ""
    if len(names) == 2:
        thing, place = names
    elif names and verb == "use":
        thing = names[0]
    elif names:
        place = names[0]
    row = np.zeros(len(ACTION_NAMES), dtype=np.float32)
    row[_A[verb] if verb in VERBS else _A["help"]] = 1.0
    at = _A["thing asked"]
    kind, spot = _kind(thing), _kind(place)
    row[at : at + 4] = kind == task.thing, kind == task.goal, spot == task.goal, spot == task.thing
    row[at + 4] = verb == task.treatment
    if place:
        row[_A["place kind 0"] + zlib.crc32(spot.encode()) % BUCKETS] = 1.0
    return _Command(verb, thing, place, row)


def _kind(name: str) -> str:
    return name.rpartition(" ")[0]


@dataclass(slots=True)
class _House:
    """What is remembered of a game."""

    places: list[str] = field(default_factory=list)
    contents: dict[str, set[str]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    here: str = ""
    held: str = ""
    treated: set[str] = field(default_factory=set)
    placed: set[str] = field(default_factory=set)


class ALFWorldReader:
    """Follows one game (see :class:`baselines.policies.features.Reader`)."""

    def __init__(self, step: int = 0) -> None:
        self._step = step
        self._task = _Task("", "", "", False, False)
        self._house = _House()
        self._done: Counter[str] = Counter()
        self._failed: set[str] = set()
        self._last = ""

    def look(self, observation: str, admissible: tuple[str, ...]) -> Candidates:
        """Take in the answer to the last command and return what can be done."""
        if _TASK in observation:
            self._task = _read_task(observation.rpartition(_TASK)[2])
        for place in (a[len("go to ") :] for a in admissible if a.startswith("go to ")):
            if place not in self._house.places:
                self._house.places.append(place)
        self._notice(observation)
        actions = admissible or ("look",)
        commands = [_read_command(action, self._task) for action in actions]
        rows = np.stack([command.row for command in commands])
        self._fill(rows, actions, commands)
        return Candidates(actions, rows, self._state(observation))

    def note(self, action: str) -> None:
        """Remember that this command was given."""
        self._step += 1
        self._done[action] += 1
        self._last = action

    def _notice(self, observation: str) -> None:
        house = self._house
        failed = observation.strip() == FAILED
        if self._last and failed:
            self._failed.add(self._last)
        elif self._last:
            command = _read_command(self._last, self._task)
            if command.verb == "go":
                house.here = command.place
            elif command.verb == "open":
                house.closed.discard(command.place)
            elif command.verb == "close":
                house.closed.add(command.place)
            elif command.verb == "take":
                house.held = command.thing
                house.placed.discard(command.thing)
                house.contents.get(command.place, set()).discard(command.thing)
            elif command.verb in ("move", "put"):
                house.held = ""
                house.contents.setdefault(command.place, set()).add(command.thing)
                if _kind(command.place) == self._task.goal:
                    house.placed.add(command.thing)
            elif command.verb in TREATMENTS:
                house.treated.add(command.thing)
        house.closed.update(_CLOSED.findall(observation))
        for place, listed in _LISTED.findall(observation):
            house.contents[place] = set(_NAME.findall(listed))

    def _asked(self, place: str) -> int:
        """Return how many things of the asked kind are known to wait in a place."""
        house = self._house
        found = house.contents.get(place, ())
        return sum(_kind(t) == self._task.thing and t not in house.placed for t in found)

    def _fill(self, rows: np.ndarray, actions: tuple[str, ...], commands: list[_Command]) -> None:
        house, first = self._house, True
        seen_kinds = {_kind(place) for place in house.contents}
        at = _A["done before"]
        for row, action, command in zip(rows, actions, commands, strict=True):
            place, thing = command.place, command.thing
            new = bool(place) and place not in house.contents
            row[at] = min(self._done[action], 3) / 3
            row[at + 1] = action in self._failed
            row[at + 2] = action == self._last
            if place:
                row[at + 3 : at + 8] = (
                    *(new, place in house.closed, place == house.here, self._asked(place) > 0),
                    len(house.contents.get(place, ())) / 5,
                )
                row[at + 8] = new and first and command.verb == "go"
                first = first and not (new and command.verb == "go")
                row[at + 9] = _kind(place) in seen_kinds
            if thing:
                row[at + 10 : at + 13] = (
                    *(thing == house.held, thing in house.treated, thing in house.placed),
                )

    def _state(self, observation: str) -> np.ndarray:
        task, house, step = self._task, self._house, self._step
        waiting = sum(map(self._asked, house.contents))
        new = sum(place not in house.contents for place in house.places)
        state = (
            *(step / STEP_LIMIT, *(step >= late for late in LATE)),
            *(task.treatment == verb for verb in TREATMENTS),
            *(task.look, task.two),
            *(bool(house.held), _kind(house.held) == task.thing != "", house.held in house.treated),
            *(waiting > 0, waiting > 1, len(house.placed) > 0, len(house.placed) > 1),
            any(_kind(t) == task.goal for things in house.contents.values() for t in things),
            *(_kind(house.here) == task.goal, house.here in house.closed, self._asked(house.here)),
            *(new / max(len(house.places), 1), observation.strip() == FAILED),
            any(_kind(thing) == task.thing for thing in house.treated),
        )
        return np.array(state, dtype=np.float32)


class _ALFWorld:
    """The features of ALFWorld (see :class:`baselines.policies.features.ReaderFactory`)."""

    state_names = STATE_NAMES
    action_names = ACTION_NAMES

    def __call__(self, step: int = 0) -> ALFWorldReader:
        return ALFWorldReader(step)


ALFWORLD = _ALFWorld()
