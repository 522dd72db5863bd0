"""ALFWorld's own engine in this process, for the differential test; optionally faster, same texts.

`speed_up` replaces three things by remembered results: the translation of a problem (the optimised
one serves only the planner, which nobody asks here), the parse of a grammar, and the wording of a
command, which depends on nothing but the names in it.
"""

import copy
import re
from importlib.resources import files

from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
from textworld.core import EnvInfos
from textworld.envs.pddl import logic, textgen
from textworld.envs.pddl.pddl import PddlEnv

WORDS = re.compile(r"\w+")
DATA = files("alfworld") / "data"
DOMAIN = (DATA / "alfred.pddl").read_text("utf-8")
GRAMMAR = (DATA / "alfred.twl2").read_text("utf-8")


def older():
    """Return domain and grammar as in version 2.1.1 of the data: today's without later changes."""
    domain = DOMAIN.replace(DOMAIN[DOMAIN.index("(:action help") :], ")")
    grammar = GRAMMAR[: GRAMMAR.index("action help {")]
    for new, old in (
        ("You arrive at {r.name}.", "You arrive at {lend.name}."),
        ("move {o} to {r}", "put {o} in/on {r}"),
        ("You move the {o.name} to the {r.name}.", "You put the {o.name} in/on the {r.name}."),
    ):
        assert new in grammar
        grammar = grammar.replace(new, old)
    return domain, grammar


class TextWorldPlayer:
    """One game in ALFWorld 0.4.x on TextWorld: `reset` and `step` as in `fedenv.alfworld.Game`."""

    def __init__(self, problem_text, task_desc, version="2.1.2"):
        domain, grammar = older() if version == "2.1.1" else (DOMAIN, GRAMMAR)
        infos = EnvInfos(won=True, admissible_commands=True)
        self.env = AlfredDemangler(PddlEnv(infos), shuffle=False)
        self.env.load(
            {
                "pddl_domain": domain,
                "grammar": grammar.replace("UNKNOWN GOAL", task_desc),
                "pddl_problem": problem_text,
            }
        )

    def reset(self):
        state = self.env.reset()
        return state.feedback, list(state["admissible_commands"])

    def step(self, command):
        state, _, _ = self.env.step(command)
        return state.feedback, list(state["admissible_commands"]), bool(state["won"])


def speed_up():
    """Patch TextWorld in this process."""
    translate, derive = logic.fast_downward.pddl2sas, textgen.ContextSensitiveGrammar.derive
    parse, convert = textgen._parse_and_convert, logic._parse_and_convert
    translated, parsed, converted = {}, {}, {}

    def pddl2sas(domain, problem, verbose=False, optimize=False):
        key = (domain, problem)
        if key not in translated:
            translated.clear()
            translated[key] = translate(domain, problem, verbose=verbose)
        return translated[key]

    def parse_symbols(text, **kwargs):
        if text not in parsed:
            parsed[text] = parse(text, **kwargs)
        return copy.deepcopy(parsed[text])

    def parse_grammar(text, **kwargs):
        # The goal differs from game to game and is one rule of the grammar.
        head, tail = text.split("Your task is to: ", 1)
        goal, tail = tail.split('."', 1)
        if (head, tail) not in converted:
            converted[head, tail] = convert(f'{head}Your task is to: @@."{tail}', **kwargs)
        actions, grammar = converted[head, tail]
        grammar = copy.deepcopy(grammar)
        (rule,) = grammar._rules["task"]
        rule.rhs = parse(f"Your task is to: {goal}.", rule_name="symbols")
        return actions, grammar

    def derive_remembered(self, start, context=None):
        if start.startswith("#"):
            return derive(self, start, context)
        names = set(WORDS.findall(start))
        used = tuple(
            sorted((p.name, v.name) for p, v in context["mapping"].items() if p.name in names)
        )
        memory = self.__dict__.setdefault("_remembered", {})
        if (start, used) not in memory:
            memory[start, used] = derive(self, start, context)
        return memory[start, used]

    logic.fast_downward.pddl2sas = pddl2sas
    textgen._parse_and_convert = parse_symbols
    logic._parse_and_convert = parse_grammar
    textgen.ContextSensitiveGrammar.derive = derive_remembered
