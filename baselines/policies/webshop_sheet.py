"""What a WebShop page says for itself, in numbers: the features that no memory changes.

Computed once per page text. The features of a product come from its own texts and the request
alone, so they are kept per (request, title), however often the product is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from baselines.policies.text import Bag, bag, has_phrase, share, stems
from baselines.policies.webshop_pages import (
    BACK,
    BUY,
    INDEX,
    ITEM,
    NEXT,
    PREVIOUS,
    QUERIES,
    READ,
    RESULTS,
    Listing,
    Page,
    Request,
    read_page,
)

KINDS = ("search", "open", "option", BACK, PREVIOUS, NEXT, *READ, BUY)
LISTED = ("words", "rare words", "phrases", "kind", "option words", "price low", "price high")
JUDGED = ("options", "complete", "price low", "price high", "words", "phrases", "kind", "read")
OPTION = ("named", "in text", "words", "best of group", "group size")
ACTION_NAMES = (
    *KINDS,
    *(f"query {name}" for name in QUERIES),
    "query used",
    "rank",
    *LISTED,
    *(f"{name} below best" for name in LISTED[:3]),
    *("opened", "first unopened", "best unopened"),
    *(f"judged {name}" for name in JUDGED),
    "judged best",
    *(f"value {name}" for name in OPTION),
    *("chosen", "group chosen"),
)
COLUMN: Mapping[str, int] = {name: i for i, name in enumerate(ACTION_NAMES)}

Judgement: TypeAlias = tuple[float, ...]
"""The features called ``JUDGED``, of one product."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page.

    Attributes:
        page: What it shows.
        actions: The candidates.
        rows: Their features, float32, shape (A, action features); never changed.
        first: Where the product links begin, on a result page.
        rare: The feature "rare words" of each link.
        groups: Index of each option label's group.
        wanted: Groups that have a label which the request names, with these labels.
        offered: Share of the named options that the page offers.
    """

    page: Page
    actions: tuple[str, ...]
    rows: np.ndarray
    first: int
    rare: tuple[float, ...]
    groups: Mapping[str, int]
    wanted: Mapping[int, frozenset[str]]
    offered: float


@lru_cache(maxsize=1 << 13)
def read_sheet(observation: str, admissible: tuple[str, ...]) -> Sheet:
    """Read a page (cached)."""
    page = read_page(observation, admissible)
    request = page.request
    if page.kind == INDEX:
        actions = tuple(f"search[{query}]" for query in request.queries)
        rows = _rows(["search"] * len(actions))
        at = COLUMN[f"query {QUERIES[0]}"]
        rows[:, at : at + len(actions)] = np.eye(len(actions), dtype=np.float32)
        return Sheet(page, actions, rows, len(actions), (), {}, {}, 0.0)
    actions = admissible or (BACK,)
    other = {RESULTS: "open", ITEM: "option"}.get(page.kind, PREVIOUS)
    kinds = [action if action in COLUMN else other for action in actions]
    rows = _rows(kinds)
    first = len(actions)
    rare: tuple[float, ...] = ()
    groups: dict[str, int] = {}
    wanted: dict[int, frozenset[str]] = {}
    if page.kind == RESULTS and page.listings:
        first = kinds.index("open")
        rare = _fill_links(rows[first:], page.listings, request)
    if page.kind == ITEM:
        places = {action: i for i, action in enumerate(actions)}
        groups, wanted = _fill_options(rows, places, page.listings[0], request)
    named = {f"click[{value}]" for _, value in request.options}
    offered = len(named.intersection(groups)) / len(named) if named else 1.0
    return Sheet(page, actions, rows, first, rare, groups, wanted, offered)


def judge(request: Request, seen: Bag, offered: float, price: Sequence[float]) -> Judgement:
    """Return the features ``JUDGED`` of a product, but the last.

    Args:
        request: What is wanted.
        seen: What was read of the product.
        offered: Share of the named options that it has.
        price: Whether its lowest and its highest price are within the limit.
    """
    words = share(request.words, seen.words)
    phrases = _share_of_phrases(request, seen)
    return (offered, float(offered >= 1.0), *price, words, phrases, share(request.kind, seen.words))


def merit(judged: Judgement) -> tuple[float, ...]:
    """Return what judged products are ranked by: can it be right, and how well is it described."""
    return judged[1] * judged[2], judged[5], judged[4], judged[0]


def _rows(kinds: Sequence[str]) -> np.ndarray:
    rows = np.zeros((len(kinds), len(ACTION_NAMES)), dtype=np.float32)
    rows[np.arange(len(kinds)), [COLUMN[kind] for kind in kinds]] = 1.0
    return rows


def _share_of_phrases(request: Request, found: Bag) -> float:
    phrases = request.phrases
    return sum(has_phrase(p, found) for p in phrases) / len(phrases) if phrases else 1.0


@lru_cache(maxsize=1 << 9)
def _covers(head: str) -> dict[str, tuple[np.ndarray, float, float]]:
    """Return the store of :func:`_cover` for one request (the head of an instruction)."""
    return {}


def _cover(request: Request, title: str) -> tuple[np.ndarray, float, float]:
    """Return which words of a request a title has, shape (words,), its phrases and its kind."""
    store = _covers(request.head)
    cover = store.get(title)
    if cover is None:
        found = bag(title)
        has = np.array([word in found.words for word in request.words], dtype=bool)
        kind = share(request.kind, found.words)
        cover = store[title] = (has, _share_of_phrases(request, found), kind)
    return cover


def _fill_links(
    rows: np.ndarray, listings: tuple[Listing, ...], request: Request
) -> tuple[float, ...]:
    """Fill in the features ``LISTED``; return "rare words": weighted by rarity on the page."""
    covers = [_cover(request, listing.title) for listing in listings]
    has = np.array([cover[0] for cover in covers])
    weight = np.log((len(has) + 1) / (has.sum(axis=0) + 0.5))
    at = COLUMN["rank"]
    rows[:, at] = np.arange(len(has)) / 10
    table = rows[:, at + 1 : at + 1 + len(LISTED)]
    table[:, 0] = has.mean(axis=1) if has.size else 1.0
    table[:, 1] = has @ weight / weight.sum() if has.size else 1.0
    table[:, 2:4] = [cover[1:] for cover in covers]
    wanted = request.option_words
    table[:, 4] = [share(wanted, bag(each.title).words) if wanted else 0.0 for each in listings]
    table[:, 5:7] = [each.price.fits(request.limit) for each in listings]
    rows[:, at + 1 + len(LISTED) : at + 4 + len(LISTED)] = table[:, :3].max(axis=0) - table[:, :3]
    return tuple(table[:, 1].tolist())


def _fill_options(
    rows: np.ndarray, places: Mapping[str, int], listing: Listing, request: Request
) -> tuple[dict[str, int], dict[int, frozenset[str]]]:
    """Fill in the features ``OPTION``; return the group of each label, and the wanted labels."""
    groups: dict[str, int] = {}
    wanted: dict[int, frozenset[str]] = {}
    named = {value for _, value in request.options}
    told = request.option_words.union(request.words)
    at = COLUMN["value named"]
    for number, (_, labels) in enumerate(listing.groups):
        scores = []
        for label in labels:
            groups[label] = number
            value = label[len("click[") : -1]
            words = stems(value)
            overlap = share(words, told) if words else 0.0
            scores.append((value in named, f" {value} " in request.text, overlap))
        best = max(scores, default=None)
        for label, score in zip(labels, scores, strict=True):
            rows[places[label], at : at + 5] = (*score, score == best, len(labels) / 10)
        column = 0 if named else 1
        fit = frozenset(label for label, s in zip(labels, scores, strict=True) if s[column])
        if fit:
            wanted[number] = fit
    return groups, wanted
