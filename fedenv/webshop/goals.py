"""Goals: what a client is asked to buy, derived from the catalog's instructions.

Synthetic goals combine a product's instruction with every combination of its option values; human
goals are the instructions that people wrote. The price limit of a goal is drawn from a stream
named by the product, with the distribution of the original shop.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fedenv import seeding
from fedenv.errors import unknown_name
from fedenv.fingerprint import digest
from fedenv.webshop.catalog import Catalog, Product

_logger = logging.getLogger(__name__)

GOAL_KINDS = ("synthetic", "human")
PRICE_LADDER = tuple(10.0 * step for step in range(1, 100))
LADDER_CANDIDATES = 4
NO_LIMIT = 1_000_000.0
TASK_PREFIX = "webshop-"

Options = tuple[tuple[str, str], ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """One shopping task.

    Attributes:
        task_id: Opaque, stable name; says nothing about the product.
        product: Index of the product that the instruction was made for.
        instruction: What the agent reads, price limit included.
        name: Title of that product.
        query: Its shelf name, normalised.
        category: Its WebShop category.
        product_category: Its category levels.
        attributes: Attribute phrases to match.
        options: (name, value) pairs to match; plain values for human goals.
        price_upper: Price limit in dollars, 1,000,000 where there is none.
    """

    task_id: str
    product: int
    instruction: str
    name: str
    query: str
    category: str
    product_category: str
    attributes: tuple[str, ...]
    options: Options
    price_upper: float


def build_goals(catalog: Catalog, kind: str = "synthetic") -> tuple[Goal, ...]:
    """Return all goals of a catalog, in catalog order.

    Args:
        catalog: The products.
        kind: ``"synthetic"`` or ``"human"``.

    Raises:
        ConfigError: Unknown kind.
    """
    if kind not in GOAL_KINDS:
        raise unknown_name("goals", kind, GOAL_KINDS)
    return tuple(goal for product in catalog.products for goal in product_goals(product, kind))


def product_goals(product: Product, kind: str) -> list[Goal]:
    """Return the goals of one product; no other product has a say in them.

    Args:
        product: The product.
        kind: ``"synthetic"`` or ``"human"``.
    """
    make = _human_goals if kind == "human" else _synthetic_goals
    repeats: Counter[str] = Counter()
    goals: list[Goal] = []
    for text, attributes, options, limit in make(product):
        content = digest([product.asin, text, list(attributes), options])
        repeats[content] += 1
        goals.append(
            Goal(
                task_id=f"{TASK_PREFIX}{digest(['task', content, repeats[content]])}",
                product=product.index,
                instruction=text,
                name=product.name,
                query=product.query,
                category=product.category,
                product_category=product.product_category,
                attributes=attributes,
                options=options,
                price_upper=limit,
            )
        )
    return goals


_Draft = tuple[str, tuple[str, ...], Options, float]


def _synthetic_goals(product: Product) -> Iterator[_Draft]:
    if product.instruction is None:
        return
    limit, limit_text = _price_limit(product, "synthetic")
    names = sorted(product.options)
    for values in itertools.product(*(product.options[name] for name in names)):
        options = tuple(zip(names, values, strict=True))
        wanted = ", and ".join(f"{name}: {value}" for name, value in options)
        option_text = f" with {wanted}" if wanted else ""
        text = f"{product.instruction}{option_text}{limit_text}"
        yield text, product.instruction_attributes, options, limit


def _human_goals(product: Product) -> Iterator[_Draft]:
    for number, instruction in enumerate(product.human):
        if not instruction.attributes:
            _logger.debug("%s: instruction %d has no attributes, skipped", product.asin, number)
            continue
        limit, limit_text = _price_limit(product, number)
        text = instruction.text.strip(".") + limit_text
        yield text, instruction.attributes, instruction.options, limit


def _price_limit(product: Product, instruction: str | int) -> tuple[float, str]:
    """Draw the larger of two of the first four ladder prices above the product's price."""
    above = [price for price in PRICE_LADDER if price > product.price][:LADDER_CANDIDATES]
    if len(above) < 2:
        return NO_LIMIT, ""
    pairs = list(itertools.combinations(above, 2))
    path = ("webshop", "price-limit", product.asin, instruction)
    limit = max(pairs[seeding.index_for(len(pairs), *path)])
    return limit, f", and price lower than {limit:.2f} dollars"
