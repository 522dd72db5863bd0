"""The worker of engine "textworld": its laws, with a stand-in, and real answers where installed."""

import os
import pickle
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fedenv.alfworld import Game, textworld_engine, textworld_worker
from fedenv.alfworld.grammar import PUT_IN_ON
from fedenv.alfworld.textworld_engine import (
    BROKEN_FROM,
    PACKAGES,
    TextWorldGame,
    TextWorldWorker,
)
from fedenv.errors import ConfigError, FedEnvError
from tests.alfworld.test_engine import GOLDENS, KITCHEN

SUPPORTED = sys.version_info < BROKEN_FROM
INSTALLED = SUPPORTED and all(find_spec(package) for package in PACKAGES)
# Answers as the real worker does, from what it was asked; "boom" refuses, "die" ends the process.
STAND_IN = """
import json, os, sys
sys.stderr.write("last words")
game = None
for line in sys.stdin:
    method, *arguments = json.loads(line)
    answer = {"result": None}
    if method == "load":
        game = arguments
        if "boom" in game[0]:
            answer = {"error": "SyntaxError: boom"}
    elif "die" in arguments:
        sys.exit(3)
    else:
        said = f"{os.getpid()} {game} {arguments}"
        answer["result"] = [said, ["look"], True][: 2 if method == "reset" else 3]
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setattr(textworld_worker, "__file__", str(script))
    monkeypatch.setattr(textworld_engine, "find_spec", lambda package: True)
    monkeypatch.setattr(textworld_engine, "BROKEN_FROM", (4, 0))
    worker = TextWorldWorker(recycle_after=2)
    yield worker
    worker.close()


def test_a_process_is_replaced_after_some_games(worker):
    seen = []
    for number in range(5):
        observation, admissible = TextWorldGame(f"problem {number}", "do", worker=worker).reset()
        assert f"['problem {number}', 'do', '2.1.2'] []" in observation
        assert admissible == ["look"]
        seen.append(observation.split()[0])
    assert len(set(seen)) == 3
    assert seen[0] == seen[1] != seen[2] == seen[3] != seen[4]


def test_a_game_is_loaded_once(worker):
    game = TextWorldGame("problem", "do", PUT_IN_ON, worker)
    first = {game.reset()[0] for _ in range(5)}
    assert len(first) == 1
    observation, admissible, won = game.step("look")
    assert observation.endswith("'2.1.1'] ['look']")
    assert (admissible, won, game.won) == (["look"], True, True)
    game.reset()
    assert not game.won


def test_a_worker_plays_one_game_at_a_time(worker):
    first, second = (TextWorldGame(name, "do", worker=worker) for name in ("one", "two"))
    first.reset()
    second.reset()
    with pytest.raises(FedEnvError, match="call reset first"):
        first.step("look")
    assert "'one'" in first.reset()[0]


def test_what_goes_wrong_is_said(worker):
    with pytest.raises(FedEnvError, match=r"cannot load this game: SyntaxError: boom"):
        TextWorldGame("boom", "do", worker=worker).reset()
    game = TextWorldGame("one", "do", worker=worker)
    game.reset()
    with pytest.raises(FedEnvError, match="process ended; it said: last words"):
        game.step("die")
    with pytest.raises(FedEnvError, match="call reset first"):
        game.step("look")
    assert game.reset()[1] == ["look"]


def test_nothing_is_left_behind(worker):
    TextWorldGame("one", "do", worker=worker).reset()
    folder, process = worker._errors.parent, worker._process
    assert folder.exists()
    worker.close()
    assert not folder.exists()
    assert process.poll() is not None
    assert pickle.loads(pickle.dumps(worker)).recycle_after == 2


def test_a_worker_ends_with_its_game(worker):
    game = TextWorldGame("one", "do", worker=TextWorldWorker())
    game.reset()
    process = game.worker._process
    del game
    assert process.poll() is not None


def test_newer_python_is_refused(monkeypatch):
    monkeypatch.setattr(textworld_engine, "BROKEN_FROM", (3, 0))
    with pytest.raises(ConfigError, match=r"needs Python 3.10 to 3.12.*engine 'fast'"):
        TextWorldWorker()


@pytest.mark.skipif(
    INSTALLED or not SUPPORTED, reason="the extra alfworld is installed, or cannot be"
)
def test_without_the_extra_the_error_says_what_to_do():
    with pytest.raises(ConfigError, match=r"pip install 'fedenv\[alfworld\]'.*engine 'fast'"):
        TextWorldWorker()


def test_recycle_after_is_checked(worker):
    with pytest.raises(ConfigError, match="at least 1"):
        TextWorldWorker(recycle_after=0)


@pytest.mark.skipif(not INSTALLED, reason="needs the extra alfworld")
@pytest.mark.parametrize("version", ["2.1.2", "2.1.1"])
def test_real_answers(version):
    home = set(Path.home().iterdir())
    variables = dict(os.environ)
    transcript = next(t for t in GOLDENS if t.version == version)
    wording = PUT_IN_ON if version == "2.1.1" else None
    arguments = (transcript.problem_text, transcript.task_desc, *([wording] if wording else []))
    game = TextWorldGame(*arguments)
    assert game.reset() == transcript.first
    for command, *expected in transcript.steps[:5]:
        assert list(game.step(command)) == expected
    with pytest.raises(FedEnvError, match="cannot load"):
        TextWorldGame("(define", "", worker=game.worker).reset()
    text = KITCHEN.to_pddl()
    kitchen = TextWorldGame(text, KITCHEN.task_desc, worker=game.worker)
    assert kitchen.reset() == Game.from_problem(text, KITCHEN.task_desc).reset()
    game.worker.close()
    assert set(Path.home().iterdir()) == home
    assert dict(os.environ) == variables
