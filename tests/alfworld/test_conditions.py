"""Compiled goals: against a slow reading of the same expression, and ALFRED's other goals."""

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import RandomState

from fedenv.alfworld.engine import Game
from fedenv.alfworld.goals import TASK_TYPES, goal_expression
from fedenv.alfworld.house import STATE_BITS, build_house
from fedenv.alfworld.pddl import mangle, read
from fedenv.alfworld.problem import Problem
from fedenv.errors import DataError
from tests.alfworld.problems import random_problem
from tests.alfworld.test_engine import KITCHEN

PLACED = "(objectType ?o AppleType) (receptacleType ?r CounterTopType) (inReceptacle ?o ?r)"
OTHERS = {
    "sliced": "(and (exists (?r - receptacle) (exists (?o - object) (and (sliceable ?o) "
    f"(isSliced ?o) {PLACED}))))",
    "movable": "(and (exists (?r - receptacle) (and (receptacleType ?r CounterTopType) (exists "
    "(?o - object) (and (objectType ?o AppleType) (exists (?mo - object) (and (objectType ?mo "
    "MugType) (isReceptacleObject ?mo) (inReceptacleObject ?o ?mo) (inReceptacle ?mo ?r))))))))",
    "all": f"(and (exists (?r - receptacle) (forall (?o - object) (or (and {PLACED}) "
    "(or (not (objectType ?o AppleType)))))))",
    "door": "(not (exists (?r - receptacle) (and (receptacleType ?r FridgeType) (opened ?r))))",
    "hand": "(and (holdsAny agent1) (forall (?o - object) (not (and (isHot ?o) (isCool ?o)))))",
    "each": "(forall (?o - object) (and (objectType ?o AppleType) (not (isHot ?o))))",
    "both": "(or (forall (?o - object) (or (isHot ?o) (not (heatable ?o)))) (exists (?o - object) "
    "(and (objectType ?o MugType) (exists (?o - object) (and (objectType ?o AppleType) (holds "
    "agent1 ?o))))))",
    "nand": "(not (and (holdsAny agent1) (exists (?r - receptacle) (opened ?r))))",
    "nor": "(not (or (holdsAny agent1) (exists (?r - receptacle) (opened ?r))))",
    "not all": "(not (forall (?o - object) (or (not (sliceable ?o)) (not (holds agent1 ?o)))))",
    "place": "(exists (?o - object ?l - location) (and (objectAtLocation ?o ?l) "
    "(atLocation agent1 ?l) (objectType ?o AppleType) (not (holdsAny agent1))))",
}


def with_goal(problem, goal):
    return Problem(**{**problem.__dict__, "goal": goal})


def slow_facts(problem, game):
    """Return all true facts of a state, in mangled lower-case words."""
    house, state = game.house, game.state
    items = sorted(mangle(item.id).lower() for item in problem.items)
    places = sorted(mangle(place.id).lower() for place in problem.receptacles)
    spots = {problem.start, *(place.location for place in problem.receptacles)}
    spots |= {spot for item in problem.items for spot in item.locations}
    spots = sorted(mangle(spot).lower() for spot in spots if spot)
    facts = {("atlocation", "agent1", spots[state.location])}
    if state.held >= 0:
        facts |= {("holds", "agent1", items[state.held]), ("holdsany", "agent1")}
    for receptacle, inside in enumerate(state.contents):
        facts |= {("inreceptacle", items[item], places[receptacle]) for item in inside}
    for location, around in enumerate(state.places):
        facts |= {("objectatlocation", items[item], spots[location]) for item in around}
    facts |= {("opened", places[receptacle]) for receptacle in state.opened}
    for item, flags in enumerate(state.flags):
        facts |= {(name.lower(), items[item]) for name, bit in STATE_BITS.items() if flags & bit}
    for fact in read(f"({problem.to_pddl().lower().split('(:init')[1].split('(:goal')[0]}"):
        if fact[0] not in ("atlocation", "inreceptacle", "objectatlocation", "opened") and not any(
            fact[0] == name.lower() for name in STATE_BITS
        ):
            facts.add(fact)
    assert len(house.item_names) == len(items)
    return facts, {"object": items, "receptacle": places, "location": spots, "agent": ["agent1"]}


def slowly(part, facts, domains, bound):
    head, *rest = part
    if head in ("exists", "forall"):
        words = list(rest[0])
        names = words[0::3]
        values = product(*(domains[kind] for kind in words[2::3]))
        test = any if head == "exists" else all
        return test(
            slowly(rest[1], facts, domains, {**bound, **dict(zip(names, row, strict=True))})
            for row in values
        )
    if head == "not":
        return not slowly(rest[0], facts, domains, bound)
    if head in ("and", "or"):
        # Cheap parts first, which does not change the outcome.
        parts = sorted(rest, key=lambda inner: inner[0] in ("exists", "forall"))
        test = all if head == "and" else any
        return test(slowly(inner, facts, domains, bound) for inner in parts)
    row = tuple(bound.get(word, word) for word in rest)
    return row[0] == row[1] if head == "=" else (head, *row) in facts


@pytest.mark.parametrize("goal", [*TASK_TYPES, *OTHERS])
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_compiled_goals_hold_when_the_expression_does(goal, seed):
    problem = random_problem(seed, goal if goal in TASK_TYPES else None)
    game = Game(build_house(problem))
    asked = with_goal(problem, OTHERS[goal]) if goal in OTHERS else problem
    compiled = None
    with suppress(DataError):
        compiled = build_house(asked).goal
    expression, rng = read(asked.goal.lower()), RandomState(seed)
    _, admissible = game.reset()
    for _ in range(15):
        holds = compiled is not None and compiled.holds(game.state)
        facts, domains = slow_facts(problem, game)
        assert slowly(expression, facts, domains, {}) == holds
        if compiled is not None:
            done, total = compiled.progress(game.state)
            assert 0 <= done <= total
            assert (done == total) == holds
        likely = [c for c in admissible if c.split()[0] not in ("help", "look", "inventory")]
        _, admissible, _ = game.step(likely[rng.randint(len(likely))])


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("(exists (?o - object) (flies ?o))", "got flies"),
        ("(exists (?o - bird) (isHot ?o))", "got type bird"),
        ("(isHot mug_bar_nowhere)", "mug_bar_nowhere"),
        ("(isHot agent1 agent1)", "(ishot agent1 agent1)"),
        ("(exists (?o - object) (objectType ?o DodoType))", "nothing in the game"),
    ],
)
def test_goals_outside_the_domain_are_named(goal, said):
    with pytest.raises(DataError) as error:
        build_house(with_goal(random_problem(0), goal))
    assert said in str(error.value)


def test_a_goal_with_too_many_ways_is_refused():
    hot = "(exists (?o - object) (isHot ?o))"
    goal = f"(exists (?r - receptacle) (and {' '.join([hot, hot.replace('Hot', 'Cool')] * 2)}))"
    with pytest.raises(DataError, match="at most"):
        build_house(with_goal(random_problem(0), goal))


def test_what_cannot_move_is_not_asked_for():
    goal = goal_expression("look_at_obj_in_light", "Mug", lamp="DeskLamp")
    game = Game(build_house(with_goal(KITCHEN, goal)))
    asked = ["go to shelf 1", "use desklamp 1", "take mug 1 from shelf 1"]
    game.reset()
    seen = [game.house.goal.progress(game.state)]
    for command in asked:
        game.step(command)
        seen.append(game.house.goal.progress(game.state))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert game.won
