"""The four variants: rules that follow from the index, and what each one changes in a house."""

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedenv import Federation, seeding
from fedenv.alfworld import Game, Item, Receptacle, build_house
from fedenv.alfworld.bundled import bundled_games
from fedenv.alfworld.episode import STEP_LIMIT
from fedenv.alfworld.proofs import prove
from fedenv.alfworld.stages import STOCK, Stages
from fedenv.alfworld.variants import (
    DOOR_RULES,
    REFERENCE,
    STAGES,
    VARIANTS,
    DoorRule,
    InventorySplit,
    ShiftedContents,
    VisibilityMask,
    client_house,
    resolve_knobs,
)
from fedenv.alfworld.vocabulary import vocabulary
from fedenv.alfworld.walk import fork
from fedenv.errors import ConfigError
from fedenv.registration import ENVIRONMENTS
from tests.alfworld.test_engine import KITCHEN
from tests.alfworld.transcripts import NOTHING_HAPPENS
from tests.conftest import ALFWORLD_IDS

CHANGED = dict(zip(ALFWORLD_IDS, (None, *STAGES), strict=True))
VARIANT_IDS = ALFWORLD_IDS[1:]
KINDS = [kind.lower() for kind in vocabulary().objects]


def house_of(name, client_id, seed=42, **knobs):
    variant = VARIANTS[name]
    return client_house(variant, resolve_knobs(variant, knobs), client_id, seed)


def started(problem=KITCHEN, commands=(), **stages):
    game = Game(build_house(problem), Stages(**stages))
    game.reset()
    for command in commands:
        assert game.step(command)[0] != NOTHING_HAPPENS, command
    return game


# Rules and digests


@pytest.mark.parametrize("env_id", ALFWORLD_IDS)
def test_a_client_changes_its_variants_stage_alone(env_id):
    federation = Federation(env_id, num_clients=20)
    reference = federation.kernel(0, "reference").digests
    assert tuple(reference) == STAGES
    plain = Federation("FedALFWorld-v0", num_clients=2).kernel(1)
    assert plain.digests == reference
    for client in range(20):
        digests = federation.kernel(client).digests
        differing = [stage for stage in STAGES if digests[stage] != reference[stage]]
        assert differing == ([CHANGED[env_id]] if CHANGED[env_id] else [])


@pytest.mark.parametrize(
    ("knobs", "stage"),
    [({"admissible": "none"}, "rendering"), ({"engine": "textworld"}, "matching")],
)
def test_what_changes_a_result_is_in_the_digests(knobs, stage):
    plain, other = (Federation("FedALFWorld-v0", num_clients=2, **k) for k in ({}, knobs))
    assert plain.digest != other.digest
    digests = [federation.kernel(0).digests for federation in (plain, other)]
    assert [name for name in STAGES if digests[0][name] != digests[1][name]] == [stage]


@pytest.mark.parametrize("env_id", VARIANT_IDS)
def test_clients_differ_and_rules_are_the_same_again(env_id):
    one, other = (Federation(env_id, num_clients=20) for _ in range(2))
    digests = [one.kernel(client).digest for client in range(20)]
    assert digests == [other.kernel(client).digest for client in range(20)]
    kinds = len(set(digests))
    assert kinds == (len(DOOR_RULES) if env_id == "FedALFWorld-DoorRule-v0" else 20)
    moved = Federation(env_id, num_clients=20, federation_seed=43)
    assert digests != [moved.kernel(c).digest for c in range(20)] or "Shifted" in env_id


def test_the_rules_of_the_first_clients_are_frozen():
    """A change here changes results: bump the ids and say so in the changelog."""
    changes = {name: [house_of(name, client).change for client in range(100)] for name in VARIANTS}
    assert changes["none"] == [{}] * 100
    assert [change["shift"] for change in changes["shifted-contents"]] == [*range(1, 101)]
    doors = [DOOR_RULES.index(DoorRule(**change)) for change in changes["door-rule"]]
    assert doors == [seeding.pool_index(client, 4, 42) for client in range(100)]
    assert (
        DoorRule("open", "open", True),
        DoorRule("closed", "closed", False),
        DoorRule("open", "closed", True),
        DoorRule("closed", "open", False),
    ) == DOOR_RULES
    first = changes["inventory-split"][0]["absent"]
    assert (len(first), first[:5]) == GOLDEN_ABSENT
    digests = {
        name: hashlib.sha256(json.dumps(changes[name], sort_keys=True).encode()).hexdigest()[:16]
        for name in ("inventory-split", "visibility-mask")
    }
    assert digests == GOLDEN_CHANGES


@pytest.mark.parametrize(
    ("name", "knob", "key"),
    [
        ("inventory-split", "keep_ratio", "absent"),
        ("visibility-mask", "visible_ratio", "overlooked"),
    ],
)
def test_a_ratio_is_the_share_of_the_classes_and_more_is_more(name, knob, key):
    sets = {
        ratio: [set(house_of(name, k, **{knob: ratio}).change.get(key, ())) for k in range(100)]
        for ratio in (0.0, 0.25, 0.5, 1.0)
    }
    for ratio, found in sets.items():
        share = sum(map(len, found)) / (100 * len(KINDS))
        assert share == pytest.approx(1 - ratio, abs=0.02)
    for none, few, half in zip(sets[0.0], sets[0.25], sets[0.5], strict=True):
        assert half < few < none == set(KINDS)
    assert house_of(name, 5, **{knob: 1.0}) == REFERENCE
    # Classes are drawn one by one: two clients share a quarter, give or take.
    one, other = sets[0.5][:2]
    assert 0.1 < len(one & other) / len(KINDS) < 0.4
    assert set(house_of(name, 0).change[key]) == one


def test_variants_do_not_share_draws():
    absent = house_of("inventory-split", 0).change["absent"]
    assert absent != house_of("visibility-mask", 0).change["overlooked"]


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("inventory-split", {"keep_ratio": -0.1}, r"keep_ratio must be a number in \[0, 1\]"),
        ("inventory-split", {"keep_ratio": "1"}, "keep_ratio"),
        ("inventory-split", {"keep_ratio": True}, "keep_ratio"),
        ("visibility-mask", {"visible_ratio": 1.1}, "visible_ratio"),
        ("visibility-mask", {"visible_ratio": float("nan")}, "visible_ratio"),
        ("door-rule", {"pool_size": 5}, r"pool_size must be an integer in 1\.\.4, got 5"),
        ("door-rule", {"pool_size": 0}, "pool_size"),
        ("door-rule", {"pool_size": 2.0}, "pool_size"),
    ],
)
def test_bad_knobs(name, knobs, message):
    with pytest.raises(ConfigError, match=message):
        resolve_knobs(VARIANTS[name], knobs)


def test_knobs_have_defaults_and_one_form():
    assert resolve_knobs(VARIANTS["inventory-split"], {"keep_ratio": None}) == {"keep_ratio": 0.5}
    federations = [Federation("FedALFWorld-InventorySplit-v0", keep_ratio=r) for r in (1, 1.0)]
    assert federations[0].digest == federations[1].digest
    assert Federation("FedALFWorld-DoorRule-v0", pool_size=2).world.pool_labels == (
        "heat open, cool open, empty basin",
        "heat closed, cool closed",
    )


def test_the_step_limit_is_one():
    assert {ENVIRONMENTS[env_id].max_episode_steps for env_id in ALFWORLD_IDS} == {STEP_LIMIT}


# Inventory Split


def test_inventory_split_takes_portable_classes_away():
    absent = frozenset(("apple", "knife", "mug", "desklamp", "microwave"))
    problem = InventorySplit(absent).apply(KITCHEN)
    kinds = {item.kind for item in problem.items}
    assert kinds == {"Apple", "DeskLamp", "Pot"}, "what the goal names and lamps stay"
    assert problem.receptacles == KITCHEN.receptacles
    assert replace(problem, items=KITCHEN.items) == KITCHEN
    cold = replace(KITCHEN, goal=KITCHEN.goal.replace("AppleType", "MugType"))
    assert {i.kind for i in InventorySplit(absent).apply(cold).items} == {"DeskLamp", "Mug", "Pot"}
    light = replace(KITCHEN.items[2], traits=("pickupable", "toggleable"))
    carried = replace(KITCHEN, items=(*KITCHEN.items[:2], light, *KITCHEN.items[3:]))
    assert light in InventorySplit(absent).apply(carried).items
    sliced = replace(KITCHEN, goal=KITCHEN.goal.replace("(isHot ?o)", "(isHot ?o) (isSliced ?o)"))
    assert "Knife" in {item.kind for item in InventorySplit(absent).apply(sliced).items}


def test_inventory_split_leaves_no_trace_of_what_is_absent():
    inside = Item("Apple|3", "Apple", ("Shelf|1",), ("loc|3|0|0|0",), ("Pot|1",), ("pickupable",))
    problem = replace(KITCHEN, items=(*KITCHEN.items[:2], inside, *KITCHEN.items[2:]))
    game = started(InventorySplit(frozenset(("pot", "mug"))).apply(problem))
    answers = [game.step("go to shelf 1"), game.step("examine shelf 1")]
    assert answers[-1][0] == "On the shelf 1, you see a apple 1, and a desklamp 1."
    assert not any("mug" in command for command in answers[-1][1])
    assert game.step("take mug 1 from shelf 1")[0] == NOTHING_HAPPENS


@pytest.mark.parametrize("client", [0, 7])
def test_goals_and_lamps_are_kept_in_the_bundled_games(client):
    table, rule = bundled_games(), house_of("inventory-split", client).content
    gone = 0
    for position in range(0, len(table), 97):
        problem = table.problem(position)
        kept = rule.apply(problem)
        ids = {item.id for item in kept.items}
        left = [item for item in problem.items if item.id not in ids]
        named = {kind for kind in vocabulary().objects if f" {kind}Type" in problem.goal}
        assert len(named) == 2
        assert not {item.kind for item in left} & (named | {"DeskLamp", "FloorLamp"})
        assert all("pickupable" in item.traits for item in left)
        assert {item.kind for item in left}.isdisjoint(item.kind for item in kept.items)
        gone += len(left) / len(problem.items)
    assert 0.1 < gone / len(range(0, len(table), 97)) < 0.6


# Visibility Mask


def test_the_mask_hides_until_examined():
    mask = VisibilityMask(frozenset(("apple",)))
    game = started(commands=["go to countertop 1"], encoding=mask)
    assert game.step("take apple 2 from countertop 1")[0] == NOTHING_HAPPENS
    observation, admissible, _ = game.step("examine countertop 1")
    assert observation == "On the countertop 1, you see a apple 2, and a knife 1."
    assert "take apple 2 from countertop 1" in admissible
    game.step("go to shelf 1")
    observation, admissible, _ = game.step("go to countertop 1")
    assert observation.endswith("On the countertop 1, you see a knife 1.")
    assert "take apple 2 from countertop 1" not in admissible


def test_a_closed_door_is_looked_through_only_after_it_was_opened():
    mask = VisibilityMask(frozenset(("apple",)))
    game = started(commands=["go to fridge 1", "examine fridge 1"], encoding=mask)
    assert game.step("open fridge 1")[0].endswith("In it, you see nothing.")
    assert game.step("examine fridge 1")[0] == "The fridge 1 is open. In it, you see a apple 1."
    assert game.step("take apple 1 from fridge 1")[0].startswith("You pick up")


def test_an_overlooked_lamp_can_be_used():
    game = started(commands=["go to shelf 1"], encoding=VisibilityMask(frozenset(("desklamp",))))
    assert "use desklamp 1" in game.admissible()
    assert "use desklamp 1" not in game.suggested()
    assert game.step("use desklamp 1")[0] == "You turn on the desklamp 1."


# Door Rule

APPLE = ["go to countertop 1", "take apple 2 from countertop 1"]


@pytest.mark.parametrize("rule", DOOR_RULES, ids=str)
@pytest.mark.parametrize("turns", [(), ("open",), ("open", "close")], ids=str)
@pytest.mark.parametrize(
    ("verb", "place", "way"),
    [("heat", "microwave 1", []), ("cool", "fridge 1", ["go to fridge 1"])],
)
def test_the_door_decides_and_can_be_turned(rule, turns, verb, place, way):
    commands = [*APPLE, *way, *(f"{turn} {place}" for turn in turns)]
    game = started(commands=commands, matching=rule)
    works = getattr(rule, verb) == ("open" if turns == ("open",) else "closed")
    command = f"{verb} apple 2 with {place}"
    assert (command in game.admissible()) is works
    assert command in game.suggested(), "ALFWorld's own rules allow it"
    before = bytes(game.state.flags)
    answer = game.step(command)[0]
    assert answer == (f"You {verb} the apple 2 using the {place}." if works else NOTHING_HAPPENS)
    assert (bytes(game.state.flags) != before) is works


def test_an_appliance_without_a_door_always_works():
    blocked = [replace(r, openable=False) for r in KITCHEN.receptacles]
    for rule in DOOR_RULES:
        game = started(replace(KITCHEN, receptacles=tuple(blocked)), APPLE, matching=rule)
        assert game.step("heat apple 2 with microwave 1")[0].startswith("You heat")


@pytest.mark.parametrize("rule", DOOR_RULES, ids=str)
def test_a_basin_with_things_in_it(rule):
    clean = "clean apple 2 with sinkbasin 1"
    game = started(commands=[*APPLE, "go to sinkbasin 1"], matching=rule)
    assert clean in game.admissible(), "it is empty"
    first = ["go to fridge 1", "open fridge 1", "take apple 1 from fridge 1", "go to sinkbasin 1"]
    first.append("move apple 1 to sinkbasin 1")
    game = started(commands=[*first, *APPLE, "go to sinkbasin 1"], matching=rule)
    assert (clean in game.admissible()) is not rule.empty_basin
    assert (game.step(clean)[0] == NOTHING_HAPPENS) is rule.empty_basin
    where = (("Sink|1|SinkBasin",), ("loc|3|0|0|0",), ())
    tap = Item("Faucet|1", "Faucet", *where, traits=("toggleable",))
    fixed = replace(KITCHEN, items=tuple(sorted((*KITCHEN.items, tap), key=lambda i: i.id)))
    game = started(fixed, [*APPLE, "go to sinkbasin 1"], matching=rule)
    assert game.step(clean)[0].startswith("You clean"), "what cannot be carried does not count"


# Shifted Contents


def shelves(count):
    """Return a room of shelves, a mug per shelf that counts like its shelf, and a safe."""
    places = [Receptacle(f"Shelf|{i}", "Shelf", f"loc|{i + 1}|0|0|0") for i in range(count)]
    things = [
        Item(f"Mug|{i}", "Mug", (f"Shelf|{i}",), (), (), ("pickupable", "heatable"))
        for i in range(count)
    ]
    safe = Receptacle("Safe|1", "Safe", "loc|77|0|0|0", openable=True)
    hidden = Receptacle("Shelf|99", "Shelf", "")
    everywhere = tuple(sorted((*places, safe, hidden), key=lambda place: place.id))
    goal = KITCHEN.goal.replace("Apple", "Mug").replace("Fridge", "Safe")
    return replace(KITCHEN, receptacles=everywhere, items=tuple(things), goal=goal)


@given(count=st.integers(1, 6), shift=st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_a_shelf_shows_the_one_that_is_so_much_further(count, shift):
    game = started(shelves(count), rendering=ShiftedContents(shift))
    for number in range(2, count + 2):  # shelf 1 cannot be reached, but counts
        observation, admissible, _ = game.step(f"go to shelf {number}")
        shown = (number - 2 + shift) % count + 1
        assert observation == (
            f"You arrive at shelf {number}. On the shelf {number}, you see a mug {shown}."
        )
        assert f"take mug {number - 1} from shelf {number}" in admissible
        assert f"take mug {shown} from shelf {number}" in game.suggested()
        assert len([c for c in game.suggested() if c.startswith("take")]) == 1
    alone = started(KITCHEN, ["go to fridge 1", "open fridge 1"], rendering=ShiftedContents(shift))
    assert alone.step("examine fridge 1")[0].endswith("you see a apple 1.")


def test_what_is_overlooked_is_not_printed_elsewhere():
    mask = VisibilityMask(frozenset(("mug",)))
    game = started(shelves(3), ["go to shelf 2"], encoding=mask, rendering=ShiftedContents(1))
    assert game.step("examine shelf 2")[0] == "On the shelf 2, you see nothing."
    assert game.step("examine shelf 3")[0] == NOTHING_HAPPENS
    assert "take mug 1 from shelf 2" in game.admissible()


@pytest.mark.parametrize("client", [0, 1, 41])
def test_only_the_printed_contents_are_shifted(client):
    """Commands that work, and what they change, are those of ALFWorld's own house."""
    table, rule = bundled_games(), house_of("shifted-contents", client)
    differing = 0
    for position in range(0, len(table), 400):
        house = build_house(table.problem(position))
        own, stock = Game(house, rule.stages), Game(house)
        assert own.reset() == stock.reset()
        for step in range(60):
            commands = stock.admissible()
            command = commands[seeding.index_for(len(commands), "test", position, step)]
            mine, theirs = own.step(command), stock.step(command)
            assert mine[1:] == theirs[1:]
            if mine[0] != theirs[0]:
                differing += 1
                assert mine[0].split("you see")[0] == theirs[0].split("you see")[0]
                assert command.split()[0] in ("go", "open", "examine")
    assert differing > 20


# All of them


@pytest.mark.parametrize("env_id", VARIANT_IDS)
def test_a_sample_of_games_stays_solvable(env_id):
    """``python -m fedenv.alfworld.variant_proofs`` proves all of them."""
    federation = Federation(env_id)
    games = len(federation.world.splits.tasks)
    lengths = []
    for client in (0, 2, 3, 6, 42, 99):  # every entry of the pool is among them
        kernel = federation.kernel(client)
        for position in range(7 * client % 11, games, 211):
            game = kernel.begin(position, 0).game
            assert type(game.stages) is Stages
            lengths.append(prove(game))
    assert max(lengths) < STEP_LIMIT
    assert len(lengths) > 100


@pytest.mark.parametrize("env_id", ALFWORLD_IDS)
def test_what_is_suggested_works_in_the_reference_house(env_id):
    kernel = Federation(env_id).kernel(3, "reference")
    for position in range(0, 3800, 500):
        game = kernel.begin(position, 0).game
        for step in range(60):
            commands = game.admissible()
            assert game.suggested() == commands
            game.step(commands[seeding.index_for(len(commands), "suggested", position, step)])


@pytest.mark.parametrize("env_id", ALFWORLD_IDS)
def test_the_list_is_what_works(env_id):
    """What ALFWorld or the client's house might allow is listed if and only if it works."""
    kernel = Federation(env_id).kernel(6)
    for position in (5, 1234, 2222):
        game, copy, stock = (kernel.begin(position, 0).game for _ in range(3))
        stock.stages = STOCK
        for step in range(40):
            commands = game.admissible()
            stock.resume(game.state)
            for text in {*commands, *game.suggested(), *stock.admissible()}:
                copy.resume(fork(game.state))
                assert (copy.step(text)[0] != NOTHING_HAPPENS) is (text in commands), text
            game.step(commands[seeding.index_for(len(commands), "works", position, step)])


GOLDEN_ABSENT = (48, ["apple", "bathtub", "book", "boots", "bowl"])
GOLDEN_CHANGES = {"inventory-split": "70414f49fcbab5a1", "visibility-mask": "bdd897a0ea4bc64f"}
