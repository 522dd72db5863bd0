"""From a `Problem` to the PDDL problem text that ALFWorld loads, in the form of the real files."""

from __future__ import annotations

from collections.abc import Iterable

from fedenv.alfworld.pddl import mangle
from fedenv.alfworld.problem import STATES, TRAITS, Problem

# The domain names these types; declaring them is safe where nothing is of them.
_DOMAIN_KINDS = {"otype": ("ButterKnife", "Knife"), "rtype": ("Fridge", "Microwave", "SinkBasin")}


def problem_text(problem: Problem) -> str:
    """Return the text (see `Problem.to_pddl`)."""
    return "\n".join(
        [
            f"\n(define (problem {problem.name})\n(:domain alfred)\n(:objects\nagent1 - agent",
            *_declarations(problem),
            "    )\n\n(:init\n",
            *_facts(problem),
            f"    )\n\n    (:goal\n        {problem.goal}\n    )\n)",
        ]
    )


def _declarations(problem: Problem) -> Iterable[str]:
    otypes = {item.kind for item in problem.items} | {item for _, item in problem.can_contain}
    rtypes = {r.kind for r in problem.receptacles} | {place for place, _ in problem.can_contain}
    for kind, used in (("otype", otypes), ("rtype", rtypes)):
        for name in sorted((used | set(_DOMAIN_KINDS[kind])) - {""}):
            yield f"        {name}Type - {kind}"
    places = {item_place for item in problem.items for item_place in item.locations}
    places |= {receptacle.location for receptacle in problem.receptacles} | {problem.start}
    declared = {
        "object": [item.id for item in problem.items],
        "receptacle": [receptacle.id for receptacle in problem.receptacles],
        "location": sorted(places - {""}),
    }
    for kind, names in declared.items():
        for name in names:
            yield f"        {mangle(name)} - {kind}"


def _facts(problem: Problem) -> Iterable[str]:
    receptacles, items = problem.receptacles, problem.items
    rows: list[tuple[str, ...]] = [
        *(("receptacleType", r.id, f"{r.kind}Type") for r in receptacles if r.kind),
        *(("objectType", item.id, f"{item.kind}Type") for item in items if item.kind),
        *(("canContain", f"{place}Type", f"{kind}Type") for place, kind in problem.can_contain),
        *((trait, item.id) for trait in TRAITS[:2] for item in items if trait in item.traits),
        *(("openable", r.id) for r in receptacles if r.openable),
        ("atLocation", "agent1", problem.start),
        *(("opened", r.id) for r in receptacles if r.opened),
        *((trait, item.id) for trait in TRAITS[2:] for item in items if trait in item.traits),
        *((state, item.id) for state in STATES for item in items if state in item.states),
        *(("inReceptacleObject", item.id, outer) for item in items for outer in item.inside),
        *(("inReceptacle", item.id, place) for item in items for place in item.receptacles),
        *(("receptacleAtLocation", r.id, r.location) for r in receptacles if r.location),
        *(("objectAtLocation", item.id, place) for item in items for place in item.locations),
    ]
    # What no fact mentions has no number in ALFWorld; these two facts change nothing else.
    mentioned = {name for _, *names in rows for name in names}
    rows += (("checked", r.id) for r in receptacles if r.id not in mentioned)
    rows += (("moveable", item.id) for item in items if item.id not in mentioned)
    for predicate, *names in rows:
        yield f"        ({' '.join((predicate, *map(mangle, names)))})"
