"""What a scripted agent reads off ALFWorld's sentences: the task, the places, what lies where."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fedenv.alfworld.templates import TEMPLATES

FAILED = "Nothing happens."
_NAME = re.compile(r"\ba ([a-z]+ \d+)")
_ROOM = re.compile(r"looking quickly around you, you see (.*)", re.IGNORECASE)
_FACING = re.compile(r"You are facing the (.*?)\. Next to it")
_ON = re.compile(r"On the ([a-z]+ \d+), you see (.*?)\.(?:\s|$)")
_INSIDE = re.compile(r"The ([a-z]+ \d+) is open\. In it, you see (.*?)\.(?:\s|$)")
_CLOSED = re.compile(r"The ([a-z]+ \d+) is closed\.")
_TAKE = re.compile(r"take ([a-z]+ \d+) from ([a-z]+ \d+)")
_GO = re.compile(r"go to ([a-z]+ \d+)")
_TASK = "Your task is to: "


@dataclass(frozen=True)
class Request:
    """A task, read: its type, and kinds of thing and place (the lamp, to look at something)."""

    task_type: str
    item: str
    place: str


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(template.format(item=r"(?P<item>\w+)", place=r"(?P<place>\w+)"))


_SENTENCES = [(_pattern(text), kind) for kind, texts in TEMPLATES.items() for text in texts]


def kind_of(name: str) -> str:
    """Return the kind in a name such as ``"mug 2"``."""
    return name.rpartition(" ")[0]


def read_request(first: str) -> Request | None:
    """Return the task in a first observation; None if it is in words of its own."""
    sentence = first.rpartition(_TASK)[2].strip().removesuffix(".")
    for pattern, task_type in _SENTENCES:
        if found := pattern.fullmatch(sentence):
            return Request(task_type, found["item"], found["place"])
    return None


def read_places(first: str, admissible: Iterable[str]) -> list[str]:
    """Return the names of all places that a first observation or its commands tell of."""
    room, facing = _ROOM.search(first), _FACING.search(first)
    names = _NAME.findall(room[1]) if room else []
    names += re.findall(r"[a-z]+ \d+", facing[1]) if facing else []
    names += [found[1] for command in admissible if (found := _GO.fullmatch(command))]
    return list(dict.fromkeys(names))


def read_contents(observation: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a place and what is listed in or on it; None where nothing is listed."""
    found = _INSIDE.search(observation) or _ON.search(observation)
    return (found[1], tuple(_NAME.findall(found[2]))) if found else None


def read_closed(observation: str) -> str | None:
    """Return the place that an observation calls closed."""
    found = _CLOSED.search(observation)
    return found[1] if found else None


def read_takes(admissible: Iterable[str]) -> dict[str, list[str]]:
    """Return place to the things that can be taken there, by the offered commands."""
    takes: dict[str, list[str]] = {}
    for command in admissible:
        if found := _TAKE.fullmatch(command):
            takes.setdefault(found[2], []).append(found[1])
    return takes
