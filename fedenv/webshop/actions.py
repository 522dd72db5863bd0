"""The action grammar of WebShop: ``name[argument]``.

An action is a greedy match of "one or more characters, ``[``, one or more characters, ``]``",
anchored at the start only, in which no part crosses a newline. The scan below is linear, so that a
megabyte of brackets costs no more than a megabyte of letters.
"""

from __future__ import annotations

SEARCH = "search"
CLICK = "click"
SEARCH_TEMPLATE = "search[<query>]"


def parse_action(action: object) -> tuple[str, str] | None:
    """Return the name and the lower-cased argument of an action, or None if it has no such form.

    Args:
        action: What an agent sent; anything but a str has no such form.
    """
    if not isinstance(action, str):
        return None
    newline = action.find("\n")
    line = action if newline < 0 else action[:newline]
    close = line.rfind("]")
    opening = line.rfind("[", 0, max(close - 1, 0))
    if opening < 1:
        return None
    return line[:opening], line[opening + 1 : close].lower()


def click(label: str) -> str:
    """Return the action that clicks a label."""
    return f"{CLICK}[{label}]"


def is_clickable(label: str) -> bool:
    """Tell whether the grammar can express a click on a (lower-cased) label."""
    return parse_action(click(label)) == (CLICK, label)
