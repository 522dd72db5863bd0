"""Each stage can be replaced by itself, and the others go on as before."""

from dataclasses import dataclass

import pytest

from fedenv.alfworld import grammar
from fedenv.alfworld.engine import Game
from fedenv.alfworld.house import build_house
from fedenv.alfworld.stages import Encoding, Matching, Rendering, Stages
from tests.alfworld.test_engine import KITCHEN
from tests.alfworld.transcripts import NOTHING_HAPPENS

HOUSE = build_house(KITCHEN)


class NoApples(Encoding):
    """Apples are noticed once their receptacle was examined."""

    def noticed(self, house, state, receptacle):
        items = super().noticed(house, state, receptacle)
        if receptacle in state.examined:
            return items
        return [item for item in items if house.item_kinds[item] != "apple"]


@dataclass(frozen=True)
class DoorClosed(Matching):
    """Heating wants a door that is closed; and one never goes to a forbidden place."""

    forbidden: str = "shelf"

    def works(self, house, state, command):
        if command.verb == grammar.HEAT:
            return command.other not in state.opened
        kind = house.receptacle_kinds[command.other] if command.verb == grammar.GO else ""
        return kind != self.forbidden


class NextDoor(Rendering):
    """What is printed is the contents of the receptacle before."""

    def printed(self, house, state, receptacle, encoding):
        return encoding.noticed(house, state, receptacle - 1)


def started(*stages, commands=("go to countertop 1",)):
    game = Game(HOUSE, Stages(*stages))
    game.reset()
    for command in commands:
        answer = game.step(command)
    return game, answer


def test_encoding_decides_what_is_listed_and_taken():
    game, (observation, admissible, _) = started(NoApples())
    assert observation.endswith("On the countertop 1, you see a knife 1.")
    assert "take apple 2 from countertop 1" not in admissible
    assert game.step("take apple 2 from countertop 1")[0] == NOTHING_HAPPENS
    observation, admissible, _ = game.step("examine countertop 1")
    assert observation == "On the countertop 1, you see a apple 2, and a knife 1."
    assert "take apple 2 from countertop 1" in admissible
    game.step("go to fridge 1")
    assert game.step("go to countertop 1")[0].endswith("you see a knife 1.")


def test_opening_hides_what_was_examined():
    game, _ = started(NoApples(), commands=("go to fridge 1", "examine fridge 1"))
    assert game.step("open fridge 1")[0].endswith("The fridge 1 is open. In it, you see nothing.")
    assert game.step("examine fridge 1")[0].endswith("you see a apple 1.")


def test_matching_decides_what_works():
    commands = ("go to countertop 1", "take apple 2 from countertop 1", "open microwave 1")
    game, (_, admissible, _) = started(Encoding(), DoorClosed(), commands=commands)
    heat = "heat apple 2 with microwave 1"
    assert heat not in admissible
    assert game.step(heat)[0] == NOTHING_HAPPENS
    assert heat in game.suggested(), "it looks as if it worked"
    assert "go to shelf 1" not in admissible
    assert "go to sinkbasin 1" in admissible
    assert game.step("go to shelf 1")[0] == NOTHING_HAPPENS
    assert heat in game.step("close microwave 1")[1]
    assert game.step(heat)[0].startswith("You heat")


def test_rendering_decides_what_is_printed():
    game, (_, admissible, _) = started(
        Encoding(), Matching(), NextDoor(), commands=("go to shelf 1",)
    )
    assert "take mug 1 from shelf 1" in admissible
    assert "take mug 1 from sinkbasin 1" in game.suggested()
    assert game.step("examine sinkbasin 1")[0] == (
        "On the sinkbasin 1, you see a desklamp 1, and a mug 1."
    )
    assert game.step("take mug 1 from sinkbasin 1")[0] == NOTHING_HAPPENS


@pytest.mark.parametrize("command", ["look", "inventory", "help"])
def test_stock_stages_are_the_default(command):
    assert Game(HOUSE, Stages()).step(command) == Game(HOUSE).step(command)
