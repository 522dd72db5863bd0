"""Recorded episodes of ALFWorld on TextWorld: what was said, and all that was answered.

A transcript holds the problem and the episode; consecutive admissible lists are stored as what left
and what came, which keeps a file small.
"""

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass

from tests.alfworld.walks import verb_of

NOTHING_HAPPENS = "Nothing happens."


@dataclass(frozen=True)
class Transcript:
    """One walk: the first answer and, per command, (command, observation, admissible, won).

    ``version`` is that of the data whose wording is spoken.
    """

    name: str
    problem_text: str
    task_desc: str
    version: str
    first: tuple
    steps: tuple

    def to_json(self):
        rows, admissible = [], self.first[1]
        for command, observation, new, won in self.steps:
            gone = [i for i, c in enumerate(admissible) if c not in set(new)]
            come = [[i, c] for i, c in enumerate(new) if c not in set(admissible)]
            rows.append([command, observation, gone, come, won])
            admissible = new
        return {
            "name": self.name,
            "problem": self.problem_text,
            "task_desc": self.task_desc,
            "version": self.version,
            "first": self.first,
            "steps": rows,
        }

    @classmethod
    def from_json(cls, record):
        steps, admissible = [], record["first"][1]
        for command, observation, gone, come, won in record["steps"]:
            drop = set(gone)
            admissible = [c for i, c in enumerate(admissible) if i not in drop]
            for position, text in come:
                admissible.insert(position, text)
            steps.append((command, observation, list(admissible), won))
        first = (record["first"][0], record["first"][1])
        names = ("name", "problem", "task_desc", "version")
        return cls(*(record[name] for name in names), first, tuple(steps))

    def shown(self):
        """Return what the walk shows: verbs with their outcome, and the forms of the sentences."""
        found = Counter()
        for command, observation, _, won in self.steps:
            verb = verb_of(command)
            found[verb, "failed" if observation == NOTHING_HAPPENS else "succeeded"] += 1
            found["won", str(won)] += 1
            form = re.sub(r"[a-z]+ \d+", "X", re.sub(r"you see .*", "you see …", observation))
            found["sentence", form if verb != "help" else "help"] += 1
        return found


def save(path, transcripts):
    """Write transcripts; equal transcripts give equal bytes."""
    text = "".join(json.dumps(t.to_json(), separators=(",", ":")) + "\n" for t in transcripts)
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def load(path):
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    return [Transcript.from_json(json.loads(line)) for line in lines]


def walk(player, walker, steps, plan=()):
    """Play a plan, then ``steps`` commands of the walker; return first answer and steps."""
    first = player.reset()
    rows, admissible = [], first[1]
    for number in range(len(plan) + steps):
        command = plan[number] if number < len(plan) else walker.choose(admissible)
        observation, admissible, won = player.step(command)
        rows.append((command, observation, admissible, won))
    return first, tuple(rows)


def replay(game, transcript):
    """Return the differences of a game's answers from the transcript, as readable lines."""
    found = []
    observation, admissible = game.reset()
    if (observation, list(admissible)) != (transcript.first[0], list(transcript.first[1])):
        found.append(f"{transcript.name}: reset: {observation!r} {admissible}, {transcript.first}")
    for number, (command, *expected) in enumerate(transcript.steps, start=1):
        got = game.step(command)
        got = [got[0], list(got[1]), got[2]]
        if got != expected:
            found.append(f"{transcript.name}: step {number} {command!r}: {got} != {expected}")
    return found
