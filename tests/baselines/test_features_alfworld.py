"""What the small policy reads off ALFWorld's sentences: a hand-made game."""

import numpy as np

from baselines.policies.features import reader_factory
from baselines.policies.features_alfworld import (
    ACTION_NAMES,
    ALFWORLD,
    FAILED,
    STATE_NAMES,
    ALFWorldReader,
)

FIRST = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly "
    "around you, you see a shelf 1, a fridge 1, and a sinkbasin 1.\n\nYour task is to: put a clean "
    "mug in fridge."
)
GO = ("go to fridge 1", "go to shelf 1", "go to sinkbasin 1")
ON_SHELF = "You arrive at shelf 1. On the shelf 1, you see a mug 2, and a plate 1."
AT_SHELF = ("go to fridge 1", "go to sinkbasin 1", "take mug 2 from shelf 1", "look")
TAKEN = "You pick up the mug 2 from the shelf 1."


def column(candidates, name):
    found = candidates.rows[:, ACTION_NAMES.index(name)].tolist()
    return dict(zip(candidates.actions, found, strict=True))


def fact(candidates, name):
    return float(candidates.state[STATE_NAMES.index(name)])


def play(*steps):
    reader = ALFWorldReader()
    seen = None
    for text, actions, action in steps:
        seen = reader.look(text, actions)
        if action:
            reader.note(action)
    return seen


START = ((FIRST, GO, "go to shelf 1"), (ON_SHELF, AT_SHELF, AT_SHELF[2]))


def test_first_page():
    seen = play((FIRST, GO, ""))
    assert reader_factory("alfworld") is ALFWORLD
    assert column(seen, "place is goal") == {GO[0]: 1.0, GO[1]: 0.0, GO[2]: 0.0}
    assert column(seen, "place new") == dict.fromkeys(GO, 1.0)
    assert column(seen, "first new place") == {GO[0]: 1.0, GO[1]: 0.0, GO[2]: 0.0}
    assert fact(seen, "asked to clean") == 1.0
    assert fact(seen, "asked to heat") == fact(seen, "asked for two") == 0.0


def test_places_are_remembered():
    seen = play(*START[:1], (ON_SHELF, AT_SHELF, ""))
    assert column(seen, "thing asked")["take mug 2 from shelf 1"] == 1.0
    assert column(seen, "place holds asked")["take mug 2 from shelf 1"] == 1.0
    assert column(seen, "place here")["take mug 2 from shelf 1"] == 1.0
    assert column(seen, "place new")["go to fridge 1"] == 1.0
    assert fact(seen, "asked seen") == fact(seen, "here asked") == 1.0


def test_what_is_held_and_what_was_done_with_it():
    holding = play(*START, (TAKEN, ("move mug 2 to shelf 1",), ""))
    assert fact(holding, "holding") == fact(holding, "holding asked") == 1.0
    assert fact(holding, "asked seen") == 0.0
    assert column(holding, "thing held") == {"move mug 2 to shelf 1": 1.0}
    basin = ("clean mug 2 with sinkbasin 1",)
    steps = (
        *(*START, (TAKEN, GO, "go to sinkbasin 1")),
        ("You arrive at sinkbasin 1. On the sinkbasin 1, you see nothing.", basin, basin[0]),
    )
    cleaned = play(*steps, ("You clean the mug 2 using the sinkbasin 1.", GO, ""))
    assert fact(cleaned, "holding treated") == fact(cleaned, "item treated") == 1.0
    assert column(play(*steps[:-1], steps[-1]), "verb asked") == {basin[0]: 1.0}
    steps = (
        *(*steps, ("You clean the mug 2 using the sinkbasin 1.", GO, GO[0])),
        ("You arrive at fridge 1. The fridge 1 is closed.", ("open fridge 1",), "open fridge 1"),
    )
    assert column(play(*steps), "place closed") == {"open fridge 1": 1.0}
    opened = "You open the fridge 1. The fridge 1 is open. In it, you see nothing."
    there = ("move mug 2 to fridge 1",)
    seen = play(*steps, (opened, there, there[0]), ("You move the mug 2 to the fridge 1.", GO, ""))
    assert (fact(seen, "holding"), fact(seen, "placed one"), fact(seen, "at goal")) == (0, 1, 1)
    assert column(seen, "place closed")["go to fridge 1"] == 0.0
    assert fact(seen, "asked seen") == 0.0


def test_what_failed_changes_nothing():
    seen = play(*START, (FAILED, AT_SHELF, ""))
    assert (fact(seen, "holding"), fact(seen, "failed")) == (0.0, 1.0)
    assert column(seen, "failed before")["take mug 2 from shelf 1"] == 1.0
    assert column(seen, "repeats last")["take mug 2 from shelf 1"] == 1.0


def test_names_are_as_many_as_features():
    seen = play((FIRST, GO, ""))
    assert seen.rows.shape == (3, len(ACTION_NAMES))
    assert seen.state.shape == (len(STATE_NAMES),)
    assert np.isfinite(seen.rows).all()
    assert seen.rows.dtype == seen.state.dtype == np.float32
    assert play((FIRST, (), "")).actions == ("look",)
