"""ALFWorld's six kinds of goals, as PDDL expressions.

The conditions are those of ALFWorld's goal library; a real file's goal may also be of another kind
(sliced things, movable receptacles): the engine reads any goal over the domain's facts.
"""

from __future__ import annotations

from fedenv.errors import unknown_name

TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
_PLACED = "(inReceptacle ?o ?r) (objectType ?o {item}Type) (receptacleType ?r {receptacle}Type)"
_TREATED = (
    "({trait} ?o) (objectType ?o {{item}}Type) (receptacleType ?r {{receptacle}}Type) "
    "({state} ?o) (inReceptacle ?o ?r)"
)
_PLACE = "(and (exists (?r - receptacle) (exists (?o - object) (and {}))))"
_LIGHT = (
    "(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and "
    "(objectType ?ot {lamp}Type) (toggleable ?ot) (isToggled ?ot) (receptacleAtLocation ?r ?l) "
    "(atLocation ?a ?l) (inReceptacle ?ot ?r))) "
    "(exists (?o - object ?a - agent) (and (objectType ?o {item}Type) (holds ?a ?o))))"
)
_TWO = (
    "(and (exists (?r - receptacle) (exists (?o1 - object) (and (objectType ?o1 {item}Type) "
    "(receptacleType ?r {receptacle}Type) (inReceptacle ?o1 ?r) (exists (?o2 - object) (and "
    "(not (= ?o1 ?o2)) (objectType ?o2 {item}Type) (receptacleType ?r {receptacle}Type) "
    "(inReceptacle ?o2 ?r)))))))"
)
_GOALS = dict(
    zip(
        TASK_TYPES,
        (
            _PLACE.format(_PLACED),
            _LIGHT,
            _PLACE.format(_TREATED.format(trait="cleanable", state="isClean")),
            _PLACE.format(_TREATED.format(trait="heatable", state="isHot")),
            _PLACE.format(_TREATED.format(trait="coolable", state="isCool")),
            _TWO,
        ),
        strict=True,
    )
)


def goal_expression(task_type: str, item: str, receptacle: str = "", lamp: str = "") -> str:
    """Return the goal of a task type over kinds, e.g. two of kind "Mug" on one "Desk".

    Args:
        task_type: One of `TASK_TYPES`.
        item: Kind of the thing.
        receptacle: Kind of the place; unused by ``look_at_obj_in_light``.
        lamp: Kind of the lamp; used by ``look_at_obj_in_light`` alone.

    Raises:
        ConfigError: The task type is unknown.
    """
    if task_type not in _GOALS:
        raise unknown_name("task_type", task_type, TASK_TYPES)
    return _GOALS[task_type].format(item=item, receptacle=receptacle, lamp=lamp)
