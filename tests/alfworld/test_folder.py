"""Games from a folder in the public format: what is read, what is left out, and the index."""

import contextlib
import json
import logging
import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedenv import data
from fedenv.alfworld import Problem, build_house, folder, gamefiles
from fedenv.alfworld.bundled import GAMES, bundled_games
from fedenv.alfworld.folder import INDEX, open_folder, save_index
from fedenv.alfworld.gamefiles import Unusable, parse_game
from fedenv.alfworld.grammar import MOVE, PUT_IN_ON
from fedenv.alfworld.records import Record
from fedenv.alfworld.vocabulary import FOLDER
from fedenv.errors import DataError
from tests.alfworld import trees

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "alfworld_real"


@pytest.fixture(scope="module")
def records():
    rows = json.loads(data.read_bytes(FOLDER / GAMES))["games"]
    return [Record.from_json(row[2:]) for row in rows]


@pytest.fixture
def tree(tmp_path, records):
    """Twelve sound games, a third of them in the older language, and one of each broken kind."""
    root = tmp_path / "data" / "json_2.1.1"
    for number, (i, game, record) in enumerate(trees.sample(records, 330)):
        put = trees.PUT if number % 3 == 2 else trees.MOVE
        text = trees.game_text(bundled_games().problem(i), put)
        trees.write_trial(root, trees.trial_path(game, record, number), text)
    for path, content in broken(bundled_games().problem(7), bundled_games().problem(11)).items():
        trees.write_trial(root, f"train/{path}", content)
    (root / "train" / "notes.txt").write_text("no folder", encoding="utf-8")
    return root


def broken(sound, other):
    task = "pick_and_place_simple-Mug-None-Desk-308"
    text = trees.game_text(sound)
    anywhere = "(exists (?o - object ?r - receptacle) (and (inReceptacle ?o ?r)))"
    solved = Problem(**{**vars(sound), "goal": anywhere})
    unreachable = Problem(**{**vars(sound), "can_contain": ()})
    return {
        f"{task}/trial_01": None,
        f"{task}/trial_02": "",
        f"{task}/trial_03": text[: len(text) // 2],
        f"{task}/trial_04": "[1, 2]",
        f"{task}/trial_05": b"\xff\xfe\x00",
        f"{task}/trial_06": trees.game_text(sound, solvable=False),
        f"{task}/trial_07": text.replace('"solvable"', '"checked"'),
        f"{task}/trial_08": trees.game_text(sound, pddl_problem="(define (problem x))"),
        f"{task}/trial_09": trees.game_text(sound, put="drop {o} at {r}"),
        f"{task}/trial_10": trees.game_text(sound, grammar="no grammar"),
        f"{task}/trial_11": trees.game_text(unreachable),
        f"{task}/trial_12": trees.game_text(other),
        f"{task}/trial_13": trees.game_text(other),
        f"{task}/trial_14": trees.game_text(sound, pddl_problem=7),
        f"{task}/trial_15": trees.game_text(solved),
        "pick_and_place_with_movable_recep-Mug-Box-Desk-308/trial_1": text,
        "pick_two_obj_and_place-BreadSliced-None-Desk-8/trial_1": text,
        "juggle-Mug-None-Desk-308/trial_1": text,
    }


REASONS = {
    "no game.tw-pddl": 1,
    "broken JSON": 4,
    "not marked solvable": 2,
    "broken problem": 1,
    "unknown commands": 2,
    "no plan of 50 steps": 1,
    "the same game twice": 1,
    "broken game": 1,
    "solved at the start": 1,
    "sliced or movable receptacle": 2,
    "another task type": 1,
}


def test_sound_games_are_read_and_broken_ones_counted(tree, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        games = open_folder(str(tree.parent), tmp_path / "cache")
    assert dict(games.skipped) == REASONS
    assert len(games) == 13
    assert "17 of 30 trials not used: 1 another task type, 4 broken JSON" in caplog.text
    bundled = {game.sha256: game for game in bundled_games().games}
    for position, game in enumerate(games.games):
        twin = bundled[game.sha256]
        assert (game.split, game.id) == (twin.split, twin.id)
        place = [g.sha256 for g in bundled_games().games].index(game.sha256)
        problem = bundled_games().problem(place)
        assert games.problem(position) == problem
    assert [game.version for game in games.games].count(PUT_IN_ON.version) == 4
    assert {game.version for game in games.games} == {MOVE.version, PUT_IN_ON.version}


def test_order_is_that_of_sorted_paths(tree, tmp_path):
    games = open_folder(str(tree), tmp_path / "cache").games
    assert [g.split for g in games] == sorted(g.split for g in games)
    names = [g.task_type for g in games if g.split == "train"]
    assert names == sorted(names)
    assert games[0].scene.startswith("FloorPlan")


def test_language_and_order_are_in_the_digest(tree, tmp_path):
    first = open_folder(str(tree), tmp_path / "cache").digest
    path = next(p for p in sorted(tree.rglob("game.tw-pddl")) if b"in/on" in p.read_bytes())
    path.write_bytes(path.read_bytes().replace(b"put {o} in/on {r}", b"move {o} to {r}"))
    assert open_folder(str(tree), tmp_path / "cache").digest != first


def test_index_is_used_and_survives_a_copy(tree, tmp_path, monkeypatch):
    first = open_folder(str(tree), tmp_path / "cache")
    forget(monkeypatch)
    again = open_folder(str(tree), tmp_path / "cache")
    copy = tmp_path / "elsewhere"
    shutil.copytree(tree, copy)  # other times, same content
    for path in copy.rglob("game.tw-pddl"):
        os.utime(path, ns=(1, 1))
    copied = open_folder(str(copy), tmp_path / "cache")
    for other in (again, copied):
        assert other.digest == first.digest
        assert other.skipped == first.skipped
        assert other.problem(3) == first.problem(3)


def forget(monkeypatch):
    """From here on a trial that is judged is an error."""
    folder._open.cache_clear()

    def judge(trial, content):
        raise AssertionError("read again")

    monkeypatch.setattr(folder, "_judge", judge)


def test_changed_game_of_the_same_size_is_noticed(tree, tmp_path):
    games = open_folder(str(tree), tmp_path / "cache")
    path = changed_game(tree)
    os.utime(path, ns=(5, 5))
    again = open_folder(str(tree), tmp_path / "cache")
    assert len(again) == len(games)
    assert again.digest != games.digest


def changed_game(tree):
    """Change the task's words in a game, without changing the size of the file."""
    for path in sorted(tree.rglob("game.tw-pddl")):
        text = path.read_bytes().decode("utf-8", "replace")
        if "task is to: put a " in text and 'solvable": true' in text and "drop" not in text:
            path.write_text(text.replace("task is to: put a ", "task is to: lay a "), "utf-8")
            if "trial_T" in str(path):
                return path
    raise AssertionError("no such game")


def test_game_changed_after_opening_is_an_error(tree, tmp_path):
    games = open_folder(str(tree), tmp_path / "cache")
    for path in tree.rglob("game.tw-pddl"):
        path.write_bytes(
            path.read_bytes().replace(b"Your task is to: ", b"Your task is to: well, ")
        )
    with pytest.raises(DataError, match="changed since it was indexed"):
        games.problem(0)
    for path in tree.rglob("game.tw-pddl"):
        path.write_text("{}", "utf-8")
    with pytest.raises(DataError, match="sound when indexed"):
        games.problem(0)


def test_unreadable_game_is_tried_again(tree, tmp_path, monkeypatch):
    read = Path.read_bytes

    def refuse(path):
        if path.name == "game.tw-pddl" and "valid_seen" in str(path):
            raise PermissionError("not yours")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        games = open_folder(str(tree), tmp_path / "cache")
    refused = games.skipped["cannot be read"]
    assert refused > 0
    folder._open.cache_clear()
    assert len(open_folder(str(tree), tmp_path / "cache")) == len(games) + refused


def test_saved_index_lies_beside_the_data(tree, tmp_path, monkeypatch):
    told = []
    place, games = save_index(str(tree.parent), lambda *args: told.append(args))
    assert place == tree / INDEX
    assert told[0] == ("reading games", 0, 30)
    assert told[-1] == ("reading games", 30, 30)
    forget(monkeypatch)
    opened = open_folder(str(tree), tmp_path / "no cache")
    assert opened.digest == games.digest
    assert not (tmp_path / "no cache").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"made_by": 0, "rows": []}', b"\x1f\x8b broken"])
def test_broken_index_is_made_again(tree, tmp_path, content, caplog):
    (tree / INDEX).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert len(open_folder(str(tree), tmp_path / "cache")) == 13
    assert "an index is not used" in caplog.text


def test_read_only_data_and_cache(tree, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file, so nothing can be put into it", "utf-8")
    with caplog.at_level(logging.WARNING):
        assert len(open_folder(str(tree), tmp_path / "cache")) == 13
    assert "is not kept" in caplog.text
    assert not (tree / INDEX).exists()


def test_what_is_no_tree_is_said(tmp_path):
    with pytest.raises(DataError, match=r"no such folder.*alfworld-download"):
        open_folder(str(tmp_path / "nowhere"))
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="found photos"):
        open_folder(str(tmp_path))
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="no trial at all"):
        open_folder(str(tmp_path), tmp_path / "cache")


def test_stamp_changes_with_the_tasks(tree):
    before = gamefiles.folder_stamp(tree.parent)
    assert before == gamefiles.folder_stamp(tree)
    os.utime(tree / "train", ns=(9, 9))
    assert gamefiles.folder_stamp(tree) != before


@pytest.mark.parametrize(
    "task", ['put "two" mugs, \\ quickly', "Heat a potato.", "put ä mug", "put a mug\nin bed"]
)
def test_task_in_free_words(task):
    problem, _ = parse_game(trees.game_text(bundled_games().problem(0), task=task).encode())
    assert problem.task_desc == task


@pytest.mark.skipif(not REAL.is_dir(), reason=f"needs the real trial in {REAL}")
def test_real_trial(tmp_path):
    text = (REAL / "initial_state.pddl").read_text("utf-8")
    problem = Problem.parse(text, "heat some potato and put it in sinkbasin")
    content = trees.game_text(problem, pddl_problem=text)
    task = "pick_heat_then_place_in_recep-Potato-None-SinkBasin-14"
    trees.write_trial(tmp_path, f"train/{task}/trial_T20190908_231731_054988", content)
    games = open_folder(str(tmp_path), tmp_path / "cache")
    assert not games.skipped
    (game,) = games.games
    assert game.task_type == "pick_heat_then_place_in_recep"
    assert game.scene == "FloorPlan14"
    assert games.problem(0) == problem


SOUND = trees.game_text(bundled_games().problem(100)).encode()


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_files_are_games_or_unusable(data):
    """Cut, doubled or overwritten at any place, a file is a game or unusable: nothing else."""
    start = data.draw(st.integers(0, len(SOUND)))
    end = data.draw(st.integers(start, min(len(SOUND), start + 200)))
    middle = data.draw(st.sampled_from([b"", SOUND[start:end] * 2, b"(", b")", b'"', b"\\", b"\0"]))
    with contextlib.suppress(Unusable):
        parse_game(SOUND[:start] + middle + SOUND[end:])


WORDS = re.findall(r"[()]|[^()\s]+", bundled_games().problem(100).to_pddl())


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_problems_are_games_or_unusable(data):
    words = list(WORDS)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(words) - 1) | st.integers(0, 20))
        words[place] = data.draw(st.sampled_from(["", "(", ")", ") (", "agent1", ":init", "-"]))
    with contextlib.suppress(Unusable):
        problem, _ = parse_game(
            trees.game_text(bundled_games().problem(100), pddl_problem=" ".join(words)).encode()
        )
        with contextlib.suppress(*gamefiles.MALFORMED):
            build_house(problem)


@pytest.mark.parametrize(
    "content", [b"", b"null", b"1", b"[]", b"{}", b"[" * 100_000, b'{"solvable": 1}', b"\xff"]
)
def test_garbage_is_unusable(content):
    with pytest.raises(Unusable):
        parse_game(content)
