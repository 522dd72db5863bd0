"""Walks through a game that make every verb succeed and fail many times, from what a game shows.

A walk needs no rules of the domain: it picks the rarest admissible verb more often, follows the
kinds that the goal names, and now and then says something that cannot work.
"""

import re
from bisect import bisect
from collections import Counter
from itertools import accumulate

from numpy.random import RandomState

GARBAGE = (
    *("", " ", "foo", "go to", "take mug", "look around", "LOOK", "go to nowhere 1", "examine"),
    *("open", "use", "slice apple 1", "put mug 1 in/on fridge 1", "take  from ", "help me", "l"),
    *("go to fridge 1 ", "  look", "inventory\t", "Inventory", "go to fridge  1", "close door"),
)
SPLIT = re.compile(r" (?:from|to|with|in/on) ")
VERBS = (
    *("clean", "close", "cool", "examine", "go to", "heat", "help", "inventory", "look"),
    *("move", "open", "slice", "take", "use"),
)
STATIONS = ("fridge", "microwave", "sinkbasin")


def verb_of(command):
    """Return the verb of a command in one of the domain's forms, or "garbage"."""
    text = re.sub("^put ", "move ", command.strip())  # the older word
    for verb in VERBS:
        if text == verb or text.startswith(verb + " "):
            return verb
    return "garbage"


def arguments_of(command):
    verb = verb_of(command)
    rest = re.sub("^put ", "move ", command.strip())[len(verb) :].strip()
    return SPLIT.split(rest, maxsplit=1) if rest else []


class Walker:
    """Chooses commands; equal seeds and equal answers give equal walks."""

    def __init__(self, seed, goal=""):
        self.rng = RandomState(seed)
        self.seen = set()
        self.names = set()
        self.done = Counter()
        self.failed = Counter()
        kinds = re.findall(r"(\w+)Type\b", goal)
        self.wanted = {kind.lower() for kind in kinds}
        self.treated = set()

    def choose(self, admissible):
        for command in set(admissible) - self.seen:
            self.seen.add(command)
            self.names.update(arguments_of(command))
        if self.rng.random_sample() < 0.12:
            command = self._wrong(admissible)
            self.failed[verb_of(command)] += 1
            return command
        self._held = {
            arguments_of(c)[0]
            for c in admissible
            if verb_of(c) in ("move", "heat", "clean", "cool")
        }
        totals = list(accumulate(self._weight(command, admissible) for command in admissible))
        point = self.rng.random_sample() * totals[-1]
        command = admissible[min(bisect(totals, point), len(totals) - 1)]
        self.done[self._group(command)] += 1
        if verb_of(command) in ("heat", "cool", "clean", "slice", "use"):
            self.treated.add(arguments_of(command)[0])
        return command

    def _group(self, command):
        verb = verb_of(command)
        if verb == "examine" and command.strip()[len(verb) :].strip() in self._held:
            return "examine held"
        return verb

    def _weight(self, command, admissible):
        self._held = {
            arguments_of(c)[0]
            for c in admissible
            if verb_of(c) in ("move", "heat", "clean", "cool")
        }
        verb, group = verb_of(command), self._group(command)
        same = sum(verb_of(other) == verb for other in admissible)
        weight = {"go to": 5.0, "take": 3.0, "move": 1.5}.get(verb, 1.0)
        weight /= same * (1 + self.done[group]) ** 0.6
        if verb in ("take", "examine", "heat", "cool", "clean"):
            weight *= 3 if self.treated & set(arguments_of(command)) else 1
        words = {name.split(" ")[0] for name in arguments_of(command)}
        wanted = bool(words & self.wanted)
        if verb in ("take", "move", "use", "heat", "cool", "clean") and wanted:
            weight *= 4
        if verb == "go to" and self._held and (wanted or words & set(STATIONS)):
            weight *= 5
        return weight

    def _wrong(self, admissible):
        if self.rng.random_sample() < 0.25:
            return GARBAGE[self.rng.randint(len(GARBAGE))]
        verb = min(VERBS, key=lambda v: (self.failed[v] + self.rng.random_sample(), v))
        old = sorted(c for c in self.seen - set(admissible) if verb_of(c) == verb)
        if old and self.rng.random_sample() < 0.6:
            return old[self.rng.randint(len(old))]
        names = sorted(self.names)
        first, second = (names[self.rng.randint(len(names))] for _ in range(2))
        form = {"take": "from", "move": "to"}.get(verb, "with")
        if verb in ("help", "inventory", "look"):
            return f"{verb} {first}"
        if verb in ("go to", "open", "close", "examine", "use"):
            return f"{verb} {first}"
        return f"{verb} {first} {form} {second}"
