"""What a scripted agent reads off WebShop's text pages and instructions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedenv.webshop.actions import CLICK, click, parse_action
from fedenv.webshop.pages import SEPARATOR
from fedenv.webshop.session import BUY_NOW, ITEM_BUTTONS

_PRICE_LIMIT = re.compile(r", and price lower than (\d+\.\d\d) dollars$")
_OPTION = re.compile(r"^(?:(?! with )[^:,]){1,40}: ")
_AMOUNT = re.compile(r"\$(\d+(?:\.\d+)?)")
_BULLET_WORDS = re.compile(r"^find me\b|\b(?:for|with|and|in|that|is|the|a|an|of)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """An instruction, read: what to search for, the named options, the price limit in dollars."""

    text: str
    options: tuple[str, ...]
    price_limit: float | None

    @property
    def query(self) -> str:
        """The content words of the request."""
        words = _BULLET_WORDS.sub(" ", self.text)
        return " ".join(re.findall(r"[\w'&-]+", words))


def read_request(first_page: str) -> Request:
    """Read the instruction off the start page (both observation modes)."""
    text = _instruction(first_page)
    limit = None
    priced = _PRICE_LIMIT.search(text)
    if priced:
        limit = float(priced[1])
        text = text[: priced.start()]
    head, options = _split_options(text)
    return Request(head, options, limit)


def _instruction(first_page: str) -> str:
    if not first_page.startswith("WebShop\n"):
        return first_page.split(SEPARATOR, 2)[2].rsplit(SEPARATOR, 1)[0]
    return first_page.split("\n", 2)[2].rsplit("\n", 2)[0]


def _split_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Split "... with color: red, and size: 8" at the first " with " that a "name: " follows."""
    start = 0
    while (start := text.find(" with ", start)) >= 0:
        tail = text[start + len(" with ") :]
        if _OPTION.match(tail):
            values: list[str] = []
            for part in tail.split(", and "):
                named = _OPTION.match(part)
                if named or not values:
                    values.append(part[named.end() :] if named else part)
                else:
                    values[-1] += f", and {part}"
            return text[:start], tuple(values)
        start += 1
    return text, ()


def labels(info: Mapping[str, Any]) -> list[str]:
    """Return the labels that can be clicked, in page order."""
    parsed = (parse_action(action) for action in info["admissible_actions"])
    return [argument for name, argument in filter(None, parsed) if name == CLICK]


def result_links(info: Mapping[str, Any]) -> list[str]:
    """Return the labels of the products on a result page."""
    return [label for label in labels(info) if label not in _RESULT_BUTTONS]


_RESULT_BUTTONS = frozenset(("back to search", "next >", "< prev"))


def option_labels(info: Mapping[str, Any]) -> list[str]:
    """Return the option values on a product's page."""
    found = labels(info)
    return [label for label in found if label not in ITEM_BUTTONS] if BUY_NOW in found else []


def shown_price(page: str) -> float | None:
    """Return the lowest price in dollars on a product's page, or None."""
    tag = page.partition("Price: ")[2].split(SEPARATOR, 1)[0].split("\n", 1)[0]
    amounts = [float(amount) for amount in _AMOUNT.findall(tag)]
    return min(amounts) if amounts else None


def named_options(request: Request, info: Mapping[str, Any]) -> list[str]:
    """Return the named option values that the open product offers, in the order named."""
    offered = set(option_labels(info))
    return [value for value in request.options if value in offered]


BUY = click(BUY_NOW)
"""The action that buys."""
