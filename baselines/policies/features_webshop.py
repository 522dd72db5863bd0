"""What the small policy remembers of a shopping episode, and the features that follow.

Products that were opened and how they were judged, options that were clicked, queries that were
used: the text pages show none of it, so a policy without memory would click the same option for
ever.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from baselines.policies.features import Candidates
from baselines.policies.text import Bag, bag
from baselines.policies.webshop_pages import (
    BACK,
    BUTTONS,
    INDEX,
    ITEM,
    PREVIOUS,
    READ,
    RESULTS,
    SUB_PAGE,
)
from baselines.policies.webshop_sheet import (
    ACTION_NAMES,
    COLUMN,
    JUDGED,
    Judgement,
    Sheet,
    judge,
    merit,
    read_sheet,
)

STEP_LIMIT = 15
LATE = (3, 5, 7, 9, 10, 11, 12, 13, 14)
STATE_NAMES = (
    *("index", "results", "item", "sub page", "step"),
    *(f"step at least {late}" for late in LATE),
    *("slack", "slack below 1", "slack below 3", "slack below 5"),
    *("searches", "opened", "page number", "limit", "named options", "phrases"),
    *(f"here {name}" for name in JUDGED),
    *("to choose", "all chosen", "read description", "read features", "here best"),
    *("others complete", "best other words", "best other phrases"),
    *("best unopened", "unopened"),
)
_NOTHING_HERE = (0.0,) * (len(JUDGED) + 5)


@dataclass(slots=True)
class _Product:
    """What is remembered of a product that was opened."""

    seen: Bag
    offered: float
    price: tuple[float, float]
    judged: Judgement = ()
    read: set[str] = field(default_factory=set)


class WebShopReader:
    """Follows one shopping episode (see :class:`baselines.policies.features.Reader`)."""

    def __init__(self, step: int = 0) -> None:
        self._step = step
        self._searches: Counter[str] = Counter()
        self._products: dict[str, _Product] = {}
        self._chosen: dict[int, str] = {}
        self._open: str | None = None
        self._reading = ""
        self._sheet: Sheet | None = None

    def look(self, observation: str, admissible: tuple[str, ...]) -> Candidates:
        """Take in a page and return what can be done."""
        sheet = self._sheet = read_sheet(observation, admissible)
        kind = sheet.page.kind
        if self._open is not None and kind in (ITEM, SUB_PAGE):
            self._learn(self._open, sheet)
        rows = sheet.rows
        unopened: tuple[float, float] = (0.0, 0.0)
        if kind == RESULTS:
            rows = rows.copy()
            unopened = self._mark_links(sheet, rows)
        elif kind == INDEX and self._searches:
            rows = rows.copy()
            rows[:, COLUMN["query used"]] = [self._searches[a] / 3 for a in sheet.actions]
        elif kind == ITEM and self._chosen:
            rows = rows.copy()
            for i, label in enumerate(sheet.actions):
                if sheet.groups.get(label) in self._chosen:
                    rows[i, -2:] = label in self._chosen.values(), 1.0
        return Candidates(sheet.actions, rows, self._state(sheet, unopened))

    def note(self, action: str) -> None:
        """Remember that this action was taken on the page looked at last."""
        self._step += 1
        sheet = self._sheet
        if sheet is None:
            return
        kind = sheet.page.kind
        if kind == ITEM and action in sheet.groups:
            self._chosen[sheet.groups[action]] = action
        elif action in READ:
            self._reading = action
        elif kind == RESULTS and action not in BUTTONS:
            self._open = action
        elif action == BACK or kind == INDEX or (action == PREVIOUS and kind == ITEM):
            self._open, self._chosen = None, {}
            self._searches[action] += kind == INDEX

    def _learn(self, link: str, sheet: Sheet) -> None:
        """Judge the open product by what this page adds."""
        page = sheet.page
        product = self._products.get(link)
        if page.kind == ITEM:
            if product is not None:
                return
            shown = page.listings[0]
            price = shown.price.fits(page.request.limit)
            product = self._products[link] = _Product(bag(shown.title), sheet.offered, price)
        elif product is None or page.body is None or self._reading in product.read:
            return
        else:
            product.seen |= page.body
            product.read.add(self._reading)
        known = judge(page.request, product.seen, product.offered, product.price)
        product.judged = (*known, len(product.read) / 2)

    def _state(self, sheet: Sheet, unopened: tuple[float, float]) -> np.ndarray:
        page, step = sheet.page, self._step
        kinds = [0.0] * 4
        kinds[page.kind] = 1.0
        missing = sum(self._chosen.get(g) not in labels for g, labels in sheet.wanted.items())
        slack = STEP_LIMIT - step - 1 - missing
        product = self._products.get(self._open or "")
        others = [p.judged for p in self._products.values() if p is not product]
        here = _NOTHING_HERE
        if product is not None:
            best = max(map(merit, others), default=(0.0,))
            here = (
                *(*product.judged, missing / 3, float(page.kind == ITEM and not missing)),
                *(float(READ[0] in product.read), float(READ[1] in product.read)),
                float(merit(product.judged) >= best),
            )
        fit = max((merit(other) for other in others if other[1] * other[2]), default=None)
        return np.array(
            (
                *kinds,
                step / STEP_LIMIT,
                *(step >= late for late in LATE),
                *(slack / STEP_LIMIT, slack < 1, slack < 3, slack < 5),
                *(sum(self._searches.values()) / 3, len(self._products) / 5, page.number / 3),
                *(page.request.limit is not None, len(page.request.options) / 3),
                len(page.request.phrases) / 5,
                *here,
                *((0.0, 0.0, 0.0) if fit is None else (1.0, fit[2], fit[1])),
                *unopened,
            ),
            dtype=np.float32,
        )

    def _mark_links(self, sheet: Sheet, rows: np.ndarray) -> tuple[float, float]:
        """Fill in what is remembered of the products listed; return the features of the others."""
        links = sheet.actions[sheet.first :]
        known = {i: self._products[link] for i, link in enumerate(links) if link in self._products}
        at, judged = COLUMN["opened"], COLUMN[f"judged {JUDGED[0]}"]
        top = max((merit(product.judged) for product in known.values()), default=())
        for i, product in known.items():
            row = rows[sheet.first + i]
            row[at] = 1.0
            row[judged : judged + len(JUDGED)] = product.judged
            row[judged + len(JUDGED)] = merit(product.judged) == top
        rest = [i for i in range(len(links)) if i not in known]
        if not rest:
            return 0.0, 0.0
        best = max(rest, key=sheet.rare.__getitem__)
        rows[sheet.first + rest[0], at + 1] = 1.0
        rows[sheet.first + best, at + 2] = 1.0
        return sheet.rare[best], len(rest) / 10


class _WebShop:
    """The features of WebShop (see :class:`baselines.policies.features.ReaderFactory`)."""

    state_names = STATE_NAMES
    action_names = ACTION_NAMES

    def __call__(self, step: int = 0) -> WebShopReader:
        return WebShopReader(step)


WEBSHOP = _WebShop()
