"""The process in which ALFWorld's own engine runs; see `textworld_engine`. Run as a script.

Usage: python textworld_worker.py FOLDER

Reads one JSON request a line from standard input and writes one JSON answer a line to what was
standard output when it started: TextWorld and its planner print, swap ``sys.stdout`` and overwrite
``sys.argv`` as they like. FOLDER stands for the home directory, because importing ``alfworld``
makes a cache there and sets a variable.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

OLDER = "2.1.1"
# What changed in the grammar since version 2.1.1 of the data.
_SINCE = (
    ("You arrive at {r.name}.", "You arrive at {lend.name}."),
    ("move {o} to {r}", "put {o} in/on {r}"),
    ("You move the {o.name} to the {r.name}.", "You put the {o.name} in/on the {r.name}."),
)


class Player:
    """ALFWorld 0.4.x on TextWorld, one game at a time."""

    def load(self, problem_text: str, task_desc: str, version: str) -> None:
        """Take up a game; `reset` starts it.

        Args:
            problem_text: The game's ``pddl_problem``.
            task_desc: What follows "Your task is to: ", without the full stop.
            version: Version of the data whose wording is spoken: `OLDER`, or any other for today's.
        """
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
        from textworld.core import EnvInfos
        from textworld.envs.pddl.pddl import PddlEnv

        domain, grammar = rules_of(version)
        env = PddlEnv(EnvInfos(won=True, admissible_commands=True))
        self._env = AlfredDemangler(env, shuffle=False)
        self._env.load(
            {
                "pddl_domain": domain,
                "pddl_problem": problem_text,
                "grammar": grammar.replace("UNKNOWN GOAL", task_desc),
            }
        )

    def reset(self) -> tuple[str, list[str]]:
        """Return the first observation and the admissible commands."""
        state = self._env.reset()
        return state.feedback, list(state["admissible_commands"])

    def step(self, command: str) -> tuple[str, list[str], bool]:
        """Return observation, admissible commands, and whether the goal is reached."""
        state, _, _ = self._env.step(command)
        return state.feedback, list(state["admissible_commands"]), bool(state["won"])


def rules_of(version: str) -> tuple[str, str]:
    """Return domain and grammar of the installed ``alfworld``, or as they were in `OLDER`."""
    import alfworld

    data = Path(str(alfworld.__file__)).parent / "data"
    domain = (data / "alfred.pddl").read_text(encoding="utf-8")
    grammar = (data / "alfred.twl2").read_text(encoding="utf-8")
    if version == OLDER:
        domain = f"{domain[: domain.index('(:action help')]})"
        grammar = grammar[: grammar.index("action help {")]
        for new, old in _SINCE:
            grammar = grammar.replace(new, old)
    return domain, grammar


def main(folder: str) -> None:
    """Answer requests until standard input ends."""
    os.environ.update(HOME=folder, ALFWORLD_DATA=folder)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    player = Player()
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"result": getattr(player, method)(*arguments)}
        except Exception as error:  # whatever TextWorld raises belongs to the caller
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    del sys.path[0]  # this folder, whose modules are no top-level ones
    main(sys.argv[1])
