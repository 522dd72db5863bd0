"""The scripted agent reads sentences, not the game; it solves most games."""

from types import SimpleNamespace

import pytest

from fedenv.alfworld import Game, Item, Problem, Receptacle, build_house
from fedenv.alfworld import grammar as g
from fedenv.alfworld.agents import KeywordAgent
from fedenv.alfworld.bundled import bundled_games
from fedenv.alfworld.goals import TASK_TYPES, goal_expression
from fedenv.alfworld.observations import Request, read_contents, read_places, read_request
from fedenv.alfworld.stages import Encoding, Matching, Rendering, Stages
from fedenv.alfworld.templates import TEMPLATES, task_sentence
from fedenv.alfworld.vocabulary import vocabulary
from fedenv.errors import ConfigError

LIMIT = 50
PLACE, LIGHT, CLEAN, HEAT, COOL, TWO = TASK_TYPES
ENV, RNG = SimpleNamespace(), None


def play(game, offered=True, limit=LIMIT):
    """Return the commands, and whether the goal was reached; wrong answers would show here."""
    agent = KeywordAgent(ENV, RNG)
    observation, commands = game.reset()
    agent.reset(observation, {"admissible_actions": commands if offered else []})
    played = []
    for _ in range(limit):
        info = {"admissible_actions": commands if offered else []}
        played.append(agent.act(observation, info))
        observation, commands, won = game.step(played[-1])
        if won:
            return played, True
    return played, False


def sample(task_type, count):
    table = bundled_games()
    found = [i for i, game in enumerate(table.games) if game.task_type == task_type]
    return [build_house(table.problem(i)) for i in found[:: len(found) // count][:count]]


@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_agent_solves_most_games(task_type, offered):
    houses = sample(task_type, 10)
    assert sum(play(Game(house), offered)[1] for house in houses) >= 8


@pytest.mark.parametrize("wording", [g.MOVE, g.PUT_IN_ON])
@pytest.mark.parametrize("offered", [True, False])
def test_agent_finds_the_language(wording, offered):
    (house,) = sample(PLACE, 1)
    played, won = play(Game(house, wording=wording), offered)
    assert won
    assert sum(command.startswith("put ") for command in played) == (wording is g.PUT_IN_ON)


class Shut(Matching):
    """Appliances work with the door as told."""

    def __init__(self, opened):
        self.opened = opened

    def works(self, house, state, command):
        treats = command.verb in (g.HEAT, g.COOL)
        return not treats or (command.other in state.opened) == self.opened


class Veil(Encoding):
    """Mugs and pens are noticed only in what was examined."""

    def noticed(self, house, state, receptacle):
        contents = state.contents[receptacle]
        if receptacle in state.examined:
            return contents
        return tuple(item for item in contents if house.item_kinds[item] not in ("mug", "egg"))


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("task_type", [HEAT, COOL])
def test_agent_tries_the_door(task_type, opened):
    houses = sample(task_type, 8)
    stages = Stages(matching=Shut(opened))
    assert sum(play(Game(house, stages))[1] for house in houses) >= 7


def test_agent_looks_more_closely():
    houses = [house for house in sample(HEAT, 40) if house.task_desc.split()[2] in ("mug", "egg")]
    won = [play(Game(house, Stages(encoding=Veil())), limit=120) for house in houses]
    assert houses
    assert sum(reached for _, reached in won) > len(won) / 2
    assert any(c.startswith("examine") for played, reached in won if reached for c in played)


class Shifted(Rendering):
    """What is printed lies in the next receptacle."""

    def printed(self, house, state, receptacle, encoding):
        return encoding.noticed(house, state, (receptacle + 1) % len(house.locations))


def test_offered_commands_correct_what_is_printed():
    stages = Stages(rendering=Shifted())
    for task_type in (PLACE, CLEAN):
        won = [play(Game(house, stages), limit=100)[1] for house in sample(task_type, 10)]
        assert sum(won) >= 8


def test_nothing_fails_where_nothing_is_odd():
    for house in sample(TWO, 10):
        played, _ = play(Game(house), offered=False)
        game = Game(house)
        answers = [(command, game.step(command)[0]) for command in played]
        failed = [command for command, answer in answers if answer == "Nothing happens."]
        assert all(command.startswith("go to") for command in failed)


def room(*books):
    """Return a room with two beds, two desks, and books in some of these."""
    places = [f"{kind}|+0{x}.00|+01.00|+01.00" for kind in ("Bed", "Desk") for x in (1, 2)]
    return Problem(
        name="tiny",
        start="loc|0|0|0|30",
        receptacles=tuple(
            Receptacle(place, place.split("|")[0], f"loc|{i + 1}|0|0|30")
            for i, place in enumerate(places)
        ),
        items=tuple(
            Item(f"Book|+0{i}.00|+01.00|+01.00", "Book", (places[home],), traits=("pickupable",))
            for i, home in enumerate(books)
        ),
        can_contain=(("Bed", "Book"), ("Desk", "Book")),
        goal=goal_expression(TWO, "Book", "Bed"),
        task_desc="put two book in bed",
    )


@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize(
    ("books", "steps"),
    [((0, 1), 7), ((0, 2), 9), ((1, 2), 5), ((2, 2), 9), ((2, 3), 8), ((0, 1, 2), 5)],
)
def test_two_things_end_in_the_same_place(books, steps, offered):
    played, won = play(Game(build_house(room(*books))), offered)
    assert won
    assert len(played) == steps


def test_likely_places_come_first():
    tables = {kind.lower(): things for kind, things in vocabulary().can_contain.items()}
    for house in sample(HEAT, 10):
        played, _ = play(Game(house), offered=False)
        thing = next(command for command in played if command.startswith("take")).split()[1]
        places = [command.split()[2] for command in played if command.startswith("go to")]
        assert thing in {name.lower() for name in tables[places[0]]}


def test_agent_knows_places_that_share_a_spot():
    spot = "loc|1|0|0|30"
    desk, shelf, bed = (f"{kind}|+01.00|+01.00|+01.00" for kind in ("Desk", "Shelf", "Bed"))
    problem = Problem(
        name="tiny",
        start="loc|0|0|0|30",
        receptacles=(
            Receptacle(bed, "Bed", "loc|2|0|0|30"),
            Receptacle(desk, "Desk", spot),
            Receptacle(shelf, "Shelf", spot),
        ),
        items=(Item("Book|+01.00|+01.00|+01.00", "Book", (desk,), traits=("pickupable",)),),
        can_contain=tuple((kind, "Book") for kind in ("Bed", "Desk", "Shelf")),
        goal=goal_expression(PLACE, "Book", "Bed"),
        task_desc="put a book in bed",
    )
    played, won = play(Game(build_house(problem)), offered=False, limit=10)
    assert won
    assert "examine desk 1" in played


@pytest.mark.parametrize("task_type", TASK_TYPES)
@pytest.mark.parametrize("template", [0, 1])
def test_every_sentence_is_read(task_type, template):
    sentence = task_sentence(task_type, template, "SoapBar", "SideTable")
    assert sentence == sentence.lower()
    first = f"-= Welcome to TextWorld, ALFRED! =-\n\nYour task is to: {sentence}."
    assert read_request(first) == Request(task_type, "soapbar", "sidetable")


def test_sentences_are_those_of_the_real_games():
    assert task_sentence(HEAT, 1, "Potato", "SinkBasin") == (
        "heat some potato and put it in sinkbasin"
    )
    assert TEMPLATES[PLACE] == ("put a {item} in {place}", "put some {item} on {place}")
    with pytest.raises(ConfigError, match="task_type"):
        task_sentence("juggle", 0, "Mug", "Desk")


def test_unknown_words_are_no_request():
    assert read_request("Your task is to: Heat a potato and place it in the sink..") is None
    agent = KeywordAgent(ENV, RNG)
    info = {"admissible_actions": []}
    agent.reset("Your task is to: do well.", info)
    assert agent.act("", info) == "look"


def test_places_are_read_from_the_room_or_the_commands():
    room = (
        "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, "
        "a cabinet 1, and a fridge 1.\n\nYour task is to: put a mug in fridge."
    )
    assert read_places(room, []) == ["cabinet 2", "cabinet 1", "fridge 1"]
    facing = "You are facing the desk 1, and shelf 2. Next to it, you see nothing."
    assert read_places(facing, ["go to bed 1", "look"]) == ["desk 1", "shelf 2", "bed 1"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("On the desk 1, you see a mug 2, and a pen 1.", ("desk 1", ("mug 2", "pen 1"))),
        ("On the desk 1, you see nothing.", ("desk 1", ())),
        ("You open the safe 1. The safe 1 is open. In it, you see a cd 1.", ("safe 1", ("cd 1",))),
        ("The safe 1 is closed.", None),
        ("This is a normal mug 1. In it, you see a pen 1.", None),
        ("Nothing happens.", None),
    ],
)
def test_contents(text, found):
    assert read_contents(text) == found
