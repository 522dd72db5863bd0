"""The bundled games: floor plans, numbers, and the rules by which they were drawn."""

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedenv import data
from fedenv.alfworld import Game, build_house, bundled
from fedenv.alfworld.bundled import bundled_games
from fedenv.alfworld.fixtures import add_fixtures
from fedenv.alfworld.goals import TASK_TYPES
from fedenv.alfworld.oracle import STEP_LIMIT, solve
from fedenv.alfworld.problem import Problem
from fedenv.alfworld.records import Record, content_sha256
from fedenv.alfworld.scenes import SCENES, centimetres, class_of, position, scenes
from fedenv.alfworld.vocabulary import FOLDER, vocabulary

PUBLIC = {
    "train": (790, 308, 650, 459, 533, 813),
    "valid_seen": (35, 13, 27, 16, 25, 24),
    "valid_unseen": (24, 18, 31, 23, 21, 17),
}


@pytest.fixture(scope="module")
def table():
    return bundled_games()


@pytest.fixture(scope="module")
def rows():
    return json.loads(data.read_bytes(FOLDER / bundled.GAMES))["games"]


@pytest.fixture(scope="module")
def records(rows):
    return [Record.from_json(row[2:]) for row in rows]


def test_numbers_are_the_public_ones(table):
    assert {s: tuple(row[t] for t in TASK_TYPES) for s, row in table.counts.items()} == PUBLIC
    sizes = {name: len(positions) for name, positions in table.splits.positions.items()}
    assert sizes == {"train": 3553, "val": 140, "test": 134}


def test_names_of_the_games_are_frozen(table):
    assert table.digest == "1f95b6f31e0ebaf2"
    assert len({game.id for game in table.games}) == len(table) == 3827
    assert table.games[0].id.removeprefix("alfworld-") == table.games[0].sha256[:16]


def test_games_regenerate_under_another_hash_seed(rows):
    """The first 1,000: both valid splits and the first 726 of train."""
    script = (
        "import itertools, json\nfrom fedenv.alfworld.generator import generate\n"
        "games = itertools.islice(generate(), 1000)\n"
        "print(json.dumps([[s, *r.to_json()] for s, r in games]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "271"},
    )
    made = Counter(map(json.dumps, json.loads(done.stdout)))
    stored = Counter(json.dumps([row[0], *row[2:]]) for row in rows)
    assert made.total() == 1000
    assert made <= stored
    assert sum(made[game] for game in stored if not game.startswith('["train"')) == 274


def test_unseen_games_are_set_on_held_out_floor_plans(table):
    plans = {s: {g.scene for g in table.games if g.split == s} for s in PUBLIC}
    assert not plans["valid_unseen"] & plans["train"]
    assert plans["valid_seen"] <= plans["train"]
    held_out = {f"FloorPlan{number}" for number, scene in scenes().items() if scene.held_out}
    assert plans["valid_unseen"] <= held_out
    assert len(held_out) == 24


def test_tasks_repeat_as_allowed(rows, records):
    tasks = {
        s: Counter(r.task for row, r in zip(rows, records, strict=True) if row[0] == s)
        for s in PUBLIC
    }
    assert max(tasks["train"].values()) <= 3
    assert max(tasks["valid_seen"].values()) == max(tasks["valid_unseen"].values()) == 1
    assert not tasks["valid_seen"].keys() & tasks["train"].keys()


def test_rooms_fit_the_task(records):
    rooms = vocabulary().rooms
    assert all(scenes()[r.scene].room in rooms[r.task_type] for r in records)


def test_digests_are_of_the_content(table):
    for i in range(0, len(table), 40):
        assert content_sha256(table.problem(i)) == table.games[i].sha256


@pytest.mark.parametrize("index", range(0, 3827, 26))
def test_game_is_sound_and_solvable(table, records, index):
    problem, record = table.problem(index), records[index]
    assert table.games[index].task_type == record.task_type
    game = Game(build_house(problem))
    assert not game.won
    plan = solve(game)
    assert plan is not None
    assert 3 <= len(plan) <= STEP_LIMIT
    won = [game.step(command)[2] for command in plan]
    assert won[-1]
    assert Problem.parse(problem.to_pddl(), problem.task_desc).items == problem.items
    allowed = set(problem.can_contain)
    kinds = {receptacle.id: receptacle.kind for receptacle in problem.receptacles}
    for item in problem.items:
        if "pickupable" in item.traits:
            (home,) = item.receptacles
            assert (kinds[home], item.kind) in allowed
            assert (item.kind, kinds[home]) != (record.item, record.place)


def test_density_is_that_of_real_games(table):
    """The real trial (FloorPlan14) has 53 things in 20 receptacles at 24 places."""
    kitchens = [i for i, game in enumerate(table.games) if len(game.scene) < len("FloorPlan201")]
    problems = [table.problem(i) for i in kitchens[::20]]
    things = np.array([len(problem.items) for problem in problems])
    movable = [sum("pickupable" in i.traits for i in p.items) for p in problems]
    assert 48 < np.median(things) < 62
    assert 38 < np.median(movable) < 50


def test_most_games_start_in_the_middle_of_the_room(table):
    before = 0
    for i in range(0, 3827, 10):
        problem = table.problem(i)
        before += problem.start in {r.location for r in problem.receptacles}
    assert 1 <= before <= 20


def test_fixtures_of_the_floor_plans_regenerate():
    lines = data.read_bytes(FOLDER / SCENES).decode("ascii").splitlines()
    assert len(lines) == 120
    for line in lines[::5]:
        record = json.loads(line)
        layout = {k: record[k] for k in ("number", "classes", "points", "receptacles")}
        assert add_fixtures(layout) == record


def test_floor_plans_hold_what_real_rooms_hold():
    for scene in scenes().values():
        present = set(map(class_of, scene.receptacles))
        missing = {c for c in scene.classes if c in vocabulary().receptacles} - present
        assert not missing, scene.number
        assert len(scene.receptacles) >= 6
    kitchen = Counter(map(class_of, scenes()[14].receptacles))
    assert kitchen["StoveBurner"] == 4
    assert kitchen["CoffeeMachine"] == kitchen["Toaster"] == kitchen["GarbageCan"] == 1


def test_records_survive_their_stored_form(records):
    for record in records[::50]:
        assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


@given(st.tuples(*[st.integers(-9999, 9999)] * 3))
@settings(max_examples=200)
def test_positions_survive_their_text(place):
    assert centimetres(f"Mug|{position(*place)}") == place
    assert len(position(*place)) == 20
