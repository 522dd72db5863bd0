"""The reward of a purchase.

The agent buys one product with the options it has chosen; the goal names attributes, options
and a price limit. The reward is the share of these that the purchase meets, scaled by how well
the kind of product fits:

    score = r_type * (attribute matches + option matches + price ok) / (attributes + options + 1)

Behaviour: WebShop (Yao et al., 2022, https://arxiv.org/abs/2207.01206, section 2.3) and
princeton-nlp/WebShop ``engine/goal.py``, its oddities included: they decide rewards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from fedenv.errors import ConfigError
from fedenv.webshop.matching import Option, fuzzy_match, normalize_color

TITLE_MATCH: Final = 0.2
"""A title score above this is a match; it is also the score when the goal's title has no noun."""

TITLE_POOR: Final = 0.1
"""A title score below this makes ``r_type`` 0.1, whatever else matches."""

CATEGORY_LEVELS: Final = 2
"""So many levels of the category path must be shared for a match."""

SUCCESS_TOLERANCE: Final = 1e-9


class PurchasedProduct(Protocol):
    """What the reward reads of a product."""

    @property
    def name(self) -> str:
        """The title."""

    @property
    def description(self) -> str:
        """The description, possibly empty."""

    @property
    def bullets(self) -> tuple[str, ...]:
        """The feature bullets."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The annotated attributes."""

    @property
    def query(self) -> str:
        """The shelf name, lower-cased and stripped by the loader."""

    @property
    def product_category(self) -> str:
        """The category path, its levels separated by U+203A."""

    @property
    def price(self) -> float:
        """The one price that counts, also where a range is shown."""


class PurchaseGoal(Protocol):
    """What the reward reads of a goal."""

    @property
    def query(self) -> str:
        """The shelf name of the wanted product, in the same form."""

    @property
    def product_category(self) -> str:
        """The category path of the wanted product."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The wanted attributes."""

    @property
    def options(self) -> tuple[tuple[str, str], ...] | tuple[str, ...]:
        """(name, value) pairs for synthetic goals, plain strings for human goals."""

    @property
    def price_upper(self) -> float:
        """The price limit, positive."""


@dataclass(frozen=True, slots=True)
class Reward:
    """A purchase, judged: the counts, and what follows from them.

    Attributes:
        r_type: 1, 0.5, 0.1 or 0: how well the kind of product fits.
        query_match: Whether both products stand on the same shelf.
        category_match: Whether the category paths share at least two levels.
        title_score: Shared nouns of the titles / nouns of the goal's title.
        attribute_matches: Goal attributes that the product has.
        num_attributes: Attributes of the goal.
        option_matches: Goal options that some chosen option satisfies.
        num_options: Options of the goal.
        price_ok: Whether the price is within the limit.
    """

    r_type: float
    query_match: bool
    category_match: bool
    title_score: float
    attribute_matches: int
    num_attributes: int
    option_matches: int
    num_options: int
    price_ok: bool

    @property
    def _matches(self) -> int:
        return self.attribute_matches + self.option_matches + self.price_ok

    @property
    def _denominator(self) -> int:
        return self.num_attributes + self.num_options + 1

    @property
    def score(self) -> float:
        """The reward, from 0 to 1."""
        return self._matches / self._denominator * self.r_type

    @property
    def r_att(self) -> float | None:
        """Share of the goal attributes met, or None if the goal has none."""
        return self.attribute_matches / self.num_attributes if self.num_attributes else None

    @property
    def r_option(self) -> float | None:
        """Share of the goal options met, or None if the goal has none."""
        return self.option_matches / self.num_options if self.num_options else None

    @property
    def r_price(self) -> float:
        """1 if the price is within the limit, else 0."""
        return float(self.price_ok)

    @property
    def w_att(self) -> float:
        """Weight of ``r_att`` in the score."""
        return self.num_attributes / self._denominator

    @property
    def w_option(self) -> float:
        """Weight of ``r_option`` in the score."""
        return self.num_options / self._denominator

    @property
    def w_price(self) -> float:
        """Weight of ``r_price`` in the score."""
        return 1 / self._denominator

    @property
    def terms(self) -> dict[str, float]:
        """The score as a sum; ``"type"`` is what a wrong kind of product takes away."""
        denominator = self._denominator
        return {
            "attributes": self.attribute_matches / denominator,
            "options": self.option_matches / denominator,
            "price": self.price_ok / denominator,
            "type": (self.r_type - 1) * self._matches / denominator,
        }


def success(score: float) -> bool:
    """Tell whether a score is full marks, up to rounding."""
    return abs(score - 1.0) <= SUCCESS_TOLERANCE


@lru_cache(maxsize=1 << 12)
def _levels(category: str) -> frozenset[str]:
    return frozenset(level.strip() for level in category.split("›"))


@lru_cache(maxsize=1 << 11)
def _lowered_texts(name: str, bullets: tuple[str, ...], description: str) -> tuple[str, str, str]:
    return name.lower(), " ".join(bullets).lower(), description.lower()


def title_score(product_nouns: Sequence[str], goal_nouns: Sequence[str]) -> float:
    """Return the number of shared nouns, divided by the number of nouns in the goal's title.

    A noun that the goal's title repeats is shared once but counted twice, so even the wanted
    product itself can score below 1.
    """
    if not goal_nouns:
        return TITLE_MATCH
    return len(set(product_nouns).intersection(goal_nouns)) / len(goal_nouns)


def _r_type(matched: bool, title: float) -> float:
    # The title has the last word: it overrides a matching shelf or category.
    if title == 0:
        return 0.0
    if title < TITLE_POOR:
        return 0.1
    return 1.0 if matched or title > TITLE_MATCH else 0.5


def _has_attribute(product: PurchasedProduct, wanted: str) -> bool:
    for attribute in product.attributes:
        if fuzzy_match(attribute, wanted):
            return True
    texts = _lowered_texts(product.name, product.bullets, product.description)
    return wanted in texts[0] or wanted in texts[1] or wanted in texts[2]


def _count_options(wanted: Sequence[Option], chosen: Mapping[str, str]) -> int:
    """Count the goal options met; the name of a chosen option plays no part."""
    values = [normalize_color(value) for value in chosen.values()]
    count = 0
    for option in wanted:
        target = normalize_color(option)
        for value in values:
            if fuzzy_match(value, target):
                count += 1
                break
    return count


def purchase_reward(
    product: PurchasedProduct,
    goal: PurchaseGoal,
    chosen: Mapping[str, str],
    product_nouns: Sequence[str],
    goal_nouns: Sequence[str],
) -> Reward:
    """Judge a purchase.

    Args:
        product: The product bought.
        goal: What was wanted.
        chosen: The options chosen on the product's page, name to value.
        product_nouns: Nouns of the product's title, from a noun tagger.
        goal_nouns: Nouns of the goal's title, from the same tagger.

    Raises:
        ConfigError: If the goal's price limit is not positive.
    """
    if not goal.price_upper > 0:
        raise ConfigError(
            f"expected a goal with price_upper > 0, got {goal.price_upper!r}; "
            "a goal without a price limit carries a very large one, such as 1000000"
        )
    query_match = product.query == goal.query
    shared = _levels(product.product_category) & _levels(goal.product_category)
    category_match = len(shared) >= CATEGORY_LEVELS
    title = title_score(product_nouns, goal_nouns)
    return Reward(
        r_type=_r_type(query_match or category_match, title),
        query_match=query_match,
        category_match=category_match,
        title_score=title,
        attribute_matches=sum(_has_attribute(product, wanted) for wanted in goal.attributes),
        num_attributes=len(goal.attributes),
        option_matches=_count_options(goal.options, chosen),
        num_options=len(goal.options),
        price_ok=product.price <= goal.price_upper,
    )
