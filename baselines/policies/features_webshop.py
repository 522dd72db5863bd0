"""What the small policy notices in WebShop, page by page, and what it remembers of an episode.

Static parts (how well a title covers the request, which label names a wanted option) are computed
once per page text; what depends on the episode (which products were opened and how they were
judged, which options were clicked, which queries were used) is filled in at every step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from baselines.policies.features import Candidates
from baselines.policies.text import Bag, share, stems
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
    SEARCH,
    SUB_PAGE,
    Listing,
    Page,
    Request,
    read_page,
)

STEP_LIMIT = 15
KINDS = ("search", "open", "option", BACK, PREVIOUS, NEXT, *READ, BUY)
JUDGED = ("options", "complete", "price low", "price high", "words", "pairs", "kind", "read")
LISTED = ("words", "rare words", "pairs", "kind", "option words", "price low", "price high")
ACTION_NAMES = (
    *KINDS,
    *(f"query {name}" for name in QUERIES),
    "query used",
    "rank",
    *LISTED,
    *(f"{name} below best" for name in LISTED[:3]),
    "opened",
    "first unopened",
    "best unopened",
    *(f"judged {name}" for name in JUDGED),
    "judged best",
    "value named",
    "value in text",
    "value words",
    "value best of group",
    "group size",
    "chosen",
    "group chosen",
)
PAGES = ("index", "results", "item", "sub page")
LATE = (3, 5, 7, 9, 10, 11, 12, 13, 14)
STATE_NAMES = (
    *PAGES,
    "step",
    *(f"step at least {late}" for late in LATE),
    "slack",
    "slack below 1",
    "slack below 3",
    "slack below 5",
    "searches",
    "opened",
    "page number",
    "limit",
    "named options",
    *(f"here {name}" for name in JUDGED),
    "to choose",
    "all chosen",
    "read description",
    "read features",
    "here best",
    "others complete",
    *(f"best other {name}" for name in JUDGED[4:7]),
    "best unopened",
    "unopened",
)
_A = {name: i for i, name in enumerate(ACTION_NAMES)}
_S = {name: i for i, name in enumerate(STATE_NAMES)}


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What a page says for itself: its candidates with the features that no memory changes."""

    page: Page
    actions: tuple[str, ...]
    rows: np.ndarray
    first: int
    rare: np.ndarray
    wanted: dict[str, int]
    groups: dict[str, int]
    offered: float


@dataclass(slots=True)
class _Product:
    """What is remembered of an opened product."""

    seen: Bag
    offered: float
    price: tuple[float, float]
    read: set[str] = field(default_factory=set)

    def judge(self, request: Request) -> np.ndarray:
        """Return the features called ``JUDGED``."""
        words, pairs = share(request.words, self.seen.words), share(request.pairs, self.seen.pairs)
        kind, read = share(request.kind, self.seen.words), len(self.read) / 2
        complete = float(self.offered >= 1.0)
        return np.array(
            (self.offered, complete, *self.price, words, pairs, kind, read), dtype=np.float32
        )


class WebShopReader:
    """Follows one shopping episode."""

    def __init__(self, step: int = 0) -> None:
        self._step = step
        self._searches: Counter[str] = Counter()
        self._products: dict[str, _Product] = {}
        self._judged: dict[str, np.ndarray] = {}
        self._chosen: dict[int, str] = {}
        self._open: str | None = None
        self._reading = ""
        self._sheet: _Sheet | None = None

    def look(self, observation: str, admissible: tuple[str, ...]) -> Candidates:
        """Take in a page and return what can be done."""
        sheet = self._sheet = _sheet(observation, admissible)
        self._learn(sheet.page, sheet)
        rows = sheet.rows.copy()
        state = self._state(sheet)
        if sheet.page.kind == INDEX:
            rows[:, _A["query used"]] = [self._searches[a] / 3 for a in sheet.actions]
        elif sheet.page.kind == RESULTS:
            self._mark_links(sheet, rows, state)
        elif sheet.page.kind == ITEM:
            for label, group in sheet.groups.items():
                row = rows[sheet.actions.index(label)]
                row[_A["chosen"]] = self._chosen.get(group) == label
                row[_A["group chosen"]] = group in self._chosen
        return Candidates(sheet.actions, rows, state)

    def note(self, action: str) -> None:
        """Remember that this action was taken."""
        sheet = self._sheet
        self._step += 1
        if sheet is None:
            return
        if action.startswith("search["):
            self._searches[action] += 1
            self._open, self._chosen = None, {}
        elif action in READ:
            self._reading = action
        elif sheet.page.kind == RESULTS and action not in (BACK, NEXT, PREVIOUS):
            self._open, self._chosen = action, {}
        elif action == BACK or (action == PREVIOUS and sheet.page.kind == ITEM):
            self._open, self._chosen = None, {}
        elif action in sheet.groups:
            self._chosen[sheet.groups[action]] = action

    def _learn(self, page: Page, sheet: _Sheet) -> None:
        """Judge the open product by what this page adds."""
        if self._open is None:
            return
        if page.kind == ITEM and self._open not in self._products:
            shown = page.listings[0]
            price = shown.price.fits(page.request.limit)
            self._products[self._open] = _Product(shown.title, sheet.offered, price)
        elif page.kind == SUB_PAGE and self._open in self._products and page.body is not None:
            product = self._products[self._open]
            product.seen |= page.body
            product.read.add(self._reading)
        else:
            return
        self._judged[self._open] = self._products[self._open].judge(page.request)

    def _state(self, sheet: _Sheet) -> np.ndarray:
        page, request = sheet.page, sheet.page.request
        state = np.zeros(len(STATE_NAMES), dtype=np.float32)
        state[page.kind] = 1.0
        state[_S["step"]] = self._step / STEP_LIMIT
        for i, late in enumerate(LATE, _S["step"] + 1):
            state[i] = self._step >= late
        missing = sum(
            self._chosen.get(group) not in sheet.wanted for group in set(sheet.wanted.values())
        )
        slack = STEP_LIMIT - self._step - 1 - (missing if page.kind == ITEM else 0)
        at = _S["slack"]
        state[at : at + 4] = slack / STEP_LIMIT, slack < 1, slack < 3, slack < 5
        at = _S["searches"]
        state[at : at + 5] = (
            *(sum(self._searches.values()) / 3, len(self._products) / 5, page.number / 3),
            *(float(request.limit is not None), len(request.options) / 3),
        )
        here = self._judged.get(self._open or "")
        others = [judged for link, judged in self._judged.items() if link != self._open]
        if here is not None and self._open is not None:
            at = _S["here options"]
            state[at : at + len(JUDGED)] = here
            state[_S["to choose"]] = missing / 3
            state[_S["all chosen"]] = page.kind == ITEM and not missing
            state[_S["read description"]] = READ[0] in self._products[self._open].read
            state[_S["read features"]] = READ[1] in self._products[self._open].read
            state[_S["here best"]] = all(tuple(here[:7]) >= tuple(other[:7]) for other in others)
        complete = [other for other in others if other[1] and other[2]]
        if complete:
            at = _S["others complete"]
            state[at : at + 4] = (1.0, *np.max(complete, axis=0)[4:7])
        return state

    def _mark_links(self, sheet: _Sheet, rows: np.ndarray, state: np.ndarray) -> None:
        links = sheet.actions[sheet.first :]
        unopened = [i for i, link in enumerate(links) if link not in self._judged]
        at = _A["opened"]
        ranked = [tuple(self._judged[link][:7]) for link in links if link in self._judged]
        for i, link in enumerate(links, sheet.first):
            judged = self._judged.get(link)
            if judged is not None:
                rows[i, at] = 1.0
                rows[i, at + 3 : at + 3 + len(JUDGED)] = judged
                rows[i, _A["judged best"]] = tuple(judged[:7]) >= max(ranked)
        if unopened:
            best = max(unopened, key=lambda i: sheet.rare[i])
            rows[sheet.first + unopened[0], at + 1] = 1.0
            rows[sheet.first + best, at + 2] = 1.0
            state[_S["best unopened"]] = sheet.rare[best]
            state[_S["unopened"]] = len(unopened) / 10


class _WebShop:
    """The features of WebShop."""

    state_names = STATE_NAMES
    action_names = ACTION_NAMES

    def __call__(self, step: int = 0) -> WebShopReader:
        return WebShopReader(step)


WEBSHOP = _WebShop()


@lru_cache(maxsize=1 << 13)
def _sheet(observation: str, admissible: tuple[str, ...]) -> _Sheet:
    page = read_page(observation, admissible)
    request = page.request
    actions: list[str] = []
    rows: list[np.ndarray] = []
    for action in admissible:
        if action == SEARCH:
            for i, query in enumerate(request.queries):
                actions.append(f"search[{query}]")
                rows.append(_row("search"))
                rows[-1][_A[f"query {QUERIES[i]}"]] = 1.0
        else:
            actions.append(action)
            kind = {RESULTS: "open", ITEM: "option"}.get(page.kind, PREVIOUS)
            rows.append(_row(action if action in KINDS else kind))
    first = next((i for i, row in enumerate(rows) if row[_A["open"]]), len(rows))
    table = np.stack(rows) if rows else _row(BACK)[None]
    rare = np.zeros(0, dtype=np.float32)
    wanted: dict[str, int] = {}
    groups: dict[str, int] = {}
    if page.kind == RESULTS and page.listings:
        listed = _listed(page.listings, request)
        at = _A["rank"]
        table[first:, at] = np.arange(len(listed)) / 10
        table[first:, at + 1 : at + 1 + len(LISTED)] = listed
        best = listed[:, :3].max(axis=0)
        table[first:, at + 1 + len(LISTED) : at + 4 + len(LISTED)] = best - listed[:, :3]
        rare = listed[:, 1]
    if page.kind == ITEM:
        wanted, groups = _options(page.listings[0], request, tuple(actions), table)
    named = {value for _, value in request.options}
    found = {action[6:-1] for action in wanted}
    offered = len(named & found) / len(named) if named else 1.0
    return _Sheet(page, tuple(actions) or (BACK,), table, first, rare, wanted, groups, offered)


def _row(kind: str) -> np.ndarray:
    row = np.zeros(len(ACTION_NAMES), dtype=np.float32)
    row[_A[kind]] = 1.0
    return row


def _listed(listings: tuple[Listing, ...], request: Request) -> np.ndarray:
    """Return the features called ``LISTED``, one row a product; rare: in few titles of the page."""
    frequency = Counter(word for listing in listings for word in listing.title.words)
    weight = {w: np.log((len(listings) + 1) / (frequency[w] + 0.5)) for w in request.words}
    total = sum(weight.values()) or 1.0
    table = [
        (
            share(request.words, listing.title.words),
            sum(weight[w] for w in request.words if w in listing.title.words) / total,
            share(request.pairs, listing.title.pairs),
            share(request.kind, listing.title.words),
            share(request.option_words, listing.title.words) if request.option_words else 0.0,
            *listing.price.fits(request.limit),
        )
        for listing in listings
    ]
    return np.array(table, dtype=np.float32)


def _options(
    listing: Listing, request: Request, actions: tuple[str, ...], table: np.ndarray
) -> tuple[dict[str, int], dict[str, int]]:
    """Fill in the rows of option labels; return those that are wanted, and every label's group."""
    wanted: dict[str, int] = {}
    groups: dict[str, int] = {}
    at = _A["value named"]
    for number, (_, labels) in enumerate(listing.groups):
        scores = []
        for label in labels:
            value = label[6:-1]
            groups[label] = number
            exact = any(value == v for _, v in request.options)
            words = stems(value)
            inside = f" {value} " in request.text
            overlap = share(words, request.option_words | request.words) if words else 0.0
            scores.append((exact, inside, overlap, label))
            if exact or (not request.options and inside):
                wanted[label] = number
        best = max(scores)[:3] if scores else (False, False, 0.0)
        for exact, inside, overlap, label in scores:
            row = table[actions.index(label)]
            is_best = (exact, inside, overlap) == best
            row[at : at + 5] = exact, inside, overlap, is_best, len(labels) / 10
    return wanted, groups
