"""The small part of PDDL that ALFWorld's problem files use: nested lists of words, and ids.

Ids of AI2-THOR (``Mug|+01.84|+01.63|+00.54``) hold characters that PDDL forbids. ALFWorld writes
them as words (``Mug_bar__plus_01_dot_84…``); `mangle` and `unmangle` go between the two.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from fedenv.errors import DataError

Expression: TypeAlias = "str | tuple[Expression, ...]"

_TOKEN = re.compile(r"[()]|[^\s()]+")
_COMMENT = re.compile(r";[^\n]*")
# The order is that of ALFWorld's writer; no word holds another one.
_MANGLED = {"-": "_minus_", "|": "_bar_", "+": "_plus_", ".": "_dot_", ",": "_comma_"}
_TO_WORDS = str.maketrans(_MANGLED)
_SYMBOL = re.compile("[-|+.,]")
_WORD = re.compile("_(minus|bar|plus|dot|comma)_", re.IGNORECASE)
_UNMANGLED = {word: symbol for symbol, word in _MANGLED.items()}


def read(text: str) -> Expression:
    """Parse one parenthesised expression; comments (``;`` to the end of the line) are left out.

    Raises:
        DataError: The parentheses do not match, or text follows the expression.
    """
    stack: list[list[Expression]] = [[]]
    for token in _TOKEN.findall(_COMMENT.sub("", text)):
        if token == "(":
            stack.append([])
        elif token != ")":
            stack[-1].append(token)
        elif len(stack) > 1:
            done = stack.pop()
            stack[-1].append(tuple(done))
        else:
            break
    else:
        if len(stack) == 1 and len(stack[0]) == 1:
            return stack[0][0]
    raise DataError(
        "expected one PDDL expression with matching parentheses, got text in which they do not "
        f"match: {text[:60]!r}; take the pddl_problem text of a game as it is"
    )


def write(expression: Expression) -> str:
    """Return the expression on one line, single spaces between its parts."""
    if isinstance(expression, str):
        return expression
    return f"({' '.join(map(write, expression))})"


def mangle(name: str) -> str:
    """Return an AI2-THOR id as the PDDL word that ALFWorld writes for it."""
    return name.translate(_TO_WORDS)


def unmangle(word: str) -> str:
    """Return the AI2-THOR id that a PDDL word stands for.

    Raises:
        DataError: The word holds one of the characters that `mangle` replaces.
    """
    if _SYMBOL.search(word):
        raise DataError(
            f"expected an id of letters, digits and underscores, got {word!r}; write | as _bar_, "
            "- as _minus_, + as _plus_, . as _dot_ and , as _comma_"
        )
    return _WORD.sub(lambda match: _UNMANGLED[match[0].lower()], word)
