"""The oracle: plans from any state, under stages of a client that it was not told of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedenv.alfworld import Game, build_house, rules
from fedenv.alfworld import grammar as g
from fedenv.alfworld.bundled import bundled_games
from fedenv.alfworld.goals import TASK_TYPES, goal_expression
from fedenv.alfworld.oracle import solve
from fedenv.alfworld.problem import Item, Problem, Receptacle
from fedenv.alfworld.proofs import prove, prove_all
from fedenv.alfworld.stages import Encoding, Matching, Stages
from fedenv.alfworld.state import State
from fedenv.alfworld.walk import fork
from fedenv.errors import DataError

PLACE, LIGHT, CLEAN, HEAT, COOL, TWO = TASK_TYPES


def games(task_type, count=6):
    table = bundled_games()
    found = [i for i, game in enumerate(table.games) if game.task_type == task_type]
    return [Game(build_house(table.problem(i))) for i in found[:: len(found) // count][:count]]


def play(game, commands):
    answers = [game.step(command) for command in commands]
    return not any(answer[0] == "Nothing happens." for answer in answers) and answers[-1][2]


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_plans_work_from_any_state(task_type):
    for number, game in enumerate(games(task_type, 4)):
        rng = np.random.RandomState(number)
        for _ in range(6):
            game.reset()
            for _ in range(int(rng.randint(40))):
                commands = game.admissible()
                game.step(commands[rng.randint(len(commands))])
            before = snapshot(game.state)
            found = solve(game)
            assert snapshot(game.state) == before
            assert found is not None
            assert game.won == (not found)
            assert not found or play(game, found)


def snapshot(state):
    """Return all that matters of a state."""
    held = (state.location, state.held, bytes(state.flags), frozenset(state.opened))
    return held, tuple(map(tuple, state.contents))


class Door(Matching):
    """Heating and cooling need the door as told; cleaning needs a basin with nothing in it."""

    def __init__(self, opened):
        self.opened = opened

    def works(self, house, state, command):
        if command.verb in (g.HEAT, g.COOL):
            return (command.other in state.opened) == self.opened
        if command.verb == g.CLEAN:
            return not state.contents[command.other]
        return True


class Mask(Encoding):
    """Nothing is noticed before the receptacle is examined."""

    def noticed(self, house, state, receptacle):
        return state.contents[receptacle] if receptacle in state.examined else ()


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("task_type", [CLEAN, HEAT, COOL])
def test_rules_of_doors_and_basins_are_found_out(task_type, opened):
    longer = 0
    for stock in games(task_type, 12):
        game = Game(stock.house, Stages(matching=Door(opened)))
        found = solve(game)
        assert play(game, found)
        longer += len(found) > len(solve(stock))
    assert longer or (task_type != CLEAN and not opened)


def test_what_is_hidden_is_examined():
    for task_type in TASK_TYPES:
        for stock in games(task_type, 3):
            game = Game(stock.house, Stages(encoding=Mask()))
            found = solve(game)
            takes = sum(command.startswith("take") for command in found)
            assert play(game, found)
            assert len(found) == len(solve(stock)) + takes


def tiny(**changes):
    """Return a room with a mug in a full basin, a desk and a shut safe."""
    values = {
        "name": "tiny",
        "start": "loc|0|0|0|30",
        "receptacles": (
            Receptacle("Desk|+01.00|+01.00|+01.00", "Desk", "loc|1|0|0|30"),
            Receptacle("Safe|+02.00|+01.00|+01.00", "Safe", "loc|2|0|0|30", openable=True),
            Receptacle("Sink|+03.00|+01.00|+01.00|SinkBasin", "SinkBasin", "loc|3|0|0|30"),
        ),
        "items": (
            item("Mug|+01.00|+01.00|+01.00", "Sink|+03.00|+01.00|+01.00|SinkBasin"),
            item("Pen|+01.00|+01.00|+01.00", "Sink|+03.00|+01.00|+01.00|SinkBasin"),
        ),
        "can_contain": (("Desk", "Mug"), ("Desk", "Pen"), ("Safe", "Mug"), ("SinkBasin", "Mug")),
        "goal": "(exists (?o - object ?r - receptacle) (and (objectType ?o MugType) "
        "(receptacleType ?r SafeType) (isClean ?o) (inReceptacle ?o ?r)))",
        "task_desc": "put a clean mug in safe",
    }
    return Problem(**{**values, **changes})


def item(name, place):
    return Item(name, name[:3], (place,), ("loc|3|0|0|30",), traits=("pickupable", "cleanable"))


def test_plan_of_a_tiny_room():
    game = Game(build_house(tiny()))
    assert solve(game) == [
        "go to sinkbasin 1",
        "take mug 1 from sinkbasin 1",
        "clean mug 1 with sinkbasin 1",
        "go to safe 1",
        "open safe 1",
        "move mug 1 to safe 1",
    ]
    assert solve(game, limit=5) is None
    assert prove(game) == 6
    emptied = Game(game.house, Stages(matching=Door(True)))
    assert solve(emptied)[:4] == [
        "go to sinkbasin 1",
        "take pen 1 from sinkbasin 1",
        "go to desk 1",
        "move pen 1 to desk 1",
    ]


ROOM = (
    ("Desk", "Desk|+01.00|+01.00|+01.00", False),
    ("Fridge", "Fridge|+02.00|+01.00|+01.00", True),
    ("Microwave", "Microwave|+03.00|+01.00|+01.00", True),
    ("Safe", "Safe|+04.00|+01.00|+01.00", True),
    ("SinkBasin", "Sink|+05.00|+01.00|+01.00|SinkBasin", False),
    ("Safe", "Safe|+06.00|+01.00|+01.00", True),
    ("SinkBasin", "Sink|+07.00|+01.00|+01.00|SinkBasin", False),
)
KINDS = tuple(sorted({kind for kind, _, _ in ROOM}))


@st.composite
def rooms(draw):
    """Seven places on up to five spots, two mugs somewhere, a lamp on the desk; any task."""
    spots = draw(st.lists(st.integers(1, 5), min_size=7, max_size=7))
    doors = draw(st.lists(st.booleans(), min_size=7, max_size=7))
    receptacles = tuple(
        Receptacle(name, kind, f"loc|{spot}|0|0|30", openable, openable and door)
        for (kind, name, openable), spot, door in zip(ROOM, spots, doors, strict=True)
    )
    homes = draw(st.lists(st.integers(0, 6), min_size=2, max_size=2))
    traits = ("pickupable", "cleanable", "heatable", "coolable")
    mugs = [
        Item(f"Mug|+0{i}.00|+01.00|+01.00", "Mug", (ROOM[home][1],), traits=traits)
        for i, home in enumerate(homes)
    ]
    lamp = Item("DeskLamp|+01.00|+01.00|+01.00", "DeskLamp", (ROOM[0][1],), traits=("toggleable",))
    start = draw(st.integers(0, 5))
    task_type, place = draw(st.sampled_from(TASK_TYPES)), draw(st.sampled_from(KINDS))
    return Problem(
        name="room",
        start=f"loc|{start}|0|0|30",
        receptacles=receptacles,
        items=(lamp, *mugs),
        can_contain=tuple((kind, "Mug") for kind in KINDS),
        goal=goal_expression(task_type, "Mug", place, "DeskLamp"),
        task_desc="do it",
    )


@given(rooms())
@settings(max_examples=25, deadline=None)
def test_no_plan_is_shorter(problem):
    """The oracle's plan is as short as the shortest of all sequences of commands."""
    house = build_house(problem)
    found = solve(Game(house))
    assert found is not None
    states, known = [State(house)], {snapshot(State(house))}
    for _ in found:
        assert not any(house.goal.holds(state) for state in states)
        after = []
        for state in states:
            game = Game(house)
            game.state = state
            for text in game.admissible():
                command = g.parse(text, house, g.MOVE)
                copy = fork(state)
                rules.apply(house, copy, command)
                if snapshot(copy) not in known:
                    known.add(snapshot(copy))
                    after.append(copy)
        states = after
    assert any(house.goal.holds(state) for state in states)


def test_what_cannot_be_solved_has_no_plan():
    nowhere = tiny(can_contain=(("Desk", "Mug"),))
    assert solve(Game(build_house(nowhere))) is None
    with pytest.raises(DataError, match="no plan of 50 commands"):
        prove(Game(build_house(nowhere)))
    done = tiny(goal="(exists (?o - object) (and (objectType ?o MugType) (not (isHot ?o))))")
    assert solve(Game(build_house(done))) == []
    with pytest.raises(DataError, match="solved at the start"):
        prove(Game(build_house(done)))


def test_overlapping_receptacle_here_is_preferred():
    both = ("Desk|+01.00|+01.00|+01.00", "Sink|+03.00|+01.00|+01.00|SinkBasin")
    mug, pen = tiny().items
    mug = Item(mug.id, mug.kind, both, mug.locations, traits=mug.traits)
    game = Game(build_house(tiny(items=(mug, pen), start="loc|3|0|0|30")))
    assert solve(game)[0] == "take mug 1 from sinkbasin 1"


def test_hand_is_freed_where_the_agent_stands():
    allowed = (*tiny().can_contain, ("SinkBasin", "Pen"))
    game = Game(build_house(tiny(can_contain=allowed)))
    for command in ("go to sinkbasin 1", "take pen 1 from sinkbasin 1"):
        game.step(command)
    assert solve(game)[:2] == ["move pen 1 to sinkbasin 1", "take mug 1 from sinkbasin 1"]


def test_burning_lamp_is_not_switched_on_again():
    (game,) = games(LIGHT, 1)
    found = solve(game)
    assert play(game, found)
    game.step(next(command for command in game.admissible() if command.startswith("go to")))
    assert not game.won
    assert [command.split()[0] for command in solve(game)] == ["go"]


def test_place_and_appliance_on_the_way_are_chosen():
    start, item, sink = "loc|0|0|0|30", "loc|3|0|0|30", "Sink|+00.00|+01.00|+01.00|SinkBasin"
    far = (
        Receptacle(sink, "SinkBasin", "loc|8|0|0|30"),
        Receptacle("Safe|+00.00|+01.00|+01.00", "Safe", "loc|9|0|0|30"),
    )
    for safe in (start, item, "loc|7|0|0|30"):
        near = Receptacle("Safe|+08.00|+01.00|+01.00", "Safe", safe)
        room = tiny(receptacles=(*far, near, *tiny().receptacles[2:]))
        assert len(solve(Game(build_house(room)))) == (4 if safe == item else 5)
    near = Receptacle("Safe|+08.00|+01.00|+01.00", "Safe", "loc|8|0|0|30")
    desk = tiny().receptacles[0]
    mug, pen = tiny().items
    mug = Item(mug.id, mug.kind, (desk.id,), traits=mug.traits)
    other = (Receptacle("Sink|+09.00|+01.00|+01.00|SinkBasin", "SinkBasin", "loc|9|0|0|30"), *far)
    room = tiny(receptacles=(*other, near, desk, *tiny().receptacles[2:]), items=(mug, pen))
    assert len(solve(Game(build_house(room)))) == 5


def test_place_beside_the_thing_is_chosen():
    desk = tiny().receptacles[0]
    safes = [
        Receptacle(f"Safe|+0{x}.00|+01.00|+01.00", "Safe", place)
        for x, place in ((0, "loc|9|0|0|30"), (8, desk.location))
    ]
    mug, pen = tiny().items
    mug = Item(mug.id, mug.kind, (desk.id,), traits=mug.traits)
    goal = tiny().goal.replace("(isClean ?o)", "")
    places = (desk, *safes, *tiny().receptacles[2:])
    game = Game(build_house(tiny(receptacles=places, items=(mug, pen), goal=goal)))
    assert len(solve(game)) == 3


def test_what_must_not_hold_is_left_alone():
    goal = tiny().goal.replace("(isClean ?o)", "(not (isClean ?o))")
    game = Game(build_house(tiny(goal=goal)))
    assert len(solve(game)) == 5
    assert prove(game) == 5
    goal = goal.replace("(not (isClean ?o))", "(not (inReceptacle ?o ?s))")
    goal = goal.replace("?r - receptacle", "?r - receptacle ?s - receptacle")
    goal = goal.replace("(receptacleType", "(receptacleType ?s SinkBasinType) (receptacleType", 1)
    assert prove(Game(build_house(tiny(goal=goal)))) == 5


def test_plans_of_older_games_speak_their_language():
    (game,) = games(PLACE, 1)
    older = Game(game.house, wording=g.PUT_IN_ON)
    found = solve(older)
    assert found[-1].startswith("put ")
    assert " in/on " in found[-1]
    assert play(older, found)


def test_proof_notices_a_wrong_index():
    table = bundled_games()
    part = type(table)(table.games[1:3], table.problem)
    with pytest.raises(DataError, match="not what the index says"):
        prove_all(part)
    part = type(table)(table.games[:3], table.problem)
    assert sum(map(len, prove_all(part).values())) == 3
