"""The page machine: what each action does to one shopping session.

Pages and transitions are those of WebShop, without its quirks (a session never restarts by itself,
turning a page does not search again, the page kind is a state and not read off an address). A
malformed or inadmissible action changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from fedenv.webshop.actions import CLICK, SEARCH, SEARCH_TEMPLATE, click, is_clickable, parse_action
from fedenv.webshop.catalog import Product
from fedenv.webshop.pages import SUB_PAGES
from fedenv.webshop.reward import success

if TYPE_CHECKING:
    from fedenv.webshop.goals import Goal
    from fedenv.webshop.pages import Pages
    from fedenv.webshop.reward import Reward

PRODUCTS_PER_PAGE = 10
BACK_TO_SEARCH = "back to search"
NEXT_PAGE = "next >"
PREVIOUS = "< prev"
BUY_NOW = "buy now"
ITEM_BUTTONS = (BACK_TO_SEARCH, PREVIOUS, *SUB_PAGES, BUY_NOW)

INDEX, RESULTS, ITEM, SUB_PAGE, DONE = "index", "results", "item", "sub_page", "done"


class Storefront(Protocol):
    """What a session needs of the shop it runs in: one client's pipeline and the reward."""

    pages: Pages
    products: Sequence[Product]

    def search(self, query: str, episode_seed: int, search_number: int) -> list[int]:
        """Return product indices in the order in which this client's shop shows them."""

    def find(self, label: str) -> int | None:
        """Return the index of the product whose lower-cased code is ``label``."""

    def link(self, product: int) -> str:
        """Return the action that opens a product from a result page."""

    def menu(self, product: int) -> ItemMenu:
        """Return what can be clicked on a product's page."""

    def reward(self, product: int, goal: Goal, chosen: Mapping[str, str]) -> Reward:
        """Return the reward of buying a product with the chosen options."""


class ItemMenu:
    """What can be clicked on one product's page."""

    __slots__ = ("actions", "groups")

    def __init__(self, product: Product) -> None:
        self.groups: dict[str, str] = {}
        for name, values in product.options.items():
            self.groups.update((v, name) for v in values if v and v not in RESERVED_LABELS)
        options = (click(value) for value in self.groups if is_clickable(value))
        self.actions = (*map(click, ITEM_BUTTONS), *options)


RESERVED_LABELS = frozenset((*ITEM_BUTTONS, SEARCH))


class Session:
    """One episode in one client's shop.

    Attributes:
        shop: The client's shop.
        goal: What to buy.
        page: One of ``"index"``, ``"results"``, ``"item"``, ``"sub_page"``, ``"done"``.
        query: Lower-cased argument of the last search.
        results: Product indices of the last search, all pages.
        number: 1-based number of the result page.
        product: Index of the open product, or None.
        sub_page: Name of the open sub page.
        visited: Products opened since the last return to the start page.
        chosen: Option name to value on the open product.
        searches: Number of searches so far.
        reward: The reward once something was bought, else None.
    """

    __slots__ = (
        *("chosen", "episode_seed", "goal", "number", "page", "product"),
        *("query", "results", "reward", "searches", "shop", "sub_page", "visited"),
    )

    def __init__(self, shop: Storefront, goal: Goal, episode_seed: int) -> None:
        self.shop = shop
        self.goal = goal
        self.episode_seed = episode_seed
        self.searches = 0
        self.reward: Reward | None = None
        self.page: str
        self._to_index()

    @property
    def done(self) -> bool:
        """Whether something was bought."""
        return self.reward is not None

    @property
    def score(self) -> float:
        """WebShop's task score in [0, 1]; 0.0 until something was bought."""
        return 0.0 if self.reward is None else self.reward.score

    @property
    def success(self) -> bool:
        """Whether the purchase scored 1."""
        return self.reward is not None and success(self.reward.score)

    @property
    def reward_terms(self) -> dict[str, float]:
        """Contributions that add up to the score; empty until something was bought."""
        return {} if self.reward is None else self.reward.terms

    @property
    def observation(self) -> str:
        """Text of the current page."""
        pages, instruction = self.shop.pages, self.goal.instruction
        if self.page == RESULTS:
            shown = self._shown()
            return pages.results(instruction, self.number, len(self.results), shown, self.visited)
        if self.page == INDEX:
            return pages.index(instruction)
        assert self.product is not None
        if self.page == ITEM:
            return pages.item(instruction, self.product, self.query.split(" "), self.chosen)
        if self.page == SUB_PAGE:
            return pages.sub_page(instruction, self.product, self.sub_page)
        return pages.done(self.shop.products[self.product].asin, self.chosen, self.score)

    @property
    def admissible_actions(self) -> list[str]:
        """A new list of the actions that the page offers."""
        if self.page == INDEX:
            return [SEARCH_TEMPLATE]
        if self.page == RESULTS:
            first = _RESULT_BUTTONS if self.number == 1 else _LATER_RESULT_BUTTONS
            return [*first, *map(self.shop.link, self._shown())]
        if self.page == ITEM and self.product is not None:
            return list(self.shop.menu(self.product).actions)
        return [] if self.page == DONE else list(_SUB_PAGE_BUTTONS)

    def act(self, action: object) -> bool:
        """Take one action; return whether it was valid. An invalid one changes nothing."""
        parsed = parse_action(action)
        if parsed is None or self.reward is not None:
            return False
        name, argument = parsed
        if name == SEARCH:
            self._search(argument)
            return True
        if name != CLICK:
            return False
        if argument == BACK_TO_SEARCH:
            if self.page == INDEX:
                return False
            self._to_index()
            return True
        if self.page == RESULTS:
            return self._click_on_results(argument)
        if self.page == ITEM:
            return self._click_on_item(argument)
        if self.page == SUB_PAGE and argument == PREVIOUS:
            self.page = ITEM
            return True
        return False

    def _to_index(self) -> None:
        self.page = INDEX
        self.query = ""
        self.results: list[int] = []
        self.number = 0
        self.sub_page = ""
        self.visited: set[int] = set()
        self._close_product()

    def _close_product(self) -> None:
        self.product: int | None = None
        self.chosen: dict[str, str] = {}

    def _search(self, query: str) -> None:
        self.results = self.shop.search(query, self.episode_seed, self.searches)
        self.searches += 1
        self.query = query
        self.number = 1
        self.page = RESULTS
        self._close_product()

    def _shown(self) -> list[int]:
        start = (self.number - 1) * PRODUCTS_PER_PAGE
        return self.results[start : start + PRODUCTS_PER_PAGE]

    def _click_on_results(self, label: str) -> bool:
        if label == NEXT_PAGE:
            self.number += 1
            return True
        if label == PREVIOUS:
            if self.number == 1:
                return False
            self.number -= 1
            return True
        product = self.shop.find(label)
        if product is None or product not in self._shown():
            return False
        self.product = product
        self.visited.add(product)
        self.page = ITEM
        return True

    def _click_on_item(self, label: str) -> bool:
        assert self.product is not None
        if label == PREVIOUS:
            self._close_product()
            self.page = RESULTS
        elif label in SUB_PAGES:
            self.sub_page = label
            self.page = SUB_PAGE
        elif label == BUY_NOW:
            self.reward = self.shop.reward(self.product, self.goal, self.chosen)
            self.page = DONE
        elif (group := self.shop.menu(self.product).groups.get(label)) is not None:
            self.chosen[group] = label
        else:
            return False
        return True


_RESULT_BUTTONS = (click(BACK_TO_SEARCH), click(NEXT_PAGE))
_LATER_RESULT_BUTTONS = (click(BACK_TO_SEARCH), click(PREVIOUS), click(NEXT_PAGE))
_SUB_PAGE_BUTTONS = (click(BACK_TO_SEARCH), click(PREVIOUS))
