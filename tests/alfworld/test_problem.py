"""Problem: reading, writing, and the errors of broken texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedenv.alfworld.bundled import bundled_games
from fedenv.alfworld.goals import TASK_TYPES, goal_expression
from fedenv.alfworld.pddl import mangle, read, unmangle, write
from fedenv.alfworld.problem import TRAITS, Item, Problem
from fedenv.errors import ConfigError, DataError
from tests.alfworld.problems import random_problem
from tests.conftest import shared_path

PROBLEM = random_problem(0)
TEXT = PROBLEM.to_pddl()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_text_gives_back_the_problem(seed):
    problem = random_problem(seed)
    assert Problem.parse(problem.to_pddl(), problem.task_desc) == problem


def test_bundled_games_survive_the_text():
    for position in range(0, len(bundled_games()), 900):
        problem = bundled_games().problem(position)
        assert Problem.parse(problem.to_pddl(), problem.task_desc) == problem


def test_the_real_trial():
    text = shared_path("data", "alfworld_real", "initial_state.pddl").read_text("utf-8")
    problem = Problem.parse(text, "heat some potato and put it in sinkbasin")
    assert (len(problem.items), len(problem.receptacles)) == (53, 20)
    assert len(problem.can_contain) == 83
    assert problem.start == "loc|-4|0|2|30"
    mug = next(item for item in problem.items if item.id == "Mug|+00.50|+00.94|-01.46")
    assert [name.split("|")[0] for name in mug.receptacles] == ["CoffeeMachine", "CounterTop"]
    assert mug.traits == TRAITS[:5]
    nested = [item for item in problem.items if item.inside]
    assert [(item.kind, item.inside) for item in nested] == [("Pot", ("Pot|+01.81|+00.91|+00.08",))]
    assert problem.goal == goal_expression(TASK_TYPES[3], "Potato", "SinkBasin")
    assert Problem.parse(problem.to_pddl(), problem.task_desc) == problem


def test_what_no_action_depends_on_still_counts_as_mentioned():
    text = TEXT.replace("(:init\n", "(:init (wasInReceptacle Pen_bar_1 Shelf_bar_2) (= (cost) 0)\n")
    text = text.replace("(:objects\n", "(:objects Pen_bar_1 - object Shelf_bar_2 - receptacle\n")
    problem = Problem.parse(text, PROBLEM.task_desc)
    assert Item("Pen|1", "") in problem.items
    assert {place.id for place in problem.receptacles} > {"Shelf|2"}
    assert Problem.parse(problem.to_pddl(), problem.task_desc) == problem
    assert "Mug|9" not in {item.id for item in Problem.parse(text, "").items}


def test_a_fact_may_be_said_twice():
    facts = TEXT[TEXT.index("(:init") + 6 : TEXT.index("(:goal")].rstrip()[:-1]
    assert Problem.parse(TEXT.replace("(:init", f"(:init {facts}"), PROBLEM.task_desc) == PROBLEM


def test_a_declared_name_without_facts_is_no_item():
    text = TEXT.replace("(:objects\n", "(:objects Mug - object\n")
    assert Problem.parse(text, PROBLEM.task_desc) == PROBLEM


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("(:goal", "(:goall", "(:goal …)"),
        ("(:init\n", "(:init (flies agent1)\n", "(flies agent1)"),
        ("(:init\n", "(:init (opened agent1)\n", "(opened receptacle)"),
        ("(:init\n", "(:init (holds agent1 Mug)\n", "(holds agent1 Mug)"),
        ("(:init\n", "(:init (atLocation agent1 loc_bar_0)\n", "(atLocation agent location)"),
        ("agent1 - agent", "agent1 agent2 - agent", "one agent"),
        ("Mug_bar_", "Mug.bar_", "letters, digits and underscores"),
        ("(define", "(define (", "match"),
        ("(define", "x (define", "match"),
        ("(define", "(defined", "(define (problem"),
        ("agent1 - agent", "agent1 (a) - agent", "names and types"),
    ],
)
def test_broken_texts_are_named(old, new, said):
    assert old in TEXT
    with pytest.raises(DataError) as error:
        Problem.parse(TEXT.replace(old, new), "")
    assert said in str(error.value)


def test_two_places_of_one_receptacle_are_an_error():
    place = next(place.id for place in PROBLEM.receptacles if place.location)
    spots = sorted({place.location for place in PROBLEM.receptacles} - {""})
    facts = "".join(f"(receptacleAtLocation {mangle(place)} {mangle(spot)})" for spot in spots)
    with pytest.raises(DataError, match="one receptacleatlocation"):
        Problem.parse(TEXT.replace("(:init\n", f"(:init {facts}\n"), "")


@settings(deadline=None)
@given(st.text("aZ0_|+-.,", max_size=12))
def test_mangling_goes_both_ways(name):
    word = mangle(name)
    assert not set(word) & set("|+-.,")
    if mangle(unmangle(word)) == word and "_" not in name:
        assert unmangle(word) == name


WORD = st.text("ab?-", min_size=1, max_size=3)
ROW = st.lists(WORD, max_size=3).map(tuple)
EXPRESSIONS = WORD | st.lists(WORD | ROW, max_size=3).map(tuple)


@settings(deadline=None)
@given(EXPRESSIONS)
def test_expressions_are_read_as_written(expression):
    assert read(f"{write(expression)} ; a comment") == expression


def test_unknown_task_type():
    with pytest.raises(ConfigError, match="pick_and_place_simple"):
        goal_expression("pick_and_throw", "Mug")
