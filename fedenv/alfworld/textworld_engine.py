"""ALFWorld itself behind the protocol of `fedenv.alfworld.Game`: engine ``"textworld"``.

For those who want the original, and for checking the fast engine against it. It needs the extra
``alfworld``, and Python up to 3.12: TextWorld 1.7 words its sentences with ``locals().update``,
which has no effect from 3.13 on. TextWorld keeps about a megabyte of every game it has loaded, is
not safe in threads, and its import changes the process; therefore it runs in a worker process of
its own, which is replaced after some games.
"""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fedenv.alfworld import textworld_worker
from fedenv.alfworld.grammar import MOVE, Wording
from fedenv.errors import ConfigError, FedEnvError

PACKAGES = ("alfworld", "textworld", "fast_downward")
RECYCLE_AFTER = 25
BROKEN_FROM = (3, 13)


class TextWorldWorker:
    """A process that plays one game at a time in ALFWorld on TextWorld.

    Args:
        recycle_after: How many games a process loads before a new one takes its place.

    Raises:
        ConfigError: The extra ``alfworld`` is not installed, Python is too new for TextWorld, or
            ``recycle_after`` is below 1.
    """

    def __init__(self, recycle_after: int = RECYCLE_AFTER) -> None:
        if sys.version_info >= BROKEN_FROM:
            raise ConfigError(
                f"engine 'textworld' needs Python 3.10 to 3.12, got {sys.version.split()[0]}, on "
                "which TextWorld 1.7 cannot word a sentence; take engine 'fast', which gives the "
                "same texts"
            )
        missing = [package for package in PACKAGES if find_spec(package) is None]
        if missing:
            raise ConfigError(
                f"engine 'textworld' needs the package {missing[0]}, which is not installed; "
                "install the extra: pip install 'fedenv[alfworld]', or take "
                "engine 'fast', which gives the same texts"
            )
        if recycle_after < 1:
            raise ConfigError(f"recycle_after must be at least 1, got {recycle_after!r}")
        self.recycle_after = recycle_after
        self._playing: weakref.ref[TextWorldGame] | None = None  # a game owns its worker
        self._process: subprocess.Popen[str] | None = None
        self._loaded = 0

    def __reduce__(self) -> tuple[type[TextWorldWorker], tuple[int]]:
        return TextWorldWorker, (self.recycle_after,)

    def load(self, game: TextWorldGame) -> None:
        """Take up a game in place of the one before, in a new process if the old one is used up."""
        if self._loaded == self.recycle_after:
            self.close()
        self._playing = None
        self.ask("load", game.problem_text, game.task_desc, game.wording.version)
        self._loaded += 1
        self._playing = weakref.ref(game)

    def plays(self, game: TextWorldGame) -> bool:
        """Tell whether a game is the one that was taken up last."""
        return self._playing is not None and self._playing() is game

    def ask(self, method: str, *arguments: str) -> Any:
        """Return what the worker answers.

        Raises:
            FedEnvError: TextWorld refused, or its process ended.
        """
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps([method, *arguments]) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            said = self._errors.read_text(encoding="utf-8", errors="replace")[-2000:]
            self.close()
            raise FedEnvError(f"engine 'textworld': its process ended; it said: {said}")
        answer = json.loads(line)
        if "error" in answer:
            raise FedEnvError(
                f"engine 'textworld': TextWorld cannot {method} this game: {answer['error']}"
            )
        return answer["result"]

    def close(self) -> None:
        """End the process; the next request starts another one."""
        if self._process is not None:
            self._end()
        self._process, self._loaded, self._playing = None, 0, None

    def _start(self) -> None:
        folder = TemporaryDirectory(prefix="fedenv-textworld-")
        self._errors = Path(folder.name) / "stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, textworld_worker.__file__, folder.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
            )
        self._end = weakref.finalize(self, _end, self._process, folder)


def _end(process: subprocess.Popen[str], folder: TemporaryDirectory[str]) -> None:
    process.kill()
    process.communicate()
    folder.cleanup()


class TextWorldGame:
    """One game in ALFWorld on TextWorld.

    Args:
        problem_text: ``pddl_problem`` of a ``game.tw-pddl`` file.
        task_desc: What follows "Your task is to: ", without the full stop.
        wording: Which version of the command language.
        worker: The process to play in; games may share one as long as they are played in turn.
            By default a new one.
    """

    def __init__(
        self,
        problem_text: str,
        task_desc: str,
        wording: Wording = MOVE,
        worker: TextWorldWorker | None = None,
    ) -> None:
        self.problem_text = problem_text
        self.task_desc = task_desc
        self.wording = wording
        self.worker = worker or TextWorldWorker()
        self.won = False

    def reset(self) -> tuple[str, list[str]]:
        """Start again; return the first observation and the admissible commands, sorted.

        Raises:
            FedEnvError: TextWorld cannot play the game, e.g. because its goal is out of reach.
        """
        if not self.worker.plays(self):
            self.worker.load(self)
        self.won = False
        observation, admissible = self.worker.ask("reset")
        return observation, admissible

    def step(self, command: str) -> tuple[str, list[str], bool]:
        """Carry out one line of text; return observation, admissible commands, goal reached.

        Raises:
            FedEnvError: The game was not reset, or its worker plays another one now.
        """
        if not self.worker.plays(self):
            raise FedEnvError("expected a game that its worker plays; call reset first")
        observation, admissible, self.won = self.worker.ask("step", command)
        return observation, admissible, self.won
