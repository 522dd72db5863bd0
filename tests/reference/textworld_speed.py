"""TextWorld with a memory: the same texts, several times faster, for the differential test.

`speed_up` replaces three things by remembered results: the translation of a problem (the optimised
one serves only the planner, which nobody asks here), the parse of a grammar, and the wording of a
command, which depends on nothing but the names in it.
"""

import copy
import re

from textworld.envs.pddl import logic, textgen

WORDS = re.compile(r"\w+")


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
