"""Small random problems that press every rule of the domain: shared poses, doors, odd placements.

They are odder than real files on purpose: things in two receptacles, things whose place of slicing
is not where they lie, open doors, warm and sliced things at the start, ids that sort unlike names.
"""

from numpy.random import RandomState

from fedenv.alfworld.goals import TASK_TYPES, goal_expression
from fedenv.alfworld.problem import STATES, TRAITS, Item, Problem, Receptacle

DOORS = ("Fridge", "Microwave", "Cabinet", "Drawer")
PLACES = (*DOORS, "CounterTop", "SinkBasin", "DiningTable", "Shelf", "CoffeeMachine")
FOOD = ("Apple", "Bread", "Egg")
THINGS = (*FOOD, "Mug", "Pot", "Knife", "ButterKnife", "DeskLamp", "Pen", "CD", "SoapBar")
NEVER_MOVED = ("Sink", "StoveKnob", "Window")
STAGES = {
    "pick_clean_then_place_in_recep": "cleanable",
    "pick_heat_then_place_in_recep": "heatable",
    "pick_cool_then_place_in_recep": "coolable",
}


def position(rng):
    return "|".join(f"{rng.randint(-250, 251) / 100:+06.2f}" for _ in range(3))


def chance(rng, p):
    return rng.random_sample() < p


def choice(rng, values):
    return values[rng.randint(len(values))]


def draw_receptacles(rng, locations):
    kinds = ["Fridge", "Microwave", "SinkBasin"] + [choice(rng, PLACES) for _ in range(5)]
    found = []
    for number, kind in enumerate(kinds):
        name = kind if kind != "SinkBasin" else "Sink"
        suffix = "|SinkBasin" if kind == "SinkBasin" else ""
        found.append(
            Receptacle(
                id=f"{name}|{position(rng)}{suffix}",
                kind=kind,
                location=choice(rng, locations) if number < 3 or chance(rng, 0.9) else "",
                openable=kind in DOORS and chance(rng, 0.8),
                opened=kind in DOORS and chance(rng, 0.3),
            )
        )
    return tuple(sorted(found, key=lambda receptacle: receptacle.id))


def draw_traits(rng, kind):
    held = kind not in ("DeskLamp", *NEVER_MOVED)
    traits = {
        "pickupable": held,
        "isReceptacleObject": kind in ("Mug", "Pot"),
        "cleanable": kind in (*FOOD, "Mug", "Pot", "Knife", "ButterKnife", "SoapBar"),
        "heatable": kind in (*FOOD, "Mug"),
        "coolable": kind in (*FOOD, "Mug", "Pot"),
        "toggleable": kind == "DeskLamp" or (held and chance(rng, 0.05)),
        "sliceable": kind in FOOD or (held and chance(rng, 0.05)),
    }
    return tuple(trait for trait in TRAITS if traits[trait])


def draw_items(rng, receptacles, locations):
    found = []
    for kind in [*THINGS, *(choice(rng, (*THINGS, *NEVER_MOVED)) for _ in range(6))]:
        placed = [receptacles[rng.randint(len(receptacles))]] if kind not in NEVER_MOVED else []
        if placed and chance(rng, 0.1):
            placed.append(receptacles[rng.randint(len(receptacles))])
        if chance(rng, 0.1):
            placed = []
        at = {place.location for place in placed if place.location}
        if chance(rng, 0.15):
            at.add(choice(rng, locations))
        states = tuple(s for s in STATES if chance(rng, 0.04) and kind not in NEVER_MOVED)
        found.append(
            Item(
                id=f"{kind}|{position(rng)}",
                kind=kind,
                receptacles=tuple(sorted({place.id for place in placed})),
                locations=tuple(sorted(at)),
                traits=draw_traits(rng, kind),
                states=states,
            )
        )
    outer = [item.id for item in found if "isReceptacleObject" in item.traits]
    found = [
        item
        if not chance(rng, 0.15)
        else Item(**{**item.__dict__, "inside": tuple({choice(rng, outer)} - {item.id})})
        for item in found
    ]
    return tuple(sorted(found, key=lambda item: item.id))


def draw_goal(rng, task_type, items, receptacles, can_contain):
    """Return a goal that things and places in reach can fulfil, or None."""
    near = {receptacle.id: receptacle.kind for receptacle in receptacles if receptacle.location}
    trait = STAGES.get(task_type, "pickupable")
    found = [item for item in items if near.keys() & set(item.receptacles)]
    kinds = [item.kind for item in found if {trait, "pickupable"} <= set(item.traits)]
    if task_type == "look_at_obj_in_light":
        lamp = any(item.kind == "DeskLamp" for item in found)
        return goal_expression(task_type, choice(rng, kinds), lamp="DeskLamp") if lamp else None
    needed = 2 if task_type == "pick_two_obj_and_place" else 1
    pairs = [(p, k) for p, k in can_contain if p in near.values() and kinds.count(k) >= needed]
    if not pairs:
        return None
    place, kind = pairs[rng.randint(len(pairs))]
    return goal_expression(task_type, kind, place)


def random_problem(seed, task_type=None):
    """Return a small problem; equal seeds give equal problems."""
    rng = RandomState(seed)
    task_type = task_type or TASK_TYPES[seed % len(TASK_TYPES)]
    while True:
        locations = sorted(
            {f"loc|{rng.randint(-9, 10)}|{rng.randint(-9, 10)}|{i % 4}|{30}" for i in range(6)}
        )
        receptacles = draw_receptacles(rng, locations[1:])
        items = draw_items(rng, receptacles, locations)
        pairs = sorted(
            {(p, k) for p in PLACES for k in THINGS if p != "CoffeeMachine" or k == "Mug"}
        )
        can_contain = tuple(pair for pair in pairs if chance(rng, 0.9))
        goal = draw_goal(rng, task_type, items, receptacles, can_contain)
        if len({item.id for item in items}) < len(items) or goal is None:
            continue
        return Problem(
            name=f"plan_random_{seed}",
            start=locations[0] if chance(rng, 0.7) else choice(rng, locations),
            receptacles=receptacles,
            items=items,
            can_contain=can_contain,
            goal=goal,
            task_desc=f"find some things, number {seed}",
        )
