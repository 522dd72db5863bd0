"""What WebShop's text pages say: the request, result lists, products, in words and numbers.

Everything is a pure function of the page's text and its admissible actions, and cached: the eight
episodes of one task see the same pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from baselines.policies.text import Bag, bag, stems

SEPARATOR = " [SEP] "
INDEX, RESULTS, ITEM, SUB_PAGE = range(4)
SEARCH = "search[<query>]"
BACK, PREVIOUS, NEXT = "click[back to search]", "click[< prev]", "click[next >]"
READ = ("click[description]", "click[features]", "click[reviews]")
BUY = "click[buy now]"
BUTTONS = (BACK, PREVIOUS, NEXT, *READ, BUY)

_LIMIT = re.compile(r",? and price lower than (\d+(?:\.\d+)?) dollars\W*$")
_AMOUNT = re.compile(r"\$(\d+(?:\.\d+)?)")
_NAMED = re.compile(r" with ((?:(?! with )[^:,]){1,40}): ")
_PARTS = re.compile(r"^find me\b|\b(?:with|for|featuring|that|in)\b|,|\band\b", re.IGNORECASE)
_TURN = re.compile(r"\b(?:with|for|featuring|that)\b", re.IGNORECASE)
_WORD = re.compile(r"[\w'&-]+")
PHRASE = 2


@dataclass(frozen=True, slots=True)
class Request:
    """An instruction, read.

    Attributes:
        head: The instruction without named options and price limit; names what follows.
        words: Stems of the content words, sorted.
        phrases: What the product should be like: stems of phrases of one word or more.
        kind: What it should be: stems.
        options: Named options, (name, value), lower-cased; human instructions name none.
        option_words: Stems of the option values.
        text: The whole instruction, lower-cased, words apart by single blanks.
        limit: Price limit in dollars, or None.
        queries: Search texts, cut from the instruction in different ways.
    """

    head: str
    words: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    kind: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    option_words: frozenset[str]
    text: str
    limit: float | None
    queries: tuple[str, ...]


QUERIES = (
    "all",
    "all+options",
    "first+options",
    "kind",
    "kind+options",
    "rest+options",
    "verbatim",
)
"""How the search slot is filled; ``Request.queries`` has one text for each."""


@lru_cache(maxsize=1 << 13)
def read_request(instruction: str) -> Request:
    """Read an instruction."""
    text = instruction.strip().rstrip(".")
    priced = _LIMIT.search(text)
    limit = float(priced[1]) if priced else None
    head, options = _split_options(text[: priced.start()] if priced else text)
    values = " ".join(value for _, value in options)
    turn = _TURN.search(head, 1)
    first, rest = (head[: turn.start()], head[turn.start() :]) if turn else (head, "")
    phrases, kind = _split_kind(first)
    phrases += [part for part in map(_plain, _PARTS.split(rest)) if part]
    everything = _plain(head)
    queries = (
        *(everything, f"{everything} {values}", f"{_plain(first)} {values}"),
        *(kind, f"{kind} {values}", f"{_plain(rest)} {values}", instruction),
    )
    return Request(
        head=head,
        words=tuple(sorted(set(stems(head)))),
        phrases=tuple(dict.fromkeys(filter(None, map(stems, phrases)))),
        kind=stems(kind),
        options=options,
        option_words=frozenset(stems(values)),
        text=f" {' '.join(_WORD.findall(instruction.lower()))} ",
        limit=limit,
        queries=tuple(" ".join(query.split()) or everything for query in queries),
    )


def _split_kind(first: str) -> tuple[list[str], str]:
    """Split "easy clean, slim fit shirts" into what it should be like, and what it should be."""
    *phrases, last = [part for part in map(_plain, _PARTS.split(first)) if part] or [""]
    words = last.split()
    if len(words) > PHRASE:
        return [*phrases, " ".join(words[:PHRASE])], " ".join(words[PHRASE:])
    return phrases, last


def _split_options(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Cut "... with color: red, and size: 8" off an instruction."""
    start = _NAMED.search(text)
    if start is None:
        return text, ()
    options: list[tuple[str, str]] = []
    for part in text[start.start(1) :].split(", and "):
        name, colon, value = part.partition(": ")
        if colon:
            options.append((name.strip().lower(), value.strip().lower()))
        else:
            options[-1] = (options[-1][0], f"{options[-1][1]}, and {part.lower()}")
    return text[: start.start()], tuple(options)


def _plain(text: str) -> str:
    """Return the words of a text without those that only hold it together."""
    return " ".join(word for word in _WORD.findall(_PARTS.sub(" ", text.lower())) if stems(word))


@dataclass(frozen=True, slots=True)
class Price:
    """Lowest and highest price shown, in dollars; both None where none is shown."""

    low: float | None
    high: float | None

    def fits(self, limit: float | None) -> tuple[float, float]:
        """Return whether the lowest and the highest price are within the limit, as 1.0 or 0.0."""
        if limit is None or self.low is None or self.high is None:
            return 1.0, 1.0
        return float(self.low <= limit), float(self.high <= limit)


@dataclass(frozen=True, slots=True)
class Listing:
    """A product as it is shown: its title and price; with option groups on its own page."""

    title: str
    price: Price
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what kind, for which request, and what it shows."""

    kind: int
    request: Request
    listings: tuple[Listing, ...] = ()
    body: Bag | None = None
    number: int = 0


def page_kind(admissible: Sequence[str]) -> int:
    """Tell pages apart by what they offer."""
    if BUY in admissible:
        return ITEM
    if NEXT in admissible:
        return RESULTS
    return INDEX if SEARCH in admissible else SUB_PAGE


def links(admissible: Sequence[str]) -> tuple[str, ...]:
    """Return the actions of a result page that open a product, in the order shown."""
    return tuple(action for action in admissible if action not in BUTTONS)


def read_page(observation: str, admissible: tuple[str, ...]) -> Page:
    """Read a page in observation mode ``"text"``."""
    nodes = observation.split(SEPARATOR)
    kind = page_kind(admissible)
    request = read_request(nodes[2 if kind == INDEX else 1] if len(nodes) > 2 else observation)
    if kind == RESULTS:
        number = next((int(n.split()[1]) for n in nodes[3:4] if n.startswith("Page ")), 1)
        return Page(kind, request, _results(nodes, links(admissible)), number=number)
    if kind == ITEM:
        return Page(kind, request, (_item(nodes, links(admissible)),))
    if kind == SUB_PAGE:
        return Page(kind, request, body=bag(" . ".join(nodes[4:])))
    return Page(kind, request)


def _results(nodes: list[str], offered: tuple[str, ...]) -> tuple[Listing, ...]:
    lowered = [f"click[{node.lower()}]" for node in nodes]
    starts, at = [], 0
    for link in offered:
        at = lowered.index(link, at) if link in lowered[at:] else at
        starts.append(at)
    ends = [*starts[1:], len(nodes)][: len(starts)]
    return tuple(_listing(nodes[a + 1 : b]) for a, b in zip(starts, ends, strict=True))


def _listing(nodes: list[str]) -> Listing:
    tag = nodes[-1] if nodes else ""
    return Listing(" ".join(nodes[:-1]), _price(tag))


def _item(nodes: list[str], offered: tuple[str, ...]) -> Listing:
    end = next((i for i, node in enumerate(nodes) if node.startswith("Price: ")), len(nodes))
    groups: list[tuple[str, list[str]]] = []
    for node in nodes[4 : end - 1]:
        action = f"click[{node.lower()}]"
        if action in offered and groups:
            groups[-1][1].append(action)
        else:
            groups.append((node.lower(), []))
    price = _price(nodes[end]) if end < len(nodes) else Price(None, None)
    title = nodes[end - 1] if end > 4 else ""
    return Listing(title, price, tuple((name, tuple(values)) for name, values in groups))


@lru_cache(maxsize=1 << 12)
def _price(tag: str) -> Price:
    amounts = [float(amount) for amount in _AMOUNT.findall(tag)]
    return Price(min(amounts), max(amounts)) if amounts else Price(None, None)
