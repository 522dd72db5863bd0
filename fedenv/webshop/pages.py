"""Stage 4 of the pipeline, second half: page text.

The original shop renders HTML and strips it again. Here a page is a list of *nodes* (the text
nodes that survive the stripping), and what a node says never changes for a product, so joined
fragments are cached per product and an observation is a concatenation. Texts, order and separators
are those of WebShop (see NOTICE).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import lru_cache
from typing import Protocol

from fedenv.errors import unknown_name
from fedenv.webshop.catalog import Catalog, Product

SEPARATOR = " [SEP] "
SUB_PAGES = ("description", "features", "reviews")
_ASCII_SPACE = " \n\t\f\r"
_HTML_SAFE = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"},
)
_DONE_TARGET = (
    *("Target", "asin", "options", "attrs", "price upper", "instuction text", "category"),
    *("product category", "query"),
)


class Pages(Protocol):
    """Turns the state of a session into an observation, in one observation mode."""

    def index(self, instruction: str) -> str:
        """Return the start page."""

    def results(
        self,
        instruction: str,
        number: int,
        total: int,
        products: Sequence[int],
        visited: Set[int],
    ) -> str:
        """Return one page of results.

        Args:
            instruction: The goal's instruction.
            number: 1-based page number.
            total: Number of results on all pages.
            products: Product indices on this page, at most 10.
            visited: Products opened since the last return to the start page.
        """

    def item(
        self, instruction: str, product: int, keywords: Sequence[str], chosen: Mapping[str, str]
    ) -> str:
        """Return a product's page."""

    def sub_page(self, instruction: str, product: int, name: str) -> str:
        """Return a product's description, features or reviews page."""

    def done(self, asin: str, chosen: Mapping[str, str], score: float) -> str:
        """Return the page after the purchase."""


def visible(text: str) -> tuple[str, ...]:
    """Return the text node that a text becomes: none if it is empty or holds only line breaks.

    A text of ASCII white space becomes a single space, or nothing if it contains a newline.
    """
    if text.strip(_ASCII_SPACE):
        return (text,)
    return (" ",) if text and "\n" not in text else ()


def options_json(chosen: Mapping[str, str]) -> str:
    """Return the chosen options as the done page prints them: sorted, ASCII, HTML-safe JSON."""
    return json.dumps(dict(chosen), sort_keys=True).translate(_HTML_SAFE)


def _sub_page_nodes(product: Product, name: str) -> list[str]:
    if name == "description":
        return list(visible(product.description))
    if name == "features":
        return [node for bullet in product.bullets for node in visible(f" {bullet}")]
    return []


def _done_nodes(asin: str, options: str, score: str) -> list[str]:
    return [
        *("Thank you for shopping with us!", "Your code: ", "None"),
        *(" (Paste it in your MTurk interface.)", "Purchased", "asin", asin),
        *("options", options, "attrs", "None", "category", "None"),
        *("query", "None", "product category", "None", *_DONE_TARGET, "Goal ", "None"),
        *("Reward", "Your score (min 0.0, max 1.0)", score, "Reward Details ", "None"),
    ]


_DONE_TEMPLATE = SEPARATOR.join(node.strip() for node in _done_nodes("%s", "%s", "%s"))


class TextPages:
    """Mode ``"text"``: stripped nodes joined by ``[SEP]``; chosen options are not shown."""

    def __init__(self, catalog: Catalog) -> None:
        self._products = catalog.products
        self._listings: dict[int, str] = {}
        self._items: dict[int, str] = {}

    def index(self, instruction: str) -> str:
        """Return the start page."""
        return _join(("WebShop", "Instruction:", *visible(instruction), "Search"))

    def results(
        self,
        instruction: str,
        number: int,
        total: int,
        products: Sequence[int],
        visited: Set[int],
    ) -> str:
        """Return one page of results."""
        previous = "< Prev [SEP] " if number > 1 else ""
        head = (
            f"{_head(instruction)} [SEP] Page {number} (Total results: {total}) [SEP] "
            f"{previous}Next >"
        )
        listings = self._listings
        parts = [head]
        for index in products:
            listing = listings.get(index)
            if listing is None:
                listing = listings[index] = self._listing(self._products[index])
            parts.append(listing)
        return SEPARATOR.join(parts)

    def item(
        self, instruction: str, product: int, keywords: Sequence[str], chosen: Mapping[str, str]
    ) -> str:
        """Return a product's page."""
        body = self._items.get(product)
        if body is None:
            body = self._items[product] = self._item(self._products[product])
        return f"{_head(instruction)} [SEP] < Prev [SEP] {body}"

    def sub_page(self, instruction: str, product: int, name: str) -> str:
        """Return a product's description, features or reviews page."""
        nodes = _sub_page_nodes(self._products[product], name)
        return _join((_head(instruction), "< Prev", *nodes))

    def done(self, asin: str, chosen: Mapping[str, str], score: float) -> str:
        """Return the page after the purchase."""
        return _DONE_TEMPLATE % (asin, options_json(chosen), score)

    @staticmethod
    def _listing(product: Product) -> str:
        return _join((product.asin, *visible(product.name), product.price_tag))

    @staticmethod
    def _item(product: Product) -> str:
        nodes: list[str] = []
        for name, values in product.options.items():
            nodes.extend(visible(name))
            nodes.extend(node for value in values for node in visible(value))
        nodes.extend(visible(product.name))
        nodes += [f"Price: {product.price_tag}", "Rating: N.A.", "Description", "Features"]
        return _join((*nodes, "Reviews", "Buy Now"))


class RichPages:
    """Mode ``"text_rich"``: one node a line, with buttons, chosen options and visits marked.

    An option counts as chosen where its quoted value occurs in the page's address (query, page
    and JSON of the options), as in the original: values with ``"`` or non-ASCII characters are
    never marked, and a quoted word of the query can mark one.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._products = catalog.products

    def index(self, instruction: str) -> str:
        """Return the start page."""
        return _lines(("WebShop", "Instruction: ", *visible(instruction), _button("Search")))

    def results(
        self,
        instruction: str,
        number: int,
        total: int,
        products: Sequence[int],
        visited: Set[int],
    ) -> str:
        """Return one page of results."""
        nodes = [*_rich_head(instruction), f"Page {number} (Total results: {total})"]
        if number > 1:
            nodes.append(_button("< Prev"))
        nodes.append(_button("Next >"))
        for index in products:
            product = self._products[index]
            link = _button(product.asin, "clicked button" if index in visited else "button")
            nodes += [f"\n{link}", *visible(product.name), product.price_tag]
        return _lines(nodes)

    def item(
        self, instruction: str, product: int, keywords: Sequence[str], chosen: Mapping[str, str]
    ) -> str:
        """Return a product's page."""
        address = f"{'+'.join(keywords)}/{json.dumps(dict(chosen))}"
        listing = self._products[product]
        nodes = [*_rich_head(instruction), _button("< Prev")]
        clicked = ""
        for name, values in listing.options.items():
            nodes.extend(visible(name))
            for value in (node for text in values for node in visible(text)):
                if f'"{value}"' in address:
                    nodes.append(f"  {_button(value, 'clicked button')}")
                    clicked = f"You have clicked {value}.\n{clicked}"
                else:
                    nodes.append(f"  {_button(value)}")
        nodes += [*visible(listing.name), f"Price: {listing.price_tag}", "Rating: N.A."]
        nodes += map(_button, ("Description", "Features", "Reviews", "Buy Now"))
        return clicked + _lines(nodes)

    def sub_page(self, instruction: str, product: int, name: str) -> str:
        """Return a product's description, features or reviews page."""
        nodes = _sub_page_nodes(self._products[product], name)
        return _lines((*_rich_head(instruction), _button("< Prev"), *nodes))

    def done(self, asin: str, chosen: Mapping[str, str], score: float) -> str:
        """Return the page after the purchase."""
        return _lines(_done_nodes(asin, options_json(chosen), str(score)))


OBSERVATION_MODES: Mapping[str, Callable[[Catalog], Pages]] = {
    "text": TextPages,
    "text_rich": RichPages,
}


def make_pages(catalog: Catalog, mode: str) -> Pages:
    """Return the pages of a catalog in an observation mode.

    Raises:
        ConfigError: Unknown mode.
    """
    if mode not in OBSERVATION_MODES:
        raise unknown_name("observation_mode", mode, OBSERVATION_MODES)
    return OBSERVATION_MODES[mode](catalog)


def _join(nodes: Iterable[str]) -> str:
    return SEPARATOR.join(node.strip() for node in nodes)


@lru_cache(maxsize=1024)
def _head(instruction: str) -> str:
    return _join(("Instruction:", *visible(instruction), "Back to Search"))


def _lines(nodes: Iterable[str]) -> str:
    return "".join(f"{node}\n" for node in nodes)


def _button(label: str, kind: str = "button") -> str:
    return f"[{kind}] {label} [{kind}_]"


def _rich_head(instruction: str) -> list[str]:
    return ["Instruction:", *visible(instruction), _button("Back to Search")]
